"""What a study takes over from the evaluations of another one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from bandmaster.core import events as ev
from bandmaster.core.clock import Clock
from bandmaster.core.evaluation import Evaluation
from bandmaster.core.outcome import Outcome
from bandmaster.errors import IllegalConfigurationError
from bandmaster.study.state import StudyState

__all__ = ["borrowed"]

logger = logging.getLogger(__name__)


def borrowed(
    state: StudyState, evaluations: Iterable[Evaluation], clock: Clock
) -> Iterator[ev.Imported]:
    """Yield an event for each evaluation that fits the space and the budgets of a study."""
    for e in evaluations:
        try:
            state.space.validate(e.config)
        except IllegalConfigurationError as error:
            logger.debug("Left out %r: %s", e.config, error)
            continue
        if e.budget in state.optimizer.budgets:
            outcome = Outcome(
                e.status, e.loss, e.metrics, e.info, e.error, None, e.started, e.finished, e.worker
            )
            yield ev.Imported(clock(), dict(e.config), e.budget, dict(e.config_info), outcome)
