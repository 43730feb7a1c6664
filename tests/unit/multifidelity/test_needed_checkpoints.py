"""Which checkpoints iteration generators still need."""

from __future__ import annotations

from bandmaster.core.outcome import Status
from bandmaster.multifidelity import (
    ASHAIterGenerator,
    CustomIterGenerator,
    FlatIterGenerator,
    IterGenerator,
    PBTIterGenerator,
    SuccessiveHalvingIterGenerator,
)
from bandmaster.testing.generators import Simulation


def needed(generator: IterGenerator, n: int) -> list[int]:
    return [trial for trial in range(n) if generator.needs_checkpoint(trial)]


def test_a_rung_needs_all_until_it_is_over() -> None:
    """Who ended well may be promoted until the rung has chosen; who was not chosen may not, nor
    who failed. Who has come to the end goes on if the study is extended.
    """
    run = Simulation(SuccessiveHalvingIterGenerator(1, 9, 3), 1)
    for _ in range(9):
        run.issue()
    run.finish(0, Status.FAILED)
    for loss in range(7):
        run.finish(0, Status.OK, loss)
    assert list(range(1, 8)) == needed(run.generator, 8)
    run.finish(0, Status.OK, 7)
    assert [1, 2, 3] == needed(run.generator, 9)
    for _ in range(3):
        run.issue()
    for loss in (3, 1, 2):
        run.finish(0, Status.OK, loss)
    assert [2] == needed(run.generator, 9)
    run.issue()
    run.finish(0)
    assert [2] == needed(run.generator, 9)


def test_asynchronous_rungs_need_whoever_may_still_be_promoted() -> None:
    """A trial that ended well waits for its turn as long as it takes, also in the last rung."""
    run = Simulation(ASHAIterGenerator(1, 3), 2)
    for status in (Status.OK, Status.FAILED, Status.OK):
        run.issue()
        run.finish(0, status, len(run.jobs))
    assert [0, 2] == needed(run.generator, 3)
    assert 0 == run.issue().trial
    assert [2] == needed(run.generator, 3)
    run.finish(0)
    assert [0, 2] == needed(run.generator, 3)


def test_a_table_of_the_users_own_is_not_extended() -> None:
    """So who has come to its end needs nothing."""
    run = Simulation(CustomIterGenerator([2, 1], [1, 3]), 1)
    run.issue()
    run.issue()
    run.finish(0)
    run.finish(0)
    run.issue()
    run.finish(0)
    assert [] == needed(run.generator, 2)


def test_a_flat_search_needs_none() -> None:
    """A trial that runs once leaves a checkpoint for the user only."""
    run = Simulation(FlatIterGenerator(), 2)
    run.issue()
    run.finish(0)
    assert [] == needed(run.generator, 1)


def test_a_population_needs_all_but_who_is_out() -> None:
    """Members at the end may go on in a study that is extended; a member that is out never."""
    run = Simulation(PBTIterGenerator(2, num_samples=2, stop=2), 1)
    run.issue()
    run.issue()
    run.finish(0)
    run.finish(0, Status.CRASHED)
    assert [0] == needed(run.generator, 2)
