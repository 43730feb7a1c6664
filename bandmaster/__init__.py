"""Distributed multi-fidelity hyper-parameter search.

The names below are loaded on first use, so that ``import bandmaster`` costs next to nothing and a
worker process never pays for what only its master needs.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bandmaster.asynccomm.master import Master
    from bandmaster.asynccomm.nameserver import NameServer
    from bandmaster.asynccomm.net import get_a_free_port
    from bandmaster.asynccomm.worker import Worker
    from bandmaster.core.objectives import Metric
    from bandmaster.facade import Study
    from bandmaster.fmin import fmin
    from bandmaster.multifidelity import (
        BOHBIterGenerator,
        CustomIterGenerator,
        HyperBandIterGenerator,
        IterGenerator,
        PBTIterGenerator,
        SuccessiveHalvingIterGenerator,
    )
    from bandmaster.optimizers import (
        ETPEOptimizer,
        GridOptimizer,
        Optimizer,
        RandomOptimizer,
        SobolOptimizer,
    )
    from bandmaster.progress import default_callback
    from bandmaster.space import Space, hdl2cs, layering_config
    from bandmaster.study.result import FMinResult, Result

__all__ = [
    "BOHBIterGenerator",
    "CustomIterGenerator",
    "ETPEOptimizer",
    "FMinResult",
    "GridOptimizer",
    "HyperBandIterGenerator",
    "IterGenerator",
    "Master",
    "Metric",
    "NameServer",
    "Optimizer",
    "PBTIterGenerator",
    "RandomOptimizer",
    "Result",
    "SobolOptimizer",
    "Space",
    "Study",
    "SuccessiveHalvingIterGenerator",
    "Worker",
    "__version__",
    "default_callback",
    "fmin",
    "get_a_free_port",
    "hdl2cs",
    "layering_config",
]

__version__ = "0.1.0"

_HOME = {
    "BOHBIterGenerator": "bandmaster.multifidelity",
    "CustomIterGenerator": "bandmaster.multifidelity",
    "ETPEOptimizer": "bandmaster.optimizers",
    "FMinResult": "bandmaster.study.result",
    "GridOptimizer": "bandmaster.optimizers",
    "HyperBandIterGenerator": "bandmaster.multifidelity",
    "IterGenerator": "bandmaster.multifidelity",
    "Master": "bandmaster.asynccomm.master",
    "Metric": "bandmaster.core.objectives",
    "NameServer": "bandmaster.asynccomm.nameserver",
    "Optimizer": "bandmaster.optimizers",
    "PBTIterGenerator": "bandmaster.multifidelity",
    "RandomOptimizer": "bandmaster.optimizers",
    "Result": "bandmaster.study.result",
    "SobolOptimizer": "bandmaster.optimizers",
    "Space": "bandmaster.space",
    "Study": "bandmaster.facade",
    "SuccessiveHalvingIterGenerator": "bandmaster.multifidelity",
    "Worker": "bandmaster.asynccomm.worker",
    "default_callback": "bandmaster.progress",
    "fmin": "bandmaster.fmin",
    "get_a_free_port": "bandmaster.asynccomm.net",
    "hdl2cs": "bandmaster.space",
    "layering_config": "bandmaster.space",
}


class _Package(ModuleType):
    """Keeps `bandmaster.fmin` the function: importing the module of that name would replace it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "fmin" and isinstance(value, ModuleType):
            value = value.fmin
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not, and the submodules that are."""
    return sorted({*globals(), *__all__})
