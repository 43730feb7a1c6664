"""Population based training: who goes on, from what, and what becomes of failures."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping
from typing import Any

import pytest
from unit.multifidelity.trainings import Trainings

from bandmaster.core.decisions import Decision, Done, Exploit, New, Promote, Wait
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import ConfigurationError, StudyError
from bandmaster.multifidelity import PBTIterGenerator, grid_search, uniform

X = {"x": uniform(0, 1)}


def make(n: int, **options: Any) -> PBTIterGenerator:
    """A population whose members begin with x = 0, 1/n, 2/n, ..."""
    options = {"hyperparam_mutations": X, "stop": 12, "quantile_fraction": 0.5, **options}
    grid = {"x": grid_search([i / n for i in range(n)])}
    return PBTIterGenerator(4, param_space=grid, **options)


def by_x(config: Mapping[str, Any], state: Any, step: int) -> tuple[Any, float]:
    """The larger x, the better; the state is the step."""
    return step, config["x"]


# -- asynchronous --------------------------------------------------------------------------------


def test_a_member_that_comes_first_goes_on() -> None:
    """Nobody waits: who is alone at its boundary has nobody to compare with."""
    play = Trainings(make(2), by_x)
    play.fill()
    play.segment(0)
    assert Promote(0, 8, 0, 1, play.jobs[0].checkpoint or "4-0000000000000000") == (
        play.generator.next()
    )


def test_the_worst_exploits_the_best_when_it_comes_to_a_boundary() -> None:
    """Member 0 is there last and is the worst: it goes on from member 1's newest checkpoint, saved
    within a segment, up to the boundary after that."""
    play = Trainings(make(2), by_x)
    play.fill()
    play.segment(1)
    play.fill()
    play.step(1)
    play.step(1)
    assert 1 == play.running[1].trial
    play.segment(0)
    action = play.generator.next()
    assert isinstance(action, Exploit)
    assert (0, 1, 8, "6-0000000000000002") == (
        action.trial, action.donor, action.budget, action.checkpoint,
    )  # fmt: skip


def test_budgets_ascend_even_from_an_older_checkpoint() -> None:
    """Who exploits a member that has trained less trains on to the boundary after its own time."""
    play = Trainings(make(2), by_x)
    play.fill()
    for trial in (0, 1, 0):  # member 0 is at 8 when member 1 has left 4
        play.segment([job.trial for job in play.running].index(trial))
        if len(play.jobs) < 4:
            play.begin()
    action = play.generator.next()
    assert isinstance(action, Exploit)
    assert (0, 1, 12, "4-0000000000000001") == (
        action.trial, action.donor, action.budget, action.checkpoint,
    )  # fmt: skip


def test_who_has_trained_least_goes_first() -> None:
    """With one worker for three members, boundaries are reached in turn."""
    play = Trainings(make(3, quantile_fraction=0.0), by_x, workers=1)
    play.run()
    assert [(t, b) for b in (4, 8, 12) for t in (0, 1, 2)] == [
        (job.trial, job.budget) for job in play.jobs
    ]


def test_the_middle_of_the_population_goes_on() -> None:
    """Of eight with a quarter each: two exploit one of two; four are in neither."""
    play = Trainings(make(8, quantile_fraction=0.25, synch=True, stop=8), by_x).run()
    assert [0, 1] == [trial for trial, _, _ in play.exploits]
    assert {donor for _, donor, _ in play.exploits} <= {6, 7}
    assert 16 == len(play.jobs)


def test_what_has_not_been_tried_is_not_spread() -> None:
    """After an exploit a member has no rank until its next boundary: nobody exploits it."""
    play = Trainings(make(4, stop=40), by_x, workers=4, seed=3).run()
    for i, action in enumerate(play.actions):
        if isinstance(action, Exploit):
            own = {j.number for j in play.jobs[:i] if j.trial == action.donor}
            assert int(str(action.checkpoint).split("-")[1], 16) in own


# -- checkpoints ---------------------------------------------------------------------------------


@pytest.mark.parametrize("synch", [False, True])
def test_an_exploit_without_a_checkpoint_is_skipped_and_logged(
    synch: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A donor that saved nothing: everybody goes on, and the log says why, once a boundary."""
    caplog.set_level(logging.INFO)
    play = Trainings(make(2, synch=synch), by_x, save_every=1000).run()
    assert [] == play.exploits
    assert 6 == len(play.jobs)
    said = "trial 0 does not exploit trial 1, which has left no checkpoint"
    assert (2 if synch else 1) == caplog.text.count(said)


