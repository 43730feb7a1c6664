"""Where an evaluation leaves its state, and how that is named."""

from __future__ import annotations

import abc
import re

from bandmaster.core.job import Job

__all__ = ["Checkpoints", "checkpoint_name", "step_of"]

_NAME = re.compile(r"(\d{1,18})-[0-9a-f]{16,128}")


def checkpoint_name(step: int, digest: str) -> str:
    """Return the name of a checkpoint that was saved at a step.

    Parameters
    ----------
    step : int
        The report with which it was saved, or after which.
    digest : str
        Of what is stored, in hexadecimal digits.
    """
    return f"{step}-{digest}"


def step_of(name: str | None) -> int:
    """Return the step at which a checkpoint was saved, 0 for None and for names of others."""
    match = None if name is None else _NAME.fullmatch(name)
    return 0 if match is None else int(match[1])


class Checkpoints(abc.ABC):
    """What an evaluation saves its state to, and loads from.

    One evaluation uses it at a time, in one thread. A call sequence::

        state = checkpoints.load(job.checkpoint)
        name = checkpoints.save(state, job=job, step=5)   # kept, before its name is told
        checkpoints.close()                               # what `load` unpacked is removed

    """

    @abc.abstractmethod
    def save(self, thing: object, *, job: Job, step: int) -> str:
        """Keep a state, or all that is in a directory; return its name.

        Parameters
        ----------
        thing : os.PathLike or object
            A path is that of a directory; anything else is pickled.
        job : Job
            Whose state it is.
        step : int

        Raises
        ------
        BandmasterError
            When it cannot be kept; the evaluation may go on without.
        """

    @abc.abstractmethod
    def load(self, name: str) -> object:
        """Return the state, or the path of a directory that is the caller's own until `close`.

        Raises
        ------
        BandmasterError
            When it is not there, or not what was saved.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Remove what `load` unpacked; it may be used again after that."""
