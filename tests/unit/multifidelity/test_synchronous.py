"""Brackets under way: what runs next. (The general rules are in the conformance suite.)"""

from __future__ import annotations

from typing import Any

import pytest

from bandmaster import multifidelity
from bandmaster.core.decisions import Done, New, Promote, Wait
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import ConfigurationError, StudyError, UnknownJobError
from bandmaster.multifidelity import (
    BOHBIterGenerator,
    CustomIterGenerator,
    FlatIterGenerator,
    HyperBandIterGenerator,
    IterGenerator,
)
from bandmaster.multifidelity.synchronous import SynchronousIterGenerator
from bandmaster.testing.generators import Simulation


def start(run: Simulation, n: int) -> list[Job]:
    return [run.issue() for _ in range(n)]


def finish(run: Simulation, trial: int, loss: float | None = 0.0) -> None:
    """End the running job of a trial, with this loss or (None) badly."""
    position = [job.trial for job in run.running].index(trial)
    run.finish(position, Status.FAILED if loss is None else Status.OK, loss or 0.0)


def test_a_failed_trials_slot_goes_to_the_next_best() -> None:
    """Of four, the two best that did not fail go on, best first, from their checkpoints."""
    run = Simulation(CustomIterGenerator([4, 2, 1], [1, 2, 4]), 1)
    start(run, 4)
    for trial, loss in [(3, 5.0), (0, None), (2, 1.0), (1, None)]:
        finish(run, trial, loss)
    assert Promote(2, 2, 0, 1, "checkpoint of job 2") == run.generator.next()
    run.issue()
    assert Promote(3, 2, 0, 1, None) == run.generator.next()


def test_a_rung_with_too_few_successes_is_smaller() -> None:
    """One success for two slots: the next rung holds one; then none: the bracket ends."""
    run = Simulation(CustomIterGenerator([4, 2, 1], [1, 2, 4]), 1)
    start(run, 4)
    for trial, loss in [(0, None), (1, None), (2, None), (3, 9.0)]:
        finish(run, trial, loss)
    assert 3 == run.issue().trial
    assert Wait() == run.generator.next()
    finish(run, 3, None)
    assert Done() == run.generator.next()


def test_of_equal_losses_the_earlier_trial_is_better() -> None:
    """Ties are broken by the trial number, not by who finished first."""
    run = Simulation(CustomIterGenerator([3, 1], [1, 2]), 1)
    start(run, 3)
    for trial in (2, 1, 0):
        finish(run, trial, 0.5)
    assert 0 == run.issue().trial


def test_a_stopped_trial_is_not_promoted() -> None:
    """A trial that was stopped counts as finished, but does not go on, good as its loss may be."""
    run = Simulation(CustomIterGenerator([2, 1], [1, 2]), 1)
    start(run, 2)
    run.finish(0, Status.STOPPED, -100.0)
    run.finish(0, Status.OK, 3.0)
    assert 1 == run.issue().trial


def test_the_next_bracket_starts_while_a_rung_waits() -> None:
    """With a job of bracket 0 still out, bracket 1 starts; at the end of the plan it is Wait."""
    run = Simulation(CustomIterGenerator([2, 1], [1, 2]), 2)
    start(run, 2)
    assert New(1, "model", 1, 0) == run.generator.next()
    start(run, 2)
    assert Wait() == run.generator.next()


def test_promotions_of_older_brackets_go_first() -> None:
    """A promotion of bracket 0 that turns up overtakes one of bracket 1 that was there before."""
    run = Simulation(CustomIterGenerator([2, 2], [1, 2]), 3)
    start(run, 4)
    finish(run, 2)
    finish(run, 3)
    assert 1 == run.issue().bracket
    finish(run, 0)
    finish(run, 1)
    assert [0, 0, 1, 2] == [run.issue().bracket for _ in range(4)]


def test_a_closed_bracket_keeps_its_proportions() -> None:
    """Six of nine trials started: the rungs hold 6, 6·3/9 = 2 and at least 1."""
    run = Simulation(HyperBandIterGenerator(1, 9, 3), None)
    start(run, 6)
    finish(run, 0)
    run.close()
    assert Wait() == run.generator.next()
    for trial in range(1, 6):
        finish(run, trial)
    assert [0, 1] == [job.trial for job in start(run, 2)]
    finish(run, 0)
    finish(run, 1)
    assert Promote(0, 9, 0, 2) == run.generator.next()
    run.issue()
    finish(run, 0)
    assert Done() == run.generator.next()


def test_closing_a_waiting_bracket_promotes_at_once() -> None:
    """If all that started has ended when the intake closes, the promotions are there at once."""
    run = Simulation(CustomIterGenerator([9, 3], [1, 2]), None)
    start(run, 3)
    for trial, loss in [(0, 3.0), (1, 1.0), (2, 2.0)]:
        finish(run, trial, loss)
    run.close()
    assert 1 == run.issue().trial
    finish(run, 1)
    assert Done() == run.generator.next()


