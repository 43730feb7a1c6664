"""What proposes configurations: the interface, four optimizers, and the registry of names."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bandmaster.errors import ConfigurationError

if TYPE_CHECKING:
    from bandmaster.optimizers.auto import AutoOptimizer
    from bandmaster.optimizers.base import Optimizer, Suggestion
    from bandmaster.optimizers.cmaes import CMAESOptimizer
    from bandmaster.optimizers.cost import Cost
    from bandmaster.optimizers.de import DEOptimizer
    from bandmaster.optimizers.etpe import ETPEOptimizer
    from bandmaster.optimizers.forest import ForestOptimizer
    from bandmaster.optimizers.gp import GPOptimizer
    from bandmaster.optimizers.grid import GridOptimizer
    from bandmaster.optimizers.prior import Prior
    from bandmaster.optimizers.random import RandomOptimizer
    from bandmaster.optimizers.regularized_evolution import RegularizedEvolutionOptimizer
    from bandmaster.optimizers.sobol import SobolOptimizer
    from bandmaster.optimizers.unseen import draw_unseen

__all__ = [
    "AutoOptimizer",
    "CMAESOptimizer",
    "Cost",
    "DEOptimizer",
    "ETPEOptimizer",
    "ForestOptimizer",
    "GPOptimizer",
    "GridOptimizer",
    "Optimizer",
    "Prior",
    "RandomOptimizer",
    "RegularizedEvolutionOptimizer",
    "SobolOptimizer",
    "Suggestion",
    "draw_unseen",
    "get_optimizer",
    "optimizer_names",
    "register_optimizer",
]

_HOME = {
    "AutoOptimizer": "bandmaster.optimizers.auto",
    "CMAESOptimizer": "bandmaster.optimizers.cmaes",
    "Cost": "bandmaster.optimizers.cost",
    "DEOptimizer": "bandmaster.optimizers.de",
    "ETPEOptimizer": "bandmaster.optimizers.etpe",
    "ForestOptimizer": "bandmaster.optimizers.forest",
    "GPOptimizer": "bandmaster.optimizers.gp",
    "GridOptimizer": "bandmaster.optimizers.grid",
    "Optimizer": "bandmaster.optimizers.base",
    "Prior": "bandmaster.optimizers.prior",
    "RandomOptimizer": "bandmaster.optimizers.random",
    "RegularizedEvolutionOptimizer": "bandmaster.optimizers.regularized_evolution",
    "SobolOptimizer": "bandmaster.optimizers.sobol",
    "Suggestion": "bandmaster.optimizers.base",
    "draw_unseen": "bandmaster.optimizers.unseen",
}

# Name -> class (or function without arguments), or where to load it from.
_REGISTRY: dict[str, Callable[[], Optimizer] | str] = {
    "BO": "GPOptimizer",
    "CMAES": "CMAESOptimizer",
    "DE": "DEOptimizer",
    "ETPE": "ETPEOptimizer",
    "Forest": "ForestOptimizer",
    "GP": "GPOptimizer",
    "Grid": "GridOptimizer",
    "Random": "RandomOptimizer",
    "RegularizedEvolution": "RegularizedEvolutionOptimizer",
    "Sobol": "SobolOptimizer",
    "auto": "AutoOptimizer",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})


def optimizer_names() -> list[str]:
    """Return the registered names, sorted."""
    return sorted(_REGISTRY)


def register_optimizer(name: str, factory: Callable[[], Optimizer]) -> None:
    """Make an optimizer known by name, for `fmin(optimizer=name)` and the command line.

    Parameters
    ----------
    name : str
        Found in any case. An existing name is replaced.
    factory : callable
        The class, or a function without arguments that makes a new optimizer.

    Raises
    ------
    ConfigurationError
        When the name is empty or the factory cannot be called.
    """
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"an optimizer's name must be a string, got {name!r}")
    if not callable(factory):
        raise ConfigurationError(f"{factory!r} makes no optimizer: give a class or a function")
    _REGISTRY[_find(name) or name] = factory


def get_optimizer(optimizer: str | Optimizer | Callable[[], Optimizer]) -> Optimizer:
    """Return an optimizer: a new one by name or class, or the given instance itself.

    Raises
    ------
    ConfigurationError
        When no optimizer has this name (the message lists those there are), or what was given
        is none.
    """
    from bandmaster.optimizers.base import Optimizer

    if isinstance(optimizer, Optimizer):
        return optimizer
    factory: Any = optimizer
    if isinstance(optimizer, str):
        name = _find(optimizer)
        if name is None:
            near = get_close_matches(optimizer, optimizer_names(), 1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigurationError(
                f"there is no optimizer {optimizer!r}{meant}; there are "
                f"{', '.join(optimizer_names())}, and what register_optimizer adds"
            )
        factory = _REGISTRY[name]
        if isinstance(factory, str):
            factory = __getattr__(factory)
    made = factory() if callable(factory) else factory
    if not isinstance(made, Optimizer):
        raise ConfigurationError(
            f"{optimizer!r} is no optimizer; give an Optimizer or one of the names "
            f"{', '.join(optimizer_names())}"
        )
    return made


def _find(name: str) -> str | None:
    folded = name.strip().casefold()
    return next((known for known in _REGISTRY if known.casefold() == folded), None)
