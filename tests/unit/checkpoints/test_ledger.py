"""The ledger: nothing that is needed is ever given up, and everything else is in the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandmaster.checkpoints import Keep, Ledger, keep_of
from bandmaster.core.checkpoints import checkpoint_name
from bandmaster.core.events import Event, JobFinished, JobIssued, JobReported, Noted
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import ConfigurationError

NEEDED = lambda trial: True  # noqa: E731 - a name for the tests below
UNNEEDED = lambda trial: False  # noqa: E731 - likewise


def name_of(text: object) -> str:
    """Return a name that a store could have."""
    return checkpoint_name(1, hashlib.sha256(str(text).encode()).hexdigest())


def issued(job: int, trial: int, start: str | None = None, *, attempt: int = 0) -> JobIssued:
    return JobIssued(0.0, job, attempt, "w", trial, 1.0, None, {}, 0, 0, start, False)


def reported(job: int, name: str | None, *, attempt: int = 0) -> JobReported:
    return JobReported(0.0, job, attempt, 1, {}, 0.0, "continue", name)


def finished(job: int, name: str | None, loss: float | None = 0.0) -> JobFinished:
    status = Status.OK if loss is not None else Status.FAILED
    return JobFinished(0.0, job, 0, Outcome(status, loss, checkpoint=name))


def ledger_of(*events: Event) -> Ledger:
    ledger = Ledger()
    for event in events:
        ledger.apply(event)
    return ledger


def collected(ledger: Ledger, keep: Keep, needs: Callable[[int], bool]) -> list[str]:
    names, more = ledger.collect(keep, needs)
    assert not more
    return names


NOTHING = Keep(best=0)
A, B, C = name_of("a"), name_of("b"), name_of("c")


def test_only_the_last_report_of_an_open_job_is_needed() -> None:
    """What a job has reported before its last report is superfluous."""
    ledger = ledger_of(issued(0, 0), reported(0, A), reported(0, None), reported(0, B))
    assert [A] == collected(ledger, NOTHING, UNNEEDED)
    assert [] == collected(ledger, NOTHING, UNNEEDED)
    assert {B} == ledger.known


def test_a_donors_checkpoint_is_pinned_until_the_copy_has_one() -> None:
    """Who starts from another trial's checkpoint needs it until he has reported his own."""
    ledger = ledger_of(issued(0, 0), reported(0, A), issued(1, 1, A), reported(0, B))
    assert [] == collected(ledger, NOTHING, UNNEEDED)
    ledger.apply(reported(1, C))
    assert [A] == collected(ledger, NOTHING, UNNEEDED)


def test_a_lost_attempt_leaves_what_it_reported() -> None:
    """The next attempt starts there; one that was thought lost may still end with its own."""
    ledger = ledger_of(issued(0, 0), reported(0, A), issued(0, 0, A, attempt=1))
    assert [] == collected(ledger, NOTHING, UNNEEDED)
    ledger.apply(reported(0, B, attempt=1))
    assert [] == collected(ledger, NOTHING, UNNEEDED)
    ledger.apply(finished(0, A))
    assert {A, B} == set(collected(ledger, NOTHING, UNNEEDED))


def test_the_newest_of_a_trial_is_needed_as_long_as_the_generator_says() -> None:
    """A trial that may still be promoted keeps its newest; one that may not keeps nothing."""
    ledger = ledger_of(issued(0, 0), reported(0, A), finished(0, B))
    assert [A] == collected(ledger, NOTHING, NEEDED)
    assert [B] == collected(ledger, NOTHING, UNNEEDED)
    assert set() == ledger.known


def test_a_copy_that_failed_can_start_again() -> None:
    """A trial whose job left nothing keeps what that started from, and its own newest."""
    ledger = ledger_of(
        issued(0, 0), finished(0, A), issued(1, 1), finished(1, B), issued(2, 1, A),
        issued(3, 0, A), finished(3, C), finished(2, None, None),
    )  # fmt: skip
    assert [] == collected(ledger, NOTHING, NEEDED)
    assert {A, B, C} == ledger.known


def test_keep_last() -> None:
    """The last k of each trial stay, whoever needs them."""
    events = [reported(0, name_of(i)) for i in range(5)]
    ledger = ledger_of(issued(0, 0), *events, finished(0, name_of(4)))
    assert [name_of(i) for i in range(3)] == collected(ledger, Keep(best=0, last=2), UNNEEDED)


def test_keep_best() -> None:
    """What the best trials' evaluations left stays: of the largest budget, with the least loss."""
    ledger = ledger_of(
        issued(0, 0), issued(1, 1), issued(2, 2),
        finished(0, A, 0.2), finished(1, B, 0.1), finished(2, C, 0.3),
    )  # fmt: skip
    assert {A, C} == set(collected(ledger, Keep(best=1), UNNEEDED))


