"""What a study takes over from the evaluations of another one."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator

from bandmaster.core import events as ev
from bandmaster.core.clock import Clock
from bandmaster.study.fitting import (
    MisfitError,
    count_reasons,
    fit_budget,
    fit_config,
    fit_outcome,
)
from bandmaster.study.previous import Past
from bandmaster.study.state import StudyState

__all__ = ["borrowed"]

logger = logging.getLogger(__name__)


def borrowed(state: StudyState, past: Past, clock: Clock) -> Iterator[ev.Imported]:
    """Yield an event for each evaluation that fits the space, budgets and metrics of a study.

    What became of them all is logged at the end: how many were taken over, what was assumed, and
    how many were left out for which reasons.
    """
    budgets, objectives = state.optimizer.budgets, state.objectives
    misfits: list[MisfitError] = []
    added: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for e in past.evaluations:
        try:
            budget = fit_budget(budgets, e.budget)
            fitted = fit_config(state.space, e.config)
            outcome = fit_outcome(objectives, past.objectives, e)
        except MisfitError as misfit:
            misfits.append(misfit)
            continue
        added.update(fitted.added)
        dropped.update(fitted.dropped)
        yield ev.Imported(clock(), fitted.config, budget, dict(e.config_info), outcome)
    n, out = len(past.evaluations), len(misfits)
    logger.info("Took over %d of %d earlier evaluations", n - out, n)
    columns = state.space.columns
    for name, count in added.items():
        default = columns[state.space.index[name]].default_value()
        logger.info("%d of them did not have %r; it is taken for its default, %r",
                    count, name, default)  # fmt: skip
    if dropped:
        logger.info(
            "Dropped parameters that the space does not have, or that are inactive in it: %s",
            ", ".join(f"{name!r} in {count}" for name, count in dropped.items()),
        )  # fmt: skip
    if misfits:
        logger.warning(
            "Left out %d of %d earlier evaluations: %s", out, n, count_reasons(misfits)
        )  # fmt: skip
