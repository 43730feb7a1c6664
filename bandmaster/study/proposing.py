"""What a study would issue next: a pure function of its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bandmaster.core.decisions import Exploit, New, Promote
from bandmaster.core.events import JobIssued
from bandmaster.core.randomness import Key
from bandmaster.core.trial import OpenJob
from bandmaster.errors import SpaceExhaustedError
from bandmaster.optimizers.base import Suggestion
from bandmaster.optimizers.unseen import draw_unseen
from bandmaster.study.state import StudyState

__all__ = ["Proposal", "finished", "issued_again", "propose"]


class Proposal(NamedTuple):
    """A job that could be issued; `config` is None for a trial that is known."""

    trial: int
    budget: float
    config: Mapping[str, Any] | None
    config_info: Mapping[str, Any]
    bracket: int
    rung: int
    checkpoint: str | None = None
    enqueued: bool = False

    def issued(self, time: float, number: int, worker: str) -> JobIssued:
        """Return the event that makes it a job."""
        return JobIssued(
            time, number, 0, worker, self.trial, self.budget, self.config, self.config_info,
            self.bracket, self.rung, self.checkpoint, self.enqueued,
        )  # fmt: skip


def issued_again(entry: OpenJob, time: float, worker: str) -> JobIssued:
    """Return the event of a job's next attempt."""
    job = entry.job
    return JobIssued(
        time, job.number, job.attempt + 1, worker, job.trial, job.budget, None,
        {}, job.bracket, job.rung, entry.checkpoint or job.checkpoint, False,
    )  # fmt: skip


def propose(state: StudyState, *, probe: bool = False) -> Proposal | str | None:
    """Return what to issue next.

    Parameters
    ----------
    state : StudyState
        Not changed.
    probe : bool, default False
        Only say whether there is anything, without asking the optimizer.

    Returns
    -------
    Proposal, str or None
        None when nothing may start now; a string (why) when no new trial can start any more,
        which the iteration generator has to learn before it can be asked again.
    """
    action = state.generator.next()
    if isinstance(action, New):
        return "something new" if probe else _new(state, action)
    if isinstance(action, Promote):
        info = state.trials[action.trial].config_info
        if "exploits" in info:  # that was the job before: this one goes on from its own
            info = {name: value for name, value in info.items() if name != "exploits"}
        return Proposal(
            action.trial, action.budget, None, info, action.bracket, action.rung, action.checkpoint
        )
    if isinstance(action, Exploit):
        state.space.validate(action.config)
        return Proposal(
            action.trial, action.budget, dict(action.config), {"exploits": action.donor},
            action.bracket, action.rung, action.checkpoint,
        )  # fmt: skip
    return None  # Wait or Done


def finished(state: StudyState) -> bool:
    """Return whether nothing is out and nothing will start."""
    if state.open:
        return False
    if state.stopped is not None or state.reserved:
        return True
    return propose(state, probe=True) is None


def _new(state: StudyState, action: New) -> Proposal | str:
    enqueued = False
    if not isinstance(action.source, str):
        suggestion = Suggestion(action.source, {"model_based_pick": False})
    elif state.enqueued:
        suggestion = Suggestion(state.enqueued[0], {"model_based_pick": False, "origin": "user"})
        enqueued = True
    else:
        key = Key(state.seed, len(state.trials))
        try:
            if action.source == "random":
                suggestion = _random(state, key)
            else:
                suggestion = state.optimizer.ask(action.budget, state.pending, key)
        except SpaceExhaustedError as error:
            return str(error)
    if not state.optimizer.trusted:
        state.space.validate(suggestion.config)
    return Proposal(
        len(state.trials), action.budget, dict(suggestion.config), dict(suggestion.info),
        action.bracket, action.rung, None, enqueued,
    )  # fmt: skip


def _random(state: StudyState, key: Key) -> Suggestion:
    row = draw_unseen(state.optimizer, key.rng("random-share"))
    return Suggestion(state.space.decode_one(row), {"model_based_pick": False})
