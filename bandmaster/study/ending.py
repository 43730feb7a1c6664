"""Why a search has ended, in a word and in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from bandmaster.multifidelity.flat import FlatIterGenerator
from bandmaster.study.state import StudyState

__all__ = ["Cause", "Ending", "LastEnding", "ending_of"]

Cause = Literal[
    "n_evaluations", "n_trials", "n_iterations", "exhausted", "done", "target_loss", "timeout",
    "stopped", "interrupted",
]  # fmt: skip


class Ending(Struct, frozen=True, gc=False):
    """Why a search has ended.

    Parameters
    ----------
    cause : str
        The limit that was reached (``"n_evaluations"``, ``"n_trials"``, ``"n_iterations"``,
        ``"target_loss"``, ``"timeout"``), or ``"exhausted"``: the space has no more
        configurations; ``"done"``: the iteration generator has nothing more to run, though no limit
        was reached; ``"stopped"``: `Study.stop` was called, e.g. by a callback;
        ``"interrupted"``: a signal or `Master.drain`, and the search can go on.
    why : str
        The same in words.
    """

    cause: str
    why: str

    @property
    def complete(self) -> bool:
        """Whether all was done that was planned, or that could be."""
        return self.cause in ("n_evaluations", "n_trials", "n_iterations", "exhausted", "done")

    def __str__(self) -> str:
        return self.why


class LastEnding:
    """What a study and its results share, so that these know its end when it is gone.

    Attributes
    ----------
    ending : Ending or None
        As of the study's last event.
    """

    __slots__ = ("ending",)

    def __init__(self) -> None:
        self.ending: Ending | None = None


def ending_of(state: StudyState, finished: Callable[[], bool]) -> Ending | None:
    """Return why a study has ended, or None if it has not.

    Parameters
    ----------
    state : StudyState
    finished : callable
        Whether nothing is out and nothing will start.
    """
    plan = state.plan
    if state.stopped is not None:
        return None if state.open else Ending(state.stop_cause, state.stopped)
    if not finished():
        if state.interrupted is None or any(not entry.waiting for entry in state.open.values()):
            return None
        return Ending("interrupted", f"interrupted ({state.interrupted})")
    if state.reserved:
        return Ending("n_evaluations", f"n_evaluations={plan.n_evaluations} evaluations issued")
    if state.intake_closed is not None:
        full = plan.n_trials is not None and state.n_trials >= plan.n_trials
        return Ending("n_trials" if full else "exhausted", state.intake_closed)
    if plan.n_iterations is None:
        return Ending("done", f"{type(state.generator).__name__} has nothing more to run")
    what = "evaluations" if isinstance(state.generator, FlatIterGenerator) else "brackets"
    return Ending("n_iterations", f"n_iterations={plan.n_iterations} {what} run")
