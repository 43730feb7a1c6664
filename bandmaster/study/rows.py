"""What a row of the history says: its loss if it counts, its identifier, its times."""

from __future__ import annotations

import math

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import ConfigId

__all__ = ["config_id_of", "loss_of", "own", "stamps_of", "timed"]


def loss_of(evaluation: Evaluation) -> float | None:
    """Its loss, None unless it ended well with a finite one.

    A study makes a failure of a NaN; a row that was read from elsewhere may hold one.
    """
    loss = evaluation.loss
    return loss if evaluation.ok and loss is not None and math.isfinite(loss) else None


def config_id_of(evaluation: Evaluation) -> ConfigId:
    """Its trial's identifier, the one that `compute` gets: (bracket, 0, trial)."""
    return (evaluation.bracket, 0, evaluation.trial)


def own(evaluation: Evaluation) -> bool:
    """Whether it is of this study, not one of a previous result that it learned from."""
    return evaluation.job >= 0


def timed(evaluation: Evaluation) -> bool:
    """Whether a worker timed it; one that never came back has zeros for its times.

    Times that are no finite numbers are none either: a worker may send anything.
    """
    e = evaluation
    if not (math.isfinite(e.started) and math.isfinite(e.finished)):
        return False
    return bool(e.started or e.finished) or e.submitted == 0


def stamps_of(evaluation: Evaluation) -> dict[str, float]:
    """When it was submitted, started and finished, in seconds since the epoch.

    One that no worker timed starts and ends when it was submitted.
    """
    e, known = evaluation, timed(evaluation)
    submitted = e.submitted if math.isfinite(e.submitted) else 0.0
    return {
        "submitted": submitted,
        "started": e.started if known else submitted,
        "finished": e.finished if known else submitted,
    }