def test_keep_all() -> None:
    """Nothing is given up."""
    ledger = ledger_of(issued(0, 0), reported(0, A), finished(0, B))
    assert [] == collected(ledger, Keep(all=True), UNNEEDED)


def test_names_of_others_are_left_alone() -> None:
    """What a user gave for a checkpoint that is none of a store's is not ours to delete."""
    ledger = ledger_of(issued(0, 0), reported(0, "/home/me"), finished(0, "s3://mine"))
    ledger.apply(Noted(0.0, "nothing"))
    assert (set(), []) == (ledger.known, collected(ledger, NOTHING, UNNEEDED))


def test_who_listens_hears_when_there_may_be_something() -> None:
    """The listener is called for events with checkpoints, and not for others."""
    ledger, heard = Ledger(), []
    ledger.listener = lambda: heard.append(1)
    for event in (issued(0, 0), reported(0, None), finished(0, None)):
        ledger.apply(event)
    assert [] == heard
    for event in (issued(1, 1), reported(1, A), finished(1, A)):
        ledger.apply(event)
    assert [1, 1] == heard


def test_what_can_be_kept() -> None:
    """The option is None, "all" or a Keep with whole numbers."""
    assert (Keep(best=1), Keep(all=True), Keep(last=2)) == (
        keep_of(None), keep_of("all"), keep_of(Keep(last=2)),
    )  # fmt: skip
    for wrong in (3, "best", {"best": 1}):
        with pytest.raises(ConfigurationError, match="keep_checkpoints"):
            keep_of(wrong)  # type: ignore[arg-type]  # what a user may do
    for numbers in ({"best": -1}, {"last": 1.5}):
        with pytest.raises(ConfigurationError, match="whole number"):
            Keep(**numbers)  # type: ignore[arg-type]  # likewise


@dataclass
class World:
    """A study with its store: whatever is used must be there."""

    keep: Keep
    ledger: Ledger = field(default_factory=Ledger)
    stored: set[str] = field(default_factory=set)
    newest: dict[int, str | None] = field(default_factory=dict)
    history: dict[int, list[str]] = field(default_factory=dict)
    jobs: dict[int, list[object]] = field(default_factory=dict)  # trial, attempt, own
    unneeded: set[int] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    count: int = 0

    def commit(self, event: Event) -> None:
        self.events.append(event)
        self.ledger.apply(event)

    def save(self, trial: int) -> str:
        self.count += 1
        name = name_of(self.count)
        self.stored.add(name)
        self.history.setdefault(trial, []).append(name)
        self.newest[trial] = name
        return name

    def start(self, trial: int, name: str | None) -> None:
        if name is not None:
            assert name in self.stored
        self.count += 1
        self.jobs[self.count] = [trial, 0, name]
        self.commit(issued(self.count, trial, name))

    def collect(self, most: int | None = None) -> bool:
        names, more = self.ledger.collect(self.keep, self.needs, most=most)
        for name in names:
            self.stored.remove(name)
        self.check()
        return more

    def needs(self, trial: int) -> bool:
        return trial not in self.unneeded

    def check(self) -> None:
        for _, _, own in self.jobs.values():
            assert own is None or own in self.stored
        for trial, names in self.history.items():
            if self.keep.all:
                assert set(names) <= self.stored
            assert set(names[-self.keep.last :] if self.keep.last else ()) <= self.stored
            if trial not in self.unneeded:
                assert names[-1] in self.stored


_keeps = st.builds(Keep, best=st.integers(0, 2), last=st.integers(0, 2), all=st.booleans())


