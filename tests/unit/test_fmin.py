"""fmin and Study.optimize: arguments, limits, strategies without a network."""

import numpy as np
import pytest
from ConfigSpace import ConfigurationSpace

from bandmaster import HyperBandIterGenerator, Result, Study, fmin
from bandmaster.core.events import Enqueued
from bandmaster.core.outcome import Status
from bandmaster.errors import (
    ConfigurationError,
    IllegalConfigurationError,
    StorageError,
    StudyError,
)
from bandmaster.multifidelity import ASHAStoppingIterGenerator
from bandmaster.optimizers import optimizer_names
from bandmaster.storage import MemoryJournal

SPACE = {
    "x": {"_type": "uniform", "_value": [0.0, 1.0]},
    "n": {"_type": "choice", "_value": [1, 2]},
}


def loss(config):
    """Return something to minimise."""
    return (config["x"] - 0.3) ** 2 + config["n"]


def search(function=loss, space=SPACE, **options):
    """Run fmin without a bar."""
    return fmin(function, space, show_progressbar=False, **options)


@pytest.mark.parametrize("optimizer", optimizer_names())
def test_every_optimizer_by_its_name(optimizer):
    """A result has what was asked for; the user's points come first and are not proposed again."""
    points = [{"x": 0.125, "n": 2}, {"x": 0.25, "n": 1}]
    result = search(optimizer=optimizer, n_iterations=15, initial_points=points)
    assert points == [dict(e.config) for e in result.evaluations[:2]]
    assert 15 == len({repr(e.config) for e in result.evaluations})
    assert isinstance(result, Result)
    assert 15 == len(result.evaluations)
    assert min(e.loss for e in result.evaluations) == result.best_loss
    assert loss(result.best_config) == result.best_loss


def test_a_configspace_is_as_good_as_an_hdl():
    """The space may be a ConfigurationSpace."""
    space = ConfigurationSpace({"x": (0.0, 1.0), "n": [1, 2]})
    assert 12 == len(search(space=space, n_iterations=12).evaluations)


def test_the_same_random_state_gives_the_same_search():
    """And another one another search."""
    configs = [
        [e.config for e in search(n_iterations=20, random_state=seed).evaluations]
        for seed in (1, 1, 2)
    ]
    assert configs[0] == configs[1] != configs[2]


@pytest.mark.parametrize("optimizer", optimizer_names())
def test_a_finite_space_is_used_up(optimizer):
    """Every configuration is evaluated once, the user's included; then the search ends."""
    space = {
        "n": {"_type": "choice", "_value": [1, 2, 3, 4, 5]},
        "m": {"_type": "int_uniform", "_value": [1, 3]},
    }
    result = search(
        lambda config: config["n"] * config["m"], space, optimizer=optimizer, n_iterations=99,
        initial_points=[{"n": 3, "m": 2}],
    )  # fmt: skip
    assert {"n": 3, "m": 2} == result.evaluations[0].config
    assert 15 == len(result.evaluations) == len({repr(e.config) for e in result.evaluations})
    assert 1 == result.best_loss


def test_initial_points_must_be_legal():
    """What does not fit the space is refused before anything runs."""
    with pytest.raises(IllegalConfigurationError, match="y"):
        search(initial_points=[{"y": 1}])


def test_a_kill_leaves_all_initial_points_or_none(monkeypatch):
    """One batch of events holds them; half of them would never be completed."""
    batches = []
    append = MemoryJournal.append

    def record(self, events):
        batches.append([type(event) for event in events])
        return append(self, events)

    monkeypatch.setattr(MemoryJournal, "append", record)
    search(initial_points=[{"x": 0.125, "n": 2}, {"x": 0.25, "n": 1}], n_iterations=3)
    assert [Enqueued, Enqueued] in batches
    assert [Enqueued] not in batches


def test_a_previous_result_is_learned_from():
    """Its rows stand before the new ones, and count for no limit."""
    before = search(n_iterations=30)
    after = search(n_iterations=5, previous_result=before)
    assert 35 == len(after.evaluations)
    assert after.best_loss <= before.best_loss
    assert all(e.config_info["model_based_pick"] for e in after.evaluations[30:])


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"n_iterations": 2}, HyperBandIterGenerator(1, 9, 3).num_all_configs(2)),
        ({"n_trials": 9}, 13),
        ({"n_evaluations": 10}, 10),
    ],
)
def test_limits_with_an_iteration_generator(limits, expected):
    """n_iterations counts brackets, n_trials configurations, n_evaluations jobs."""
    result = search(
        lambda config, budget: loss(config) / budget,
        multi_fidelity_iter_generator=HyperBandIterGenerator(1, 9, 3),
        parallel_strategy="Serial",
        **limits,
    )
    assert expected == len(result.evaluations)


