"""Populations and checkpoints through `fmin` and `Study.optimize`."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from bandmaster import Study, fmin
from bandmaster.checkpoints import Keep
from bandmaster.core.decisions import Decision
from bandmaster.core.objectives import Metric
from bandmaster.core.outcome import Status
from bandmaster.errors import AllFailedError, ConfigurationError
from bandmaster.multifidelity import HyperBandIterGenerator, PBTIterGenerator

RATE = {"rate": {"_type": "uniform", "_value": [0.0, 1.0]}}


def train(config, context):
    """A state that grows by the rate, which is the loss turned round."""
    state = context.load() or 0.0
    while True:
        state += config["rate"]
        context.report({"grown": state}, checkpoint=state)


def population(**options):
    return PBTIterGenerator(
        2,
        metric="grown",
        mode="max",
        hyperparam_mutations=RATE,
        quantile_fraction=0.5,
        synch=True,
        stop={"training_iteration": 6},
        num_samples=3,
        **options,
    )


def test_a_population_brings_its_space_its_metric_and_its_end():
    """Without a space, metrics and limits it is one population, of what its options say."""
    result = fmin(train, multi_fidelity_iter_generator=population(), show_progressbar=False)
    assert 9 == len(result.evaluations)
    assert [Metric("grown", objective="maximize")] == list(result.objectives.metrics)
    assert result.best_value == result.history()["metric.grown"].max()
    assert [[1, 2, 3, 4, 5, 6]] * 3 == [list(result.history(t)["step"]) for t in range(3)]


def test_what_is_given_counts():
    """A limit, a space and metrics of the user are taken."""
    study = Study(RATE, generator=population(), metrics=["grown"])
    result = study.optimize(train, n_evaluations=4)
    assert 4 == len(result.evaluations)
    assert [Metric("grown")] == list(result.objectives.metrics)


def test_without_any_space_the_error_says_so():
    """It names what can be given."""
    with pytest.raises(ConfigurationError, match="there is no search space"):
        fmin(train, multi_fidelity_iter_generator=HyperBandIterGenerator(1, 3))


def test_a_promoted_trial_trains_on(tmp_path):
    """Successive halving continues from the last rung: nobody trains a step twice."""
    steps = []

    def train_to(config, budget, context):
        state = context.load() or 0
        while state < budget:
            state += 1
            steps.append(state)
            context.report(config["rate"] / state, checkpoint=state)
        return config["rate"] / state

    study = Study(RATE, generator=HyperBandIterGenerator(1, 9, SH_only=True))
    study.optimize(train_to, n_iterations=1, checkpoint_store=tmp_path / "states")
    assert [9 * 1, 3 * 2, 1 * 6] == [
        sum(low < step <= high for step in steps) for low, high in ((0, 1), (1, 3), (3, 9))
    ]


@pytest.mark.parametrize(
    ("keep", "kept"), [(None, 1), (Keep(best=2), 2), (Keep(all=True), 4), (Keep(best=0), 0)]
)
def test_what_is_kept_of_checkpoints_is_for_the_user_to_say(tmp_path, keep, kept):
    """By default that of the best; the others are deleted by the end of the run."""

    def objective(config, context):
        context.save(config["rate"])
        return config["rate"]

    study = Study(RATE)
    study.optimize(objective, n_trials=4, checkpoint_store=tmp_path, keep_checkpoints=keep)
    assert kept == len([path for path in tmp_path.glob("*/*-*") if path.is_file()])


@pytest.mark.parametrize(
    ("objective", "options"),
    [
        (lambda config: 0.0, {"checkpoint_store": "states"}),
        (lambda config: 0.0, {"keep_checkpoints": Keep(last=1)}),
        (lambda config, context: 0.0, {"keep_checkpoints": Keep(), "parallel": "MapReduce"}),
    ],
)
def test_a_store_that_nothing_can_use_is_refused(objective, options, tmp_path):
    """Who gives one expects that it is used; a search that would be stored is not begun."""
    options = {"checkpoint_file": tmp_path / "search.db", **options}
    strategy = {"parallel_strategy": options.pop("parallel")} if "parallel" in options else {}
    with pytest.raises(ConfigurationError, match="'context'"):
        fmin(objective, RATE, n_trials=1, n_jobs=2, show_progressbar=False, **options, **strategy)
    assert not options["checkpoint_file"].exists()


def test_a_trial_that_goes_on_by_itself_exploits_nobody():
    """What a job of it did before is not said of the next."""
    result = fmin(train, multi_fidelity_iter_generator=population(), show_progressbar=False)
    exploits = result.exploits()
    assert {(e.trial, e.job) for e in exploits} == {
        (e.trial, e.job) for e in result.evaluations if "exploits" in e.config_info
    }
    assert len(exploits) <= 2  # of three members one exploits, at each of two boundaries


def reports_nothing_of_use(config, context):
    """The metric that the population goes by is misspelt."""
    while True:
        context.report({"grwon": 1.0}, checkpoint=1)


def swallows_all(config, context):
    """Whatever a report raises, it goes on."""
    with contextlib.suppress(Exception):
        context.report({"grwon": 1.0}, auto_stop=False)
    return {"grown": 1.0}


def returns_without_it(config, context):
    """What it reports is in order, what it returns is not."""
    context.report({"grown": 1.0})
    return {"loss": 1.0}


def returns_nonsense(config, context):
    """The number that is there is none."""
    return {"grown": float("nan"), "loss": 1.0}


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(
    ("objective", "says"),
    [
        (reports_nothing_of_use, "reported ['grwon'] without 'grown'"),
        (swallows_all, "reported ['grwon'] without 'grown'"),
        (returns_without_it, "returned ['loss'] without 'grown'"),
        (returns_nonsense, "grown is nan"),
    ],
)
def test_who_lacks_the_metric_has_failed_wherever_it_ran(objective, says, n_jobs):
    """In this process or in others: a failed evaluation that names the metric, and no more."""
    result = fmin(
        objective, multi_fidelity_iter_generator=population(), metrics=["loss"], n_jobs=n_jobs,
        parallel_strategy="Serial" if n_jobs == 1 else "AsyncComm", show_progressbar=False,
    )  # fmt: skip
    assert [Status.FAILED] * 3 == [e.status for e in result.evaluations]
    assert {True} == {says in error for error in result.errors.values()}


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("objective", [reports_nothing_of_use, returns_without_it])
def test_a_run_in_which_all_lack_it_ends_with_that_error(objective, n_jobs):
    """As with any failure that comes first and again and again."""
    generator = PBTIterGenerator(
        2, metric="grown", mode="max", hyperparam_mutations=RATE, num_samples=9, max_failures=-1
    )
    with pytest.raises(AllFailedError, match="without 'grown'"):
        fmin(
            objective, multi_fidelity_iter_generator=generator, metrics=["loss"], n_jobs=n_jobs,
            parallel_strategy="Serial" if n_jobs == 1 else "AsyncComm", show_progressbar=False,
        )  # fmt: skip


def test_who_is_lost_at_its_boundary_is_judged_like_the_others():
    """Its last report ends its job, and is as good as what it would have returned."""
    study = Study(generator=population(), optimizer="Random", metrics=["loss"])
    for value, status in ((1.0, Status.OK), (float("nan"), Status.FAILED)):
        job = study.ask()
        metrics = {"loss": 1.0, "grown": value}
        assert Decision.PAUSE is study.report(job, metrics, step=int(job.budget))
        study.requeue(job, "its worker died")
        assert status is study.history[-1].status


def test_a_report_that_lacks_it_is_tried_again_like_other_failures():
    """`retry_failed` counts; by hand the answer is to stop, and the job's end says why."""
    study = Study(generator=population(), optimizer="Random", retry_failed=1)
    job = study.ask()
    assert Decision.STOP is study.report(job, {"loss": 1.0})
    again = study.ask()
    assert (job.number, 1) == (again.number, again.attempt)
    assert Decision.STOP is study.report(again, {"loss": 1.0})
    assert not study.tell(again, {"grown": 1.0})
    (evaluation,) = study.history
    assert Status.FAILED is evaluation.status
    assert "without 'grown'" in evaluation.error
    assert Decision.CONTINUE is study.report(study.ask(), {"grown": 1.0})