def test_closing_before_anything_is_the_end() -> None:
    """An intake closed before the first trial: nothing runs, until another plan opens it."""
    generator = HyperBandIterGenerator(1, 9)
    generator.close_intake()
    assert Done() == generator.next()
    generator.plan(1)
    assert isinstance(generator.next(), New)


def test_a_plan_of_nothing_is_done() -> None:
    """n_iterations=0 is allowed."""
    assert Done() == Simulation(FlatIterGenerator(), 0).generator.next()


@pytest.mark.parametrize("n", [-1, 1.5, "3", True])
def test_a_plan_is_a_count(n: Any) -> None:
    """plan and num_all_configs refuse what is no count of brackets."""
    with pytest.raises(ConfigurationError, match="n_iterations must be an integer"):
        FlatIterGenerator().plan(n)
    with pytest.raises(ConfigurationError, match="n_iterations must be an integer"):
        FlatIterGenerator().num_all_configs(n)


def test_an_unknown_job_tells_its_story() -> None:
    """The error says which job it is, how it ended and why it is not expected."""
    generator = FlatIterGenerator()
    job = Job(4, 1, 3, {}, 1)
    with pytest.raises(
        UnknownJobError,
        match=r"job 4 \(trial 3, attempt 1, bracket 0, rung 0, budget 1\) ended with 'ok'.*no job",
    ):
        generator.observe(job, Outcome(Status.OK, 0.0))
    run = Simulation(generator, 3)
    [first] = start(run, 1)
    with pytest.raises(UnknownJobError, match="the last job issued is 0"):
        generator.observe(job, Outcome(Status.OK, 0.0))
    run.finish(0)
    with pytest.raises(UnknownJobError, match="has ended before"):
        generator.observe(first, Outcome(Status.OK, 0.0))


def test_a_job_is_issued_once() -> None:
    """The same job number cannot go out twice; nothing goes out when the answer is Done."""
    run = Simulation(FlatIterGenerator(), 2)
    [job] = start(run, 1)
    with pytest.raises(StudyError, match="out already"):
        run.generator.issued(Job(job.number, 0, 1, {}, 1, bracket=1))
    start(run, 1)
    run.finish(0)
    run.finish(0)
    with pytest.raises(StudyError, match=r"next action is Done\(\)"):
        run.generator.issued(Job(2, 0, 2, {}, 1, bracket=2))


def test_a_requeued_job_ends_once() -> None:
    """A later attempt of a job that is out ends it: the number counts, not the attempt."""
    run = Simulation(FlatIterGenerator(), 1)
    [job] = start(run, 1)
    again = Job(job.number, 2, job.trial, job.config, job.budget)
    run.generator.observe(again, Outcome(Status.OK, 0.0))
    assert Done() == run.generator.next()


def test_ended_brackets_are_forgotten() -> None:
    """However long a run, only open brackets are kept."""
    run = Simulation(HyperBandIterGenerator(1, 4, 2), None)
    for _ in range(500):
        run.issue()
        run.finish(0)
    generator = run.generator
    assert isinstance(generator, SynchronousIterGenerator)
    assert len(generator._open) <= 1
    assert not generator._out


def test_bohb_draws_its_share_by_number() -> None:
    """The random trials depend on seed and number alone, about the wanted fraction of them."""

    def sources(generator: IterGenerator, workers: int) -> list[str]:
        run, found = Simulation(generator, None), []
        while len(found) < 600:
            action = run.seen[-1].action
            if len(run.running) < workers and not isinstance(action, Wait):
                if isinstance(action, New):
                    assert isinstance(action.source, str)
                    found.append(action.source)
                run.issue()
            else:
                run.finish(0)
        return found

    one = sources(BOHBIterGenerator(1, 4, 2, seed=7), 1)
    assert one == sources(BOHBIterGenerator(1, 9, 3, seed=7, mode="paper"), 5)
    assert one != sources(BOHBIterGenerator(1, 4, 2, seed=8), 1)
    assert 150 < one.count("random") < 250
    assert {"model"} == set(sources(BOHBIterGenerator(1, 4, 2, random_fraction=0), 1))
    assert {"random"} == set(sources(BOHBIterGenerator(1, 4, 2, random_fraction=1), 1))


def test_the_registry_finds_classes_by_name() -> None:
    """Names count in any case, with or without the ending; an unknown one lists those there are."""
    assert (
        "ASHA",
        "ASHAStopping",
        "BOHB",
        "Custom",
        "Flat",
        "HyperBand",
        "MedianStopping",
        "PASHA",
        "PBT",
        "PercentileStopping",
        "SuccessiveHalving",
    ) == multifidelity.iter_generator_names()
    assert HyperBandIterGenerator is multifidelity.iter_generator_class("hyperband")
    assert HyperBandIterGenerator is multifidelity.iter_generator_class("HyperBandIterGenerator")
    with pytest.raises(ConfigurationError, match="'nobody'; there are ASHA, ASHAStopping, BOHB"):
        multifidelity.iter_generator_class("nobody")
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        multifidelity.Nothing  # noqa: B018 - the look-up is the test
    assert set(multifidelity.__all__) <= set(dir(multifidelity))
