"""The problems, by suite; a problem is loaded when it is first played.

A suite is a module with ``names() -> list of str``, which costs nothing, and ``load(name) ->
Bench``. What a suite needs and does not find (a package, a folder of data) it says in
``missing() -> str`` (empty when all is there), and the suite is left out.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from bandmaster.errors import ConfigurationError
from benchmarks.quality.bench import Bench

__all__ = ["SUITES", "default_length", "load", "names", "suite_of", "why_missing"]

# Suite -> (module, which of its names, how many evaluations a run has).
SUITES: dict[str, tuple[str, str, int]] = {
    "synthetic": ("synthetic", "four", 100),
    "synthetic-all": ("synthetic", "all", 100),
    "counting-ones": ("synthetic", "fidelity", 100),
}


def _module(suite: str) -> Any:
    if suite not in SUITES:
        raise ConfigurationError(f"there is no suite {suite!r}; there are {', '.join(SUITES)}")
    return import_module(f"{__name__}.{SUITES[suite][0]}")


def default_length(suite: str) -> int:
    """Return how many evaluations a run has."""
    return SUITES[suite][2]


def why_missing(suite: str) -> str:
    """Return what a suite lacks, or nothing."""
    return str(_module(suite).missing())


def names(suite: str) -> list[str]:
    """Return the problems of a suite."""
    return list(_module(suite).names(SUITES[suite][1]))


def suite_of(problem: str) -> str:
    """Return the first suite that has this problem."""
    for suite in SUITES:
        if problem in names(suite):
            return suite
    raise ConfigurationError(f"no suite has a problem {problem!r}; suites are {', '.join(SUITES)}")


@lru_cache(maxsize=64)
def load(problem: str) -> Bench:
    """Return a problem by name."""
    bench: Bench = _module(suite_of(problem)).load(problem)
    return bench
