"""``--metric``: what a run goes by, in a word."""

from __future__ import annotations

import re

import click

from bandmaster.core.objectives import Metric

__all__ = ["metric"]

_CONSTRAINT = re.compile(r"(?P<name>.+?)\s*(?P<side><=|>=)\s*(?P<threshold>[^<>=]+)\Z")
_STRATEGIES = {
    "minimize": ("optimize", "minimize"),
    "maximize": ("optimize", "maximize"),
    "store": ("store", "minimize"),
}


def metric(value: str) -> Metric:
    """Read ``loss``, ``accuracy:maximize``, ``seconds<=10``, ``recall>=0.9`` or ``size:store``.

    Raises
    ------
    click.BadParameter
        When it is none.
    """
    constraint = _CONSTRAINT.match(value)
    if constraint is not None:
        try:
            threshold = float(constraint["threshold"])
        except ValueError:
            raise click.BadParameter(
                f"{constraint['threshold']!r} in {value!r} is no number"
            ) from None
        side = "minimize" if constraint["side"] == "<=" else "maximize"
        return Metric(constraint["name"], "constraint", side, threshold)
    name, _, strategy = value.partition(":")
    strategy = strategy or "minimize"
    if not name or strategy not in _STRATEGIES:
        raise click.BadParameter(
            f"{value!r} is no metric; write NAME, NAME:maximize, NAME:store, NAME<=NUMBER or "
            "NAME>=NUMBER"
        )
    return Metric(name, *_STRATEGIES[strategy])
