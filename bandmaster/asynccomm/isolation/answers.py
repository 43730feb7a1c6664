"""What a worker answers its child while that evaluates."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import cloudpickle

from bandmaster.asynccomm.isolation.channel import ANSWER, REPORT, TROUBLE, Channel
from bandmaster.asynccomm.isolation.checkpoints import Desk
from bandmaster.core.context import Context, EvaluationEnded
from bandmaster.errors import BandmasterError, CommError

__all__ = ["answer"]

logger = logging.getLogger(__name__)


def answer(channel: Channel, context: Context, desk: Desk, kind: str, *fields: Any) -> None:
    """Pass on what an evaluation says, and the answer back.

    Parameters
    ----------
    channel : Channel
        To the child.
    context : Context
        Of the evaluation, in this process.
    desk : Desk
        Likewise.
    kind, fields
        The message.
    """
    try:
        if kind == REPORT:
            metrics, step, saved = fields
            told: tuple[str, Any] = ANSWER, context.pass_on(metrics, step, saved).value
        else:
            told = ANSWER, desk.answer(kind, *fields)
    except (BandmasterError, EvaluationEnded) as error:
        told = TROUBLE, cloudpickle.dumps(error)  # the evaluation sees it, as it would elsewhere
    except Exception as error:
        logger.exception("%r of job %d failed", kind, context.job.number)
        told = TROUBLE, cloudpickle.dumps(CommError(f"{kind!r} failed: {error!r}"))
    with contextlib.suppress(OSError):  # it has died: the keeper says so next
        channel.send(*told)