def test_a_target_loss_counts_at_the_largest_budget_only():
    """Lower losses at smaller budgets do not end the search."""
    result = search(
        lambda config, budget: -1.0,
        multi_fidelity_iter_generator=HyperBandIterGenerator(1, 9, 3),
        parallel_strategy="Serial",
        target_loss=0.0,
    )
    assert 9 == result.evaluations[-1].budget
    assert all(e.budget < 9 for e in result.evaluations[:-1])


@pytest.mark.parametrize("generator", [None, HyperBandIterGenerator(1, 4, 2)])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_map_reduce_with_and_without_an_iteration_generator(generator, n_jobs):
    """A batch asked at once."""
    result = search(
        lambda config, budget: loss(config) / budget,
        n_jobs=n_jobs,
        parallel_strategy="MapReduce",
        auto_identify_serial_strategy=False,
        multi_fidelity_iter_generator=generator,
        n_evaluations=12,
    )
    assert 12 == len(result.evaluations)
    assert all(e.worker.startswith("mapreduce") for e in result.evaluations)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"parallel_strategy": "Serial", "n_jobs": 2}, "AsyncComm"),
        ({"parallel_strategy": "Ray"}, "AsyncComm, MapReduce, Serial"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"n_jobs": 1.5}, "n_jobs"),
        ({"optimizer": "Annealing"}, "ETPE"),
        ({"random_state": -1}, "random_state"),
        ({"random_state": "x"}, "random_state"),
        ({"n_iterations": -1}, "n_iterations"),
        ({"n_trials": 2.5}, "n_trials"),
        ({"n_iterations": None}, "n_trials"),
        ({"checkpoint_file": "a.db", "storage": "sqlite:///b.db"}, "checkpoint_file"),
        ({"multi_fidelity_iter_generator": "hyperband"}, "HyperBandIterGenerator"),
        (
            {
                "multi_fidelity_iter_generator": ASHAStoppingIterGenerator(1, 9),
                "parallel_strategy": "MapReduce",
            },
            "AsyncComm",
        ),
        ({"metrics": [{"name": "a", "strategy": "guess"}]}, "strategy"),
        ({"metrics": "accuracy"}, r"\['accuracy'\]"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": "3"}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": float("inf")}, "no limit is None"),
        ({"job_timeout": 0}, "job_timeout"),
        ({"sigterm_grace": float("inf")}, "sigterm_grace"),
        ({"job_timeout": True}, "job_timeout"),
        ({"target_loss": "low"}, "target_loss"),
        ({"target_loss": float("nan")}, "target_loss"),
        ({"callbacks": print}, "callbacks"),
        ({"callbacks": [3]}, "callbacks"),
        ({"callbacks": 3}, "callbacks"),
        ({"catch": 3}, "catch"),
        ({"initial_points": 3}, "initial_points"),
        ({"initial_points": {"x": 0.5}}, r"write \[\{"),
        ({"catch": (3,)}, "catch"),
    ],
)
def test_wrong_arguments_are_value_errors_that_say_what_to_do(options, says):
    """Nothing was evaluated."""
    called = []
    with pytest.raises(ValueError, match=says) as caught:
        search(lambda config: called.append(1), **options)
    assert isinstance(caught.value, ConfigurationError)
    assert [] == called


def test_an_objective_that_cannot_be_called_is_refused():
    """Before anything starts."""
    with pytest.raises(ConfigurationError, match="callable"):
        search(5)


def test_without_budgets_no_parameter_gets_one_by_its_place():
    """`def f(config, data)` has forgotten something; with budgets the second one is the budget."""

    def objective(config, epochs):
        return float(epochs)

    with pytest.raises(ConfigurationError, match="needs a parameter 'epochs', which nobody gives"):
        fmin(objective, SPACE, "Random", n_iterations=2, show_progressbar=False)
    generator = HyperBandIterGenerator(min_budget=1, max_budget=3, eta=3)
    result = fmin(
        objective, SPACE, "Random", n_iterations=1, multi_fidelity_iter_generator=generator,
        show_progressbar=False,
    )  # fmt: skip
    assert {1.0, 3.0} == {e.loss for e in result.history}


def test_what_is_planned_is_said_before_it_starts(capsys):
    """With a bar, on standard error."""
    fmin(loss, SPACE, multi_fidelity_iter_generator=HyperBandIterGenerator(1, 4, 2),
         n_iterations=3, parallel_strategy="Serial")  # fmt: skip
    shown = capsys.readouterr().err
    generator = HyperBandIterGenerator(1, 4, 2)
    assert f"{generator.num_all_configs(3)} evaluations planned" in shown
    assert f"total budget {generator.total_budget(3)}" in shown


