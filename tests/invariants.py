"""What must hold for the journal of any run, whatever happened to its processes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bandmaster.core import events as ev
from bandmaster.core.plan import Plan
from bandmaster.storage import MemoryJournal
from bandmaster.study import Study

_CLOCKS = 0.05  # seconds; both clocks are this machine's


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A good outcome of which a worker heard, at this time, that the master has it."""

    job: int
    attempt: int
    time: float


@dataclass(slots=True)
class _Story:
    attempt: int = 0
    out: bool = True
    finished: float | None = None


def violations(events: Iterable[ev.Event], heard: Iterable[Acknowledged] = ()) -> list[str]:
    """Return what is wrong with a journal.

    Every job has attempts 0, 1, 2 …, one at a time, and ends at most once; no plan is exceeded;
    what a worker was told is stored was stored by then.
    """
    found: list[str] = []
    jobs: dict[int, _Story] = {}
    trials: set[int] = set()
    brackets: set[int] = set()
    plan = Plan()
    for position, event in enumerate(events):
        here = f"event {position} ({event.kind})"
        match event:
            case ev.PlanSet():
                plan = Plan(*event.plan)
            case ev.JobIssued() if event.job not in jobs:
                if (event.job, event.attempt) != (len(jobs), 0):
                    found.append(f"{here}: job {event.job}.{event.attempt} comes out of turn")
                jobs[event.job] = _Story()
                trials.add(event.trial)
                brackets.add(event.bracket)
                for name, size, most in (
                    ("evaluations", len(jobs), plan.n_evaluations),
                    ("trials", len(trials), plan.n_trials),
                    ("brackets", len(brackets), plan.n_iterations),
                ):
                    if most is not None and size > most:
                        found.append(f"{here}: {size} {name}, planned were {most}")
            case ev.JobIssued():
                story = jobs[event.job]
                if story.out or story.finished is not None:
                    found.append(f"{here}: job {event.job} is issued while it is out or ended")
                if event.attempt != story.attempt + 1:
                    found.append(f"{here}: attempt {event.attempt} follows {story.attempt}")
                story.attempt, story.out = event.attempt, True
            case ev.JobRequeued():
                story = jobs[event.job]
                if not story.out or story.attempt != event.attempt:
                    found.append(f"{here}: job {event.job}.{event.attempt} is not out")
                story.out = False
            case ev.JobFinished():
                story = jobs[event.job]
                if story.finished is not None:
                    found.append(f"{here}: job {event.job} ends twice")
                if event.attempt > story.attempt:
                    found.append(f"{here}: job {event.job} has no attempt {event.attempt}")
                story.out, story.finished = False, event.time
    for ack in heard:
        known = jobs.get(ack.job)
        if known is None or known.finished is None or known.finished > ack.time + _CLOCKS:
            found.append(f"{ack} is not in the journal, or came later")
    return found


def check_replay(
    events: Sequence[ev.Event], make: Callable[[MemoryJournal], Study], rng: random.Random, n: int
) -> None:
    """At `n` moments of a run, a study that was never interrupted makes the same proposal."""
    issued = [i for i, e in enumerate(events) if isinstance(e, ev.JobIssued) and e.attempt == 0]
    for i in sorted(rng.sample(issued, min(n, len(issued)))):
        event = events[i]
        assert isinstance(event, ev.JobIssued)
        study = make(MemoryJournal(events[:i]))
        if any(entry.waiting for entry in study.open_jobs):
            continue  # a lost job goes first, here as there
        job = study.ask()
        assert job is not None
        assert (event.job, event.trial, event.budget) == (job.number, job.trial, job.budget)
        assert event.config is None or dict(event.config) == dict(job.config)