def test_an_old_checkpoint_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    """A donor's checkpoint older than the interval is used, and the log says so once."""
    generator = PBTIterGenerator(
        4, param_space={"x": grid_search([0.0, 0.5])}, hyperparam_mutations=X, synch=True,
        quantile_fraction=0.5, stop=24,
    )  # fmt: skip
    play = Trainings(generator, by_x, save_every=1000)
    play._saved["1-00000000000000ff"] = 1
    play.fill()
    for step in range(4, 24, 4):
        for job in list(play.running):
            name = "1-00000000000000ff" if job.trial == 1 and step == 4 else None
            metrics = {"score": float(job.trial)}
            generator.reported(job, metrics, None, step, decision=Decision.PAUSE, checkpoint=name)
            generator.observe(job, Outcome(Status.OK, -job.trial, metrics, checkpoint=name))
            play.running.remove(job)
        play.fill()
    assert play.exploits
    assert 1 == caplog.text.count("save more often")


def test_intervals_that_do_not_fit_warn_when_they_are_given() -> None:
    """A perturbation interval that is no multiple of the checkpoint interval."""
    with pytest.warns(UserWarning, match="no multiple of checkpoint_interval 3"):
        PBTIterGenerator(4, checkpoint_interval=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PBTIterGenerator(4, checkpoint_interval=2)
        PBTIterGenerator(0.3, checkpoint_interval=0.1, stop=3)


# -- failures ------------------------------------------------------------------------------------


def test_a_failed_member_goes_on_from_its_newest_checkpoint() -> None:
    """Up to `max_failures` times; then it is out."""
    play = Trainings(make(1, max_failures=2), by_x)
    play.fill()
    play.step(0)
    play.step(0)
    assert 0 == play.fail(0).trial
    assert Promote(0, 4, 0, 0, "2-0000000000000000") == play.generator.next()
    play.fill()
    play.fail(0, Status.TIMEOUT)
    assert Promote(0, 4, 0, 0, "2-0000000000000000") == play.generator.next()
    play.fill()
    play.fail(0, Status.CRASHED)
    assert Done() == play.generator.next()


def test_a_member_may_fail_for_ever() -> None:
    """`max_failures=-1` always tries again."""
    play = Trainings(make(1, max_failures=-1), by_x)
    for _ in range(20):
        play.fill()
        play.fail(0)
    play.run()
    assert [1, 2, 3] == [step for step, _ in play.rows[0]][:3]


def test_who_always_fails_keeps_nobody_out() -> None:
    """With one worker for two members, and one of them fails again and again: after each failure it
    waits an interval longer, and the other comes to its end."""
    play = Trainings(make(2, max_failures=-1), by_x, workers=1)
    play.fill()
    for _ in range(12):
        if play.running[0].trial == 0:
            play.fail(0)
        else:
            play.segment(0)
        play.fill()
    assert 12 == play.rows[1][-1][0]


def test_a_failure_blocks_nobody() -> None:
    """Synchronous: the others go on at their boundary without the one that failed since the last;
    when it is back it joins them at their next."""
    play = Trainings(make(3, synch=True, max_failures=1, stop=16), by_x)
    play.fill()
    assert 2 == play.fail(2).trial
    play.segment(1)
    play.segment(0)
    play.fill()  # member 2 again; 0 exploits 1; 1 goes on
    assert {(0, 8), (1, 8), (2, 4)} == {(job.trial, job.budget) for job in play.running}
    play.segment([job.trial for job in play.running].index(2))
    assert Wait() == play.generator.next()
    while play.running:
        play.segment(0)
    play.fill()
    assert {0: 12, 1: 12, 2: 8} == {job.trial: job.budget for job in play.running}
    play.run()
    assert {16} == {rows[-1][0] for rows in play.rows.values()}


def test_a_member_that_is_out_is_not_waited_for() -> None:
    """Without retries the rest of a synchronous population goes on, and is ranked, without it."""
    play = Trainings(make(3, synch=True, stop=8), by_x)
    play.fill()
    play.fail(2)
    play.run()
    assert [(0, 1, 8)] == play.exploits


def test_cancelled_is_out_stopped_with_the_study_is_not() -> None:
    """A member that was told to stop, because the study was, goes on from its newest checkpoint
    when the study does; one that was cancelled does not."""
    play = Trainings(make(2, max_failures=5), by_x)
    play.fill()
    told, cancelled = play.running
    play.generator.reported(
        told, {"score": 1.0}, -1.0, 3, decision=Decision.STOP, checkpoint="3-0000000000000aaa"
    )
    play.generator.observe(told, Outcome(Status.STOPPED, -1.0))
    play.generator.observe(cancelled, Outcome(Status.STOPPED))
    assert Promote(0, 4, 0, 0, "3-0000000000000aaa") == play.generator.next()
    play.running.clear()
    play.begin()
    assert Wait() == play.generator.next()


def test_stopped_after_the_study_goes_on_with_it() -> None:
    """A timeout ends what never reported again: that is nothing that the member did."""
    play = Trainings(make(2), by_x)
    play.fill()
    play.generator.study_stopped = True
    for job in list(play.running):
        play.generator.observe(job, Outcome(Status.STOPPED))
    play.running.clear()
    assert Promote(0, 4, 0, 0, None) == play.generator.next()


@pytest.mark.parametrize(
    ("reports", "says"), [(True, "reported, but"), (False, "reported nothing")]
)
def test_an_objective_that_saves_nothing_is_told_so(
    reports: bool, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a population, at the first boundary that leaves no checkpoint."""
    play = Trainings(make(2, require_attrs=False), by_x)
    play.fill()
    for job in list(play.running):
        if reports:
            play.generator.reported(
                job, {"score": 1.0}, -1.0, 4, decision=Decision.PAUSE, checkpoint=None
            )
        play.generator.observe(job, Outcome(Status.OK, -1.0, {"score": 1.0}))
    (record,) = [r for r in caplog.records if "left no checkpoint" in r.getMessage()]
    assert says in record.getMessage()
    assert logging.WARNING == record.levelno


# -- when to end ---------------------------------------------------------------------------------


def test_a_member_ends_with_the_first_criterion() -> None:
    """A reported value, or the time: whichever comes first."""
    stop = {"training_iteration": 12, "score": 6}
    play = Trainings(
        make(2, stop=stop, quantile_fraction=0.0), lambda c, s, step: (step, step * c["x"] * 4)
    )
    play.run()
    assert {0: 12, 1: 3} == {trial: rows[-1][0] for trial, rows in play.rows.items()}
    assert [4, 4, 8, 12] == sorted(job.budget for job in play.jobs)


def test_boundaries_are_multiples_and_the_end() -> None:
    """Of the interval, from the end of the burn-in on."""
    assert (4, 8, 10) == PBTIterGenerator(4, stop=10).get_budgets()
    assert (12, 16) == PBTIterGenerator(4, stop=16, burn_in_period=9).get_budgets()
    assert (3,) == PBTIterGenerator(4, stop=3, burn_in_period=9).get_budgets()
    fractions = PBTIterGenerator(0.1, time_attr="hours", stop={"hours": 0.35}).get_budgets()
    assert (0.1, 0.2, 0.3, 0.35) == fractions


def test_time_may_be_a_metric() -> None:
    """Segments end with the first report whose `time_attr` reaches the boundary."""
    generator = PBTIterGenerator(
        10, time_attr="seconds", stop={"seconds": 25}, hyperparam_mutations=X, num_samples=1
    )
    generator.plan(1)
    job = Job(0, 0, 0, {"x": 0.5}, 10)
    generator.issued(job)
    assert Decision.CONTINUE is generator.decide(job, {"seconds": 9.5}, 0.0, 1)
    assert Decision.PAUSE is generator.decide(job, {"seconds": 13.0}, 0.0, 2)
    generator.reported(
        job, {"seconds": 13.0}, 0.0, 2, decision=Decision.PAUSE, checkpoint="2-00000000000000aa"
    )
    generator.observe(job, Outcome(Status.OK, 0.0, {"seconds": 13.0}))
    assert Promote(0, 20, 0, 1, "2-00000000000000aa") == generator.next()


def test_what_a_report_must_have() -> None:
    """Without `time_attr` or `metric` it is wrong; `require_attrs=False` passes it by."""
    options: dict[str, Any] = {
        "time_attr": "epoch",
        "metric": "acc",
        "mode": "max",
        "stop": {"epoch": 9},
    }
    strict, lax = (
        PBTIterGenerator(4, **options),
        PBTIterGenerator(4, require_attrs=False, **options),
    )
    job = Job(0, 0, 0, {}, 4)
    assert "without 'epoch'" in str(strict.wrong_report({"acc": 1.0}))
    assert "without 'acc'" in str(strict.wrong_report({"epoch": 5}))
    assert strict.wrong_report({"epoch": 5, "acc": 1.0}) is None
    for metrics in ({"acc": 1.0}, {"epoch": 5}):
        assert lax.wrong_report(metrics) is None
    assert "without 'acc'" in str(strict.wrong_outcome(Outcome(Status.OK, 0.0, {"loss": 0.0})))
    assert "acc is nan" in str(strict.wrong_outcome(Outcome(Status.OK, 0.0, {"acc": math.nan})))
    assert strict.wrong_outcome(Outcome(Status.OK, 0.0, {"acc": 1.0})) is None
    assert lax.wrong_outcome(Outcome(Status.OK, 0.0)) is None
    assert Decision.CONTINUE is lax.decide(job, {"acc": 1.0}, None, 1)
    assert Decision.PAUSE is lax.decide(job, {"epoch": 5}, None, 1)


def test_members_are_compared_by_the_metric_that_is_named() -> None:
    """`metric` and `mode` instead of the study's objective."""
    play = Trainings(make(2, synch=True, stop=8, metric="score", mode="min"), by_x).run()
    assert [(1, 0, 8)] == play.exploits


# -- more of it ----------------------------------------------------------------------------------


def test_populations_do_not_mix() -> None:
    """Iterations are populations: nobody exploits across them, and a second one begins when
    workers have nothing to do."""
    play = Trainings(make(2, synch=True), by_x, workers=3, n_iterations=2)
    play.fill()
    assert [0, 0, 1] == [job.bracket for job in play.running]
    play.run()
    home = {job.trial: job.bracket for job in play.jobs}
    assert play.exploits
    assert all(home[trial] == home[donor] for trial, donor, _ in play.exploits)


def test_populations_of_one_plan_draw_differently() -> None:
    """The same grid, but other random values."""
    generator = PBTIterGenerator(4, param_space={"x": uniform(0, 1)}, stop=4)
    play = Trainings(generator, by_x, n_iterations=3).run()
    assert 3 == len({config["x"] for config in play.configs.values()})


def replayed(play: Trainings, generator: PBTIterGenerator) -> Trainings:
    """Tell another generator all that happened, as a study does that is loaded."""
    twin = Trainings(generator, play.train, seed=0)
    twin.configs, twin._saved, twin.rows = dict(play.configs), play._saved, play.rows
    for job in play.jobs:
        generator.issued(job)
        steps = [row for row in play.rows[job.trial] if row[0] <= job.budget]
        step, score = steps[-1]
        name = f"{step}-{job.number:016x}"
        metrics = {"score": score}
        generator.reported(job, metrics, -score, step, decision=Decision.PAUSE, checkpoint=name)
        generator.observe(job, Outcome(Status.OK, -score, metrics, checkpoint=name))
        twin.jobs.append(job)
    return twin


@pytest.mark.parametrize("synch", [False, True])
def test_a_population_that_has_ended_is_extended(synch: bool) -> None:
    """With a later end its members go on where they were, and with more of them the new ones
    begin; what was issued before fits."""
    play = Trainings(make(2, synch=synch, stop=10), by_x, workers=1).run()
    longer = replayed(play, make(2, synch=synch, stop=14)).run()
    assert {12, 14} == {job.budget for job in longer.jobs[len(play.jobs) :]}
    assert {14} == {rows[-1][0] for rows in longer.rows.values()}
    more = replayed(
        Trainings(make(2, synch=synch, stop=10), by_x, workers=1).run(),
        make(2, synch=synch, stop=10, num_samples=2),
    ).run()
    assert {0, 1, 2, 3} == {job.trial for job in more.jobs}
    assert {10} == {rows[-1][0] for rows in more.rows.values()}


def test_what_does_not_fit_is_refused() -> None:
    """A job of a member that is running, or that is beyond the end, is said with its story."""
    play = Trainings(make(2), by_x)
    play.fill()
    with pytest.raises(StudyError, match=r"job 7 \(trial 0, .* the member is running"):
        play.generator.issued(Job(7, 0, 0, {}, 8))
    with pytest.raises(StudyError, match=r"job 7 \(trial 5, .* has 2 members"):
        play.generator.issued(Job(7, 0, 5, {}, 4))
    with pytest.raises(StudyError, match="train up to 12"):
        play.generator.issued(Job(7, 0, 0, {}, 16))


def test_a_closed_intake_is_not_waited_for() -> None:
    """Members that will never begin do not keep the others at their boundary."""
    play = Trainings(make(4, synch=True), by_x, workers=2)
    play.fill()
    play.generator.close_intake()
    play.run()
    assert {0, 1} == set(play.rows)


def test_without_param_space_the_optimizer_proposes() -> None:
    """`num_samples` members."""
    generator = PBTIterGenerator(4, hyperparam_mutations=X, num_samples=3)
    generator.plan(1)
    assert New(4, "model", 0) == generator.next()
    assert [[(3, float(b)) for b in range(4, 101, 4)]] == generator.get_table()
    assert (75, 300) == (generator.num_all_configs(1), generator.total_budget(1))


def test_a_function_that_raises_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """If exploring fails the member goes on, and the log has the traceback."""

    def broken(config: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("mine")

    play = Trainings(make(2, synch=True, stop=8, custom_explore_fn=broken), by_x).run()
    assert [] == play.exploits
    assert "ZeroDivisionError: mine" in caplog.text


def test_the_repr_says_first_what_must_stay() -> None:
    """What may be raised, the end and the number of members, is in the second line."""
    first, second = (
        repr(make(2, **options)).split("\n") for options in ({}, {"num_samples": 3, "stop": 99})
    )
    assert first[0] == second[0]
    assert "2 members, 3 segments each, until training_iteration 12" == first[1]
    assert "6 members, 25 segments each, until training_iteration 99" == second[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"stop": {"score": 3}}, "might train for ever"),
        ({"stop": {"training_iteration": float("inf")}}, "finite"),
        ({"quantile_fraction": 0.6}, "from 0 to 0.5"),
        ({"resample_probability": 1.5}, "from 0 to 1"),
        ({"perturbation_factors": ()}, "at least one"),
        ({"burn_in_period": -1}, "burn_in_period"),
        ({"num_samples": 0}, "num_samples"),
        ({"max_failures": -2}, "max_failures"),
        ({"metric": "acc"}, "give both"),
        ({"metric": "acc", "mode": "up"}, "'min' or 'max'"),
        ({"hyperparam_mutations": {}}, "empty"),
        ({"hyperparam_mutations": {"x": 3}}, "expected a list"),
        ({"hyperparam_mutations": {"x": grid_search([1])}}, "are for param_space"),
        ({"param_space": {"x": lambda: 1}}, "sample_from"),
        ({"stop": 1e9}, "longer perturbation_interval"),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], said: str) -> None:
    """Where they are given, saying what to do."""
    with pytest.raises(ConfigurationError, match=said):
        PBTIterGenerator(4, **options)