def test_a_metric_can_be_maximised():
    """The best is the one with the highest value."""
    result = search(
        lambda config: {"accuracy": config["x"]},
        metrics=[{"name": "accuracy", "objective": "maximize"}],
        n_iterations=20,
    )
    assert max(e.config["x"] for e in result.evaluations) == result.best_config["x"]


def test_all_evaluations_may_fail():
    """The result is empty of successes, and has the reasons."""

    def broken(config):
        raise RuntimeError("no data")

    result = search(broken, n_iterations=4)
    assert (None, None) == (result.best_config, result.best_loss)
    assert 4 == len(result.failures)
    assert "no data" in result.failures[0].error


def test_optimize_again_goes_on():
    """n_trials counts further ones; a stopped study starts again."""
    study = Study(SPACE, optimizer="Random")
    study.optimize(loss, n_trials=3)
    study.optimize(loss, n_trials=2, callbacks=[lambda s, e: s.stop("early")])
    assert 4 == len(study.history)
    result = study.optimize(loss, n_trials=2)
    assert 6 == len(result.evaluations)
    assert list(range(6)) == study.history.column("trial").tolist()


def test_an_endless_search_is_refused():
    """Something has to end it."""
    with pytest.raises(ConfigurationError, match="n_trials"):
        Study(SPACE).optimize(loss)


def test_counts_may_be_numpys_and_catch_a_single_class():
    """What is meant is clear, so it is taken."""
    result = search(lambda config: 1 / 0, n_trials=np.int64(2), catch=ZeroDivisionError)
    assert [Status.FAILED] * 2 == [e.status for e in result.evaluations]


def test_optimize_refuses_a_strategy_that_is_none_even_with_one_job():
    """A typo is found on the laptop, not on the cluster."""
    with pytest.raises(ConfigurationError, match="MapReduse"):
        Study(SPACE).optimize(lambda config: 1.0, n_trials=1, parallel_strategy="MapReduse")


@pytest.mark.parametrize("generator", [None, HyperBandIterGenerator(1, 9, 3)])
def test_a_plan_of_any_size_has_an_end(generator):
    """That its evaluations are too many to be forecast is no reason to refuse it."""

    def enough(config):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(
            enough,
            n_trials=10**9,
            multi_fidelity_iter_generator=generator,
            n_iterations=None,
            parallel_strategy="Serial",
        )


def test_a_stored_search_goes_on_where_it_was(tmp_path):
    """The same call again runs what is missing, and gives what one long search would have given."""
    options = {"storage": f"sqlite:///{tmp_path}/search.db", "study_name": "mine"}
    first = search(n_iterations=8, **options)
    second = search(n_iterations=20, **options)
    whole = search(n_iterations=20)
    assert (8, 20) == (len(first.evaluations), len(second.evaluations))
    assert [e.config for e in whole.evaluations] == [e.config for e in second.evaluations]
    assert [e.loss for e in whole.evaluations] == [e.loss for e in second.evaluations]
    assert [e.started for e in first.evaluations] == [e.started for e in second.evaluations[:8]]


def test_a_checkpoint_file_is_a_stored_search(tmp_path):
    """And its initial points are not evaluated twice."""
    point = {"x": 0.5, "n": 1}
    for n in (3, 5):
        result = search(n_iterations=n, checkpoint_file=tmp_path / "run.db", initial_points=[point])
        assert n == len(result.evaluations)
        assert 1 == sum(e.config == point for e in result.evaluations)


def test_a_search_that_was_killed_runs_its_lost_job_again(tmp_path):
    """The job that was out when the process died is the first to run."""
    storage = f"sqlite:///{tmp_path}/search.db"
    with Study(SPACE, name="fmin", storage=storage) as study:
        study.tell(study.ask(), 1.0)
        lost = study.ask()
    result = search(n_iterations=3, storage=storage)
    assert [0, 1, 2] == [e.trial for e in result.evaluations]
    assert (1, lost.config) == (result.evaluations[1].attempt, result.evaluations[1].config)


def test_a_stored_study_is_loaded_by_its_name(tmp_path):
    """Its space comes from the storage; who makes it twice by mistake is told so."""
    storage = f"sqlite:///{tmp_path}/search.db"
    with Study(SPACE, name="a", storage=storage, optimizer="Random", random_state=5) as study:
        study.optimize(loss, n_trials=4)
    with pytest.raises(ConfigurationError, match="load_if_exists"):
        Study(SPACE, name="a", storage=storage)
    with Study.load("a", storage, optimizer="Random") as study:
        assert (5, 4) == (study.seed, len(study.history))
        study.optimize(loss, n_trials=2)
        assert 6 == len(study.history)
    generator = HyperBandIterGenerator(1, 9, 3)
    with pytest.raises(StudyError, match="FlatIterGenerator"):
        Study.load("a", storage, generator=generator)
    with pytest.raises(StorageError, match="nobody"):
        Study.load("nobody", storage)