@settings(max_examples=150)
@given(st.data(), _keeps)
def test_what_is_needed_stays_and_the_rest_goes(data: st.DataObject, keep: Keep) -> None:
    """Over any interleaving of starts, copies, reports, losses, ends and collections."""
    world = World(keep)
    for _ in range(data.draw(st.integers(0, 40))):
        verbs = ["new", "collect"]
        idle = sorted(world.newest.keys() - {job[0] for job in world.jobs.values()})
        idle = [trial for trial in idle if trial not in world.unneeded]
        donors = sorted(t for t, n in world.newest.items() if n and t not in world.unneeded)
        verbs += ["promote", "drop"] * bool(idle) + ["exploit"] * bool(idle and donors)
        verbs += ["report", "lose", "finish", "fail"] * bool(world.jobs)
        verb = data.draw(st.sampled_from(verbs))
        job = data.draw(st.sampled_from(sorted(world.jobs))) if world.jobs else -1
        trial = data.draw(st.sampled_from(idle)) if idle else -1
        if verb == "new":
            new = len(world.newest)
            world.newest[new] = None
            world.start(new, None)
        elif verb == "collect":
            world.collect(data.draw(st.sampled_from([None, 1, 2])))
        elif verb == "promote":
            world.start(trial, world.newest[trial])
        elif verb == "exploit":
            world.start(trial, world.newest[data.draw(st.sampled_from(donors))])
        elif verb == "drop":
            world.unneeded.add(trial)
        else:
            of, attempt, own = world.jobs[job]
            assert isinstance(of, int)
            assert isinstance(attempt, int)
            saves = data.draw(st.booleans())
            if verb == "report":
                name = world.save(of) if saves else None
                world.jobs[job][2] = name or own
                world.commit(reported(job, name, attempt=attempt))
            elif verb == "lose":
                world.jobs[job][1] = attempt + 1
                assert own is None or own in world.stored
                world.commit(issued(job, of, own, attempt=attempt + 1))  # type: ignore[arg-type]  # a name
            else:
                del world.jobs[job]
                name = world.save(of) if saves else None
                loss = data.draw(st.floats(0, 1)) if verb == "finish" else None
                world.commit(finished(job, name, loss))
        world.check()
    for job in sorted(world.jobs):
        del world.jobs[job]
        world.commit(finished(job, None))
    world.unneeded.update(world.newest)
    if data.draw(st.booleans()):
        world.collect()
    else:  # nothing tells of those that are unneeded: they have their turns
        for _ in range(4 * len(world.newest) + 8):
            world.collect(1)
    kept = {name for names in world.history.values() for name in names[len(names) - keep.last :]}
    assert keep.all or len(world.stored - kept) <= keep.best
    # A ledger that is made anew from the journal comes to the same.
    again = ledger_of(*world.events)
    assert not again.collect(keep, UNNEEDED)[1]
    assert keep.best or world.stored == again.known


def many(n: int) -> Ledger:
    """Return a ledger of trials that have ended well, of which all has been collected."""
    ledger = Ledger()
    for number in range(n):
        ledger.apply(issued(number, number))
        ledger.apply(finished(number, name_of(number), float(number)))
    while ledger.collect(Keep(), NEEDED, most=100)[1]:
        pass
    return ledger


@pytest.mark.parametrize("n", [1_000, 4_000])
def test_a_collection_costs_what_has_changed(n: int) -> None:
    """However many trials are kept, few of them are looked at: who changed, and some by turns."""
    ledger, looked = many(n), set()

    def needs(trial: int) -> bool:
        looked.add(trial)
        return True

    ledger.apply(issued(n, 7, name_of(7)))
    ledger.apply(reported(n, A))
    ledger.apply(reported(n, B))
    assert ([name_of(7), A], False) == ledger.collect(Keep(), needs, most=50)
    assert 0 < len(looked) <= 50


def test_a_collection_that_has_no_end_yet_says_so() -> None:
    """So many trials at a time; of none of them is anything given up twice."""
    ledger = Ledger()
    for number in range(10):
        ledger.apply(issued(number, number))
        ledger.apply(finished(number, name_of(number)))
    found, more = [], True
    while more:
        names, more = ledger.collect(NOTHING, UNNEEDED, most=3)
        assert len(names) <= 3
        found += names
    assert {name_of(i) for i in range(10)} == set(found)
    assert 10 == len(found)


def test_a_trial_that_needs_no_more_though_nothing_happened_to_it() -> None:
    """A rung that chose others: it has its turn, and so has whose checkpoint it began with."""
    ledger = ledger_of(
        issued(0, 0), finished(0, A), issued(1, 1, A), finished(1, None), issued(2, 2),
        finished(2, C),
    )  # fmt: skip
    assert [] == collected(ledger, NOTHING, NEEDED)
    found = [ledger.collect(NOTHING, UNNEEDED, most=1)[0] for _ in range(8)]
    assert {A, C} == {name for names in found for name in names}
    assert set() == ledger.known
    ledger = ledger_of(issued(0, 0), finished(0, A))
    assert [] == collected(ledger, NOTHING, NEEDED)
    ledger.touch()
    assert ([A], False) == ledger.collect(NOTHING, UNNEEDED, most=1)


def test_who_is_no_more_among_the_best_is_looked_at() -> None:
    """A better one comes: the checkpoint of the one before goes at once."""
    ledger = many(1_000)
    released = {0}
    needs = lambda trial: trial not in released  # noqa: E731 - short
    assert ([], False) == ledger.collect(Keep(), needs, most=2)
    ledger.apply(issued(1_000, 1_000))
    ledger.apply(finished(1_000, A, -1.0))
    assert ([name_of(0)], False) == ledger.collect(Keep(), needs, most=2)