CHOICE = {
    "net(choice)": {
        "dense": {"width": {"_type": "uniform", "_value": [0.0, 1.0]}},
        "conv": {"depth": {"_type": "uniform", "_value": [0.0, 1.0]}},
    }
}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("option", ["param_space", "hyperparam_mutations"])
def test_a_choice_of_sub_spaces_is_refused_where_it_cannot_be(option, nested):
    """The key is named, and what to write instead."""
    entries = {"model": CHOICE} if nested else CHOICE
    key = r"model:net\(choice\)" if nested else r"net\(choice\)"
    with pytest.raises(ConfigurationError, match=f"{option} has the key '{key}'.*config_space"):
        PBTIterGenerator(2, **{option: entries})


@pytest.mark.parametrize(
    "mutations", [None, {"net:__choice__": ["dense", "conv"], "net:conv:depth": [0.1, 0.9]}]
)
def test_a_population_in_a_space_with_choices(mutations):
    """What is written instead: the space's choices hold in each member, also after exploits."""

    def learn(config, context):
        state = context.load() or 0.0
        (value,) = (value for name, value in config.items() if name != "net:__choice__")
        while True:
            state += value
            context.report({"loss": -state}, checkpoint=state)

    generator = PBTIterGenerator(
        2, quantile_fraction=0.5, synch=True, stop=12, num_samples=6, resample_probability=0.5,
        hyperparam_mutations=mutations,
    )  # fmt: skip
    result = fmin(
        learn, CHOICE, multi_fidelity_iter_generator=generator, optimizer="Random",
        show_progressbar=False, parallel_strategy="Serial",
    )  # fmt: skip
    assert {} == result.errors
    taken = {exploit.config["net:__choice__"] for exploit in result.exploits()}
    assert {"dense", "conv"} == taken
    assert all(2 == len(exploit.config) for exploit in result.exploits())


@pytest.mark.parametrize("options", [{}, {"max_failures": 1}])
def test_members_in_processes_of_their_own(options, tmp_path):
    """With `isolate`: they save, load and exploit as without; who is killed goes on."""
    killed = tmp_path / "killed"

    def train_or_die(config, context):
        state = context.load() or 0.0
        while True:
            if options and context.step == 3 and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            state += config["rate"]
            context.report({"grown": state}, checkpoint=state)

    result = fmin(
        train_or_die, multi_fidelity_iter_generator=population(**options), n_jobs=2, isolate=True,
        checkpoint_store=tmp_path / "store", show_progressbar=False,
    )  # fmt: skip
    assert {} == result.errors
    assert bool(options) == bool(result.failures) == killed.exists()
    assert result.exploits()
    for trial in range(3):
        assert [1, 2, 3, 4, 5, 6] == list(result.history(trial)["step"])


def test_an_evaluation_that_reports_nothing_is_told_how_members_train():
    """That its outcome lacks the metric is no help to who does not know of reports."""
    with pytest.raises(AllFailedError, match=r"needs \['grown'\].*in a loop.*context\.report"):
        fmin(
            lambda config: 1.0, multi_fidelity_iter_generator=population(), n_iterations=1,
            max_initial_failures=2, show_progressbar=False,
        )  # fmt: skip
