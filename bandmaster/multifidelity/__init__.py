"""Iteration generators: which trial runs next, at which budget.

Modules load on first use. `iter_generator_class("hyperband")` finds a class by its name,
`iter_generator_names()` lists them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bandmaster.errors import ConfigurationError

if TYPE_CHECKING:
    from bandmaster.multifidelity.asha import ASHAIterGenerator
    from bandmaster.multifidelity.asha_stopping import ASHAStoppingIterGenerator
    from bandmaster.multifidelity.base import IterGenerator
    from bandmaster.multifidelity.bohb import BOHBIterGenerator
    from bandmaster.multifidelity.custom import CustomIterGenerator
    from bandmaster.multifidelity.distributions import choice as choice
    from bandmaster.multifidelity.distributions import grid_search as grid_search
    from bandmaster.multifidelity.distributions import int_loguniform as int_loguniform
    from bandmaster.multifidelity.distributions import int_quniform as int_quniform
    from bandmaster.multifidelity.distributions import int_uniform as int_uniform
    from bandmaster.multifidelity.distributions import loguniform as loguniform
    from bandmaster.multifidelity.distributions import ordinal as ordinal
    from bandmaster.multifidelity.distributions import qloguniform as qloguniform
    from bandmaster.multifidelity.distributions import quniform as quniform
    from bandmaster.multifidelity.distributions import sample_from as sample_from
    from bandmaster.multifidelity.distributions import uniform as uniform
    from bandmaster.multifidelity.flat import FlatIterGenerator
    from bandmaster.multifidelity.hyperband import HyperBandIterGenerator
    from bandmaster.multifidelity.pasha import PASHAIterGenerator
    from bandmaster.multifidelity.pbt import PBTIterGenerator
    from bandmaster.multifidelity.percentile import (
        MedianStoppingIterGenerator,
        PercentileStoppingIterGenerator,
    )
    from bandmaster.multifidelity.successive_halving import SuccessiveHalvingIterGenerator

__all__ = [
    "ASHAIterGenerator",
    "ASHAStoppingIterGenerator",
    "BOHBIterGenerator",
    "CustomIterGenerator",
    "FlatIterGenerator",
    "HyperBandIterGenerator",
    "IterGenerator",
    "MedianStoppingIterGenerator",
    "PASHAIterGenerator",
    "PBTIterGenerator",
    "PercentileStoppingIterGenerator",
    "SuccessiveHalvingIterGenerator",
    "choice",
    "grid_search",
    "int_loguniform",
    "int_quniform",
    "int_uniform",
    "iter_generator_class",
    "iter_generator_names",
    "loguniform",
    "ordinal",
    "qloguniform",
    "quniform",
    "sample_from",
    "uniform",
]

_REGISTRY = {  # name → (module, class); a generator that is not here has no conformance test
    "ASHA": ("asha", "ASHAIterGenerator"),
    "ASHAStopping": ("asha_stopping", "ASHAStoppingIterGenerator"),
    "BOHB": ("bohb", "BOHBIterGenerator"),
    "Custom": ("custom", "CustomIterGenerator"),
    "Flat": ("flat", "FlatIterGenerator"),
    "HyperBand": ("hyperband", "HyperBandIterGenerator"),
    "MedianStopping": ("percentile", "MedianStoppingIterGenerator"),
    "PASHA": ("pasha", "PASHAIterGenerator"),
    "PBT": ("pbt", "PBTIterGenerator"),
    "PercentileStopping": ("percentile", "PercentileStoppingIterGenerator"),
    "SuccessiveHalving": ("successive_halving", "SuccessiveHalvingIterGenerator"),
}
_CLASSES = {
    "IterGenerator": "base",
    **dict.fromkeys(
        (
            "choice",
            "grid_search",
            "int_loguniform",
            "int_quniform",
            "int_uniform",
            "loguniform",
            "ordinal",
            "qloguniform",
            "quniform",
            "sample_from",
            "uniform",
        ),
        "distributions",
    ),
    **{class_name: module for module, class_name in _REGISTRY.values()},
}


def iter_generator_names() -> tuple[str, ...]:
    """Return the names of all iteration generators, sorted."""
    return tuple(sorted(_REGISTRY))


def iter_generator_class(name: str) -> type[IterGenerator]:
    """Return the class that is called `name`, in any case, with or without ``IterGenerator``.

    Raises
    ------
    ConfigurationError
        When there is none.
    """
    wanted = str(name).lower().removesuffix("itergenerator")
    for known, (_, class_name) in _REGISTRY.items():
        if known.lower() == wanted:
            return __getattr__(class_name)  # type: ignore[no-any-return]  # a class of the registry
    raise ConfigurationError(
        f"there is no iteration generator {name!r}; there are {', '.join(iter_generator_names())}"
    )


def __getattr__(name: str) -> Any:
    module = _CLASSES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
