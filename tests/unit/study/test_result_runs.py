"""The part of Result that HpBandSter's users know."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Status
from bandmaster.errors import ConfigurationError, UnknownJobError
from bandmaster.multifidelity import HyperBandIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.space import Categorical, Condition, Constant, Equals, Float, Integer, Space
from bandmaster.study.result import Result
from bandmaster.study.study import Study
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def _eval(job, loss, budget, trial=None, **more):
    return make_evaluation(job, loss, budget=budget, trial=trial, **more)


def _result():
    """Two brackets: trial 1 is promoted twice, 2 fails on its way, 3 is tried twice at 3."""
    return Result(
        make_history(
            _eval(0, 0.50, 1.0, trial=0),
            _eval(1, 0.40, 1.0, trial=1),
            _eval(2, 0.30, 1.0, trial=2),
            _eval(3, None, 3.0, trial=2, finished=3.5),
            _eval(4, 0.45, 3.0, trial=1),
            _eval(5, 0.60, 9.0, trial=1),
            _eval(6, 0.90, 3.0, trial=3, bracket=1),
            _eval(7, 0.20, 3.0, trial=3, bracket=1),
        ),
        budgets=(1.0, 3.0, 9.0),
    )


# ---- incumbents


def test_the_incumbent_depends_on_the_policy():
    """The largest budget's best, the best of all, or the last one that budgets led to."""
    result = _result()
    assert (9.0, 0.60) == (result.get_incumbent().budget, result.get_incumbent().loss)
    assert result.best is result.get_incumbent("largest budget")
    assert 7 == result.get_incumbent("any budget").job
    assert 7 == result.get_incumbent("non-decreasing budget").job
    assert 2 == result.get_incumbent(budget=1.0).job
    with pytest.raises(ConfigurationError, match="'any budget'"):
        result.get_incumbent("best")


def test_the_order_of_evaluations_matters_to_the_non_decreasing_policy_only():
    """A lower loss at a smaller budget comes too late."""
    rows = [_eval(0, 0.5, 9.0), _eval(1, 0.1, 1.0), _eval(2, 0.4, 3.0)]
    late, early = Result(make_history(*rows)), Result(make_history(*rows[::-1]))
    assert 0 == late.get_incumbent("non-decreasing budget").job
    assert 1 == early.get_incumbent("any budget").job == late.get_incumbent("any budget").job
    assert 2 == early.get_incumbent("non-decreasing budget").job
    assert 0 == early.get_incumbent().job == late.get_incumbent().job


def test_the_incumbents_id_is_the_one_that_compute_gets():
    """(bracket, 0, trial), in a search by Hyperband; each run's id is its job's."""
    generator = HyperBandIterGenerator(min_budget=1, max_budget=4, eta=2)
    study = Study(Space([Float("x", 0, 1)]), optimizer=RandomOptimizer(), generator=generator)
    ids = {}
    for _ in range(30):
        job = study.ask()
        ids[job.number] = job.config_id
        study.tell(job, job.config["x"])
    result = Result.of(study)
    assert ids == {run.evaluation.job: run.config_id for run in result.get_all_runs()}
    assert result.get_incumbent_id() == ids[result.best.job]
    assert {config_id[:2] for config_id in ids.values()} == {
        (bracket, 0) for bracket in range(result.num_iterations())
    }
    assert result.num_iterations() > 1


def test_the_trajectory_has_the_keys_of_hpbandster():
    """Lists, as long as the trajectory; dict() makes a dictionary of them."""
    trajectory = _result().get_incumbent_trajectory()
    assert [0.5, 0.4, 0.3, 0.45, 0.6] == trajectory["losses"]
    assert [1.0, 1.0, 1.0, 3.0, 9.0] == trajectory["budgets"]
    assert [1.0, 2.0, 3.0, 5.0, 6.0] == trajectory["times_finished"]
    assert [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 1), (0, 0, 1)] == trajectory["config_ids"]
    assert {"config_ids", "times_finished", "budgets", "losses"} == set(dict(trajectory))
    assert trajectory.evaluations == tuple(trajectory)
    with pytest.raises(KeyError, match="losses"):
        trajectory["loss"]


@pytest.mark.parametrize(
    ("bigger", "monotone", "policy", "losses"),
    [
        (True, True, "largest budget", [0.5, 0.4, 0.3, 0.45, 0.6]),
        (False, False, "any budget", [0.5, 0.4, 0.3, 0.2]),
        (False, True, "non-decreasing budget", [0.5, 0.4, 0.3, 0.2]),
        (True, False, None, [0.5, 0.4, 0.3, 0.45, 0.6, 0.2]),
    ],
)
def test_the_switches_mean_what_they_mean_in_hpbandster(bigger, monotone, policy, losses):
    """Three of their four combinations are the three policies."""
    result = _result()
    assert losses == result.get_incumbent_trajectory(True, bigger, monotone)["losses"]
    if policy is not None:
        assert losses == result.get_incumbent_trajectory(policy=policy)["losses"]


def _hpbandster(runs, bigger_is_better, non_decreasing_budget):
    """Apply HpBandSter's published rule, in words: see its documentation of the trajectory."""
    found, best, at = [], math.inf, 0.0
    for run in runs:
        if run.loss is None:
            continue
        wins = run.loss < best or (bigger_is_better and run.budget > at)
        if wins and not (non_decreasing_budget and run.budget < at):
            found.append(run.config_id)
            best, at = run.loss, run.budget
    return found


@pytest.mark.parametrize("bigger", [True, False])
@pytest.mark.parametrize("monotone", [True, False])
def test_the_trajectory_is_hpbandsters_on_a_search_with_failures(bigger, monotone):
    """Configuration by configuration, for each combination of its switches."""
    result = Result(make_hyperband_history(20, p_failure=0.3, seed=4))
    expected = _hpbandster(result.get_all_runs(), bigger, monotone)
    assert len(expected) > 3
    assert expected == result.get_incumbent_trajectory(True, bigger, monotone)["config_ids"]


def test_without_all_budgets_only_the_largest_counts():
    """Also while nothing has finished there: then there is no incumbent."""
    assert [0.6] == _result().get_incumbent_trajectory(all_budgets=False)["losses"]
    young = Result(make_history(_eval(0, 0.5, 1.0)), budgets=(1.0, 9.0))
    assert [] == young.get_incumbent_trajectory(all_budgets=False)["losses"]
    assert 0 == len(Result(History(0)).get_incumbent_trajectory(all_budgets=False))


def test_arguments_that_exclude_each_other_are_refused():
    """A budget in the place of a switch, a policy beside the switches, two choices of budget."""
    result = _result()
    for arguments in (
        {"all_budgets": 3.0},
        {"policy": "any budget", "bigger_is_better": False},
        {"all_budgets": False, "budget": 1.0},
        {"policy": "none"},
    ):
        with pytest.raises(ConfigurationError):
            result.get_incumbent_trajectory(**arguments)


ACCURACY = Objectives(
    [
        Metric("accuracy", objective="maximize"),
        Metric("seconds", strategy="constraint", threshold=2.0),
    ]
)


def _constrained():
    rows = [(0.9, 3.0, 1.0), (0.6, 1.0, 1.0), (0.8, 2.0, 1.0), (0.7, 1.5, 3.0), (0.95, 9.0, 3.0)]
    return Result(
        make_history(
            *(
                _eval(i, -a, budget, metrics={"accuracy": a, "seconds": s})
                for i, (a, s, budget) in enumerate(rows)
            )
        ),
        objectives=ACCURACY,
    )


def test_under_every_policy_what_breaks_a_constraint_is_no_incumbent():
    """And a metric that is maximised has its sign turned in the losses."""
    result = _constrained()
    assert 3 == result.get_incumbent().job == result.best.job
    assert 2 == result.get_incumbent("any budget").job
    assert (0, 0, 3) == result.get_incumbent_id()
    assert [-0.6, -0.8, -0.7] == result.get_incumbent_trajectory()["losses"]
    assert (0.6, 0.8) == result.get_incumbent_trajectory(policy="any budget").values


@pytest.mark.parametrize("odd", [math.nan, -math.inf, math.inf])
def test_a_loss_that_is_no_finite_number_is_no_loss(odd):
    """A study makes failures of such; rows that come from elsewhere may hold them."""
    result = Result(make_history(_eval(0, odd, 1.0), _eval(1, 0.5, 1.0), _eval(2, odd, 3.0)))
    assert 1 == result.best.job
    assert [1] == [e.job for e in result.incumbents.values()]
    assert [0.5] == result.get_incumbent_trajectory()["losses"]
    assert [None, 0.5, None] == [run.loss for run in result.get_all_runs()]
    assert [0.5] == result.get_pandas_dataframe()[1]["loss"].tolist()


# ---- runs


def test_every_evaluation_is_a_run():
    """In the order in which the study learned of them, failed ones without a loss."""
    result = _result()
    runs = result.get_all_runs()
    assert [e.job for e in result.evaluations] == [run.evaluation.job for run in runs]
    failed = runs[3]
    assert failed.loss is None
    assert "ValueError: no luck" in failed.error_logs
    assert {"submitted": 3.0, "started": 3.0, "finished": 3.5} == failed.time_stamps
    assert runs[0].error_logs is None


def test_a_run_knows_what_compute_returned_as_info():
    """Under HpBandSter's name."""
    row = make_evaluation(0, 0.5)
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    result = Result(make_history(type(row)(**{**values, "info": {"test": 0.25}})))
    assert {"test": 0.25} == result.get_all_runs()[0].info


def test_one_that_stopped_early_has_no_loss_though_it_reported_one():
    """Only an evaluation that ended well has a loss that counts."""
    result = Result(make_history(_eval(0, 0.5, 1.0, status=Status.STOPPED)))
    assert result.get_all_runs()[0].loss is None
    assert result.get_incumbent_id() is None
    assert {(0, 0, 0): [[]]} == result.get_learning_curves()


def test_what_no_worker_timed_takes_no_time():
    """Its stamps are those of its submission, not the year 1970."""
    row = _eval(0, None, 1.0, status=Status.CRASHED, error="gone", started=0.0, finished=0.0)
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    result = Result(make_history(type(row)(**{**values, "submitted": 1.7e9})))
    stamps = result.get_all_runs()[0].time_stamps
    assert {"submitted": 1.7e9, "started": 1.7e9, "finished": 1.7e9} == stamps


def test_only_the_largest_budget_gives_one_run_a_configuration():
    """The last one there, also if it failed."""
    jobs = [run.evaluation.job for run in _result().get_all_runs(only_largest_budget=True)]
    assert [0, 5, 3, 7] == jobs


def test_the_runs_of_a_configuration_are_sorted_by_budget():
    """By its identifier or the number of its trial; the last is the longest."""
    result = _result()
    assert [1.0, 3.0, 9.0] == [run.budget for run in result.get_runs_by_id((0, 0, 1))]
    assert result.get_runs_by_id(1) == result.get_runs_by_id([0, 0, 1])
    assert [0.9, 0.2] == [run.loss for run in result.get_runs_by_id((1, 0, 3))]
    backwards = Result(make_history(*reversed(result.evaluations)))
    assert [1.0, 3.0, 9.0] == [run.budget for run in backwards.get_runs_by_id(1)]


def test_runs_grow_with_the_history():
    """Asked again, the result has what has finished since; what one gets is a list of one's own."""
    history = make_history(_eval(0, 0.5, 3.0, trial=0))
    result = Result(history)
    assert 1 == len(result.get_all_runs())
    history.append(_eval(1, 0.4, 1.0, trial=0))
    result.get_all_runs().clear()
    result.get_runs_by_id(0).clear()
    assert [0, 1] == [run.evaluation.job for run in result.get_all_runs()]
    assert [1, 0] == [run.evaluation.job for run in result.get_runs_by_id(np.int64(0))]


@pytest.mark.parametrize("unknown", [99, (0, 0, 99), (5, 0, 1), (0, 1), ()])
def test_an_identifier_that_is_not_there_is_refused(unknown):
    """The message says where those are that there are."""
    with pytest.raises(UnknownJobError, match="get_id2config_mapping"):
        _result().get_runs_by_id(unknown)
    with pytest.raises(UnknownJobError):
        _result().get_learning_curves(config_ids=[unknown])


def test_identifiers_lead_to_configurations():
    """With what the optimizer said; changing what one gets does not change the history."""
    info = {"model_based_pick": True}
    result = Result(make_history(_eval(0, 0.5, 1.0, config={"x": 1}, config_info=info)))
    mapping = result.get_id2config_mapping()
    assert {(0, 0, 0): {"config": {"x": 1}, "config_info": info}} == mapping
    mapping[0, 0, 0]["config"]["x"] = 2
    assert {"x": 1} == result.best_config
    assert [0, 1, 2, 3] == [config_id[2] for config_id in _result().get_id2config_mapping()]


def test_learning_curves_go_over_budgets_and_leave_out_failures():
    """One curve a configuration; where it was tried twice at a budget, the last one counts."""
    curves = _result().get_learning_curves()
    assert [[(1.0, 0.4), (3.0, 0.45), (9.0, 0.6)]] == curves[0, 0, 1]
    assert [[(1.0, 0.3)]] == curves[0, 0, 2]
    assert [[(3.0, 0.2)]] == curves[1, 0, 3]
    assert 4 == len(curves)


def test_a_learning_curve_extractor_gets_the_runs_of_a_configuration():
    """Of those that are asked for only."""
    curves = _result().get_learning_curves(lambda runs: [len(runs)], config_ids=[(0, 0, 1), 3])
    assert {(0, 0, 1): [3], (1, 0, 3): [2]} == curves


def test_evaluations_of_a_previous_result_have_identifiers_of_their_own():
    """Bracket -1, negative numbers; they count for no iteration."""
    generator = HyperBandIterGenerator(min_budget=1, max_budget=4, eta=2)
    space = Space([Float("x", 0, 1)])
    study = Study(space, optimizer=RandomOptimizer(), generator=generator)
    old = [_eval(i, 0.5 - 0.1 * i, 2**i, trial=7, config={"x": 0.25}) for i in range(3)]
    assert 3 == study.learn_from(old)
    result = Result.of(study)
    assert 0 == result.num_iterations()
    assert [(-1, 0, -1), (-1, 0, -2), (-1, 0, -3)] == list(result.get_id2config_mapping())
    assert (-1, 0, -3) == result.get_incumbent_id()
    study.tell(study.ask(), 0.9)
    assert 1 == result.num_iterations()
    assert 4 == len(result.get_all_runs())


# ---- data for other programs


def test_the_frames_hold_configurations_and_losses_of_what_succeeded():
    """Row by row, with the budget where there is more than one."""
    result = Result(
        make_history(
            _eval(0, 0.5, 1.0, config={"a": 1, "kind": "x"}),
            _eval(1, None, 1.0, config={"a": 2, "kind": "y"}),
            _eval(2, 0.25, 3.0, config={"kind": "y"}),
        )
    )
    x, y = result.get_pandas_dataframe()
    assert ["a", "kind", "budget"] == list(x.columns)
    assert ["Int64", "category", "float64"] == [str(kind) for kind in x.dtypes]
    assert [1, pd.NA] == x["a"].tolist()
    assert [1.0, 3.0] == x["budget"].tolist()
    assert [0.5, 0.25] == y["loss"].tolist()
    assert x.index.equals(y.index)
    x, y = result.get_pandas_dataframe(budgets=[3.0], loss_fn=lambda run: run.loss * run.budget)
    assert (["kind"], [0.75]) == (list(x.columns), y["loss"].tolist())


def test_the_frames_of_nothing_are_empty():
    """Without an error."""
    x, y = Result(History(0)).get_pandas_dataframe()
    assert (0, 0) == (len(x), len(y))
    assert ["loss"] == list(y.columns)


CONDITIONAL = Space(
    [
        Categorical("kind", ("svm", "knn")),
        Float("C", 0.1, 10, log=True),
        Integer("k", 2, 20, q=2),
        Constant("version", "v1"),
    ],
    conditions=[
        Condition("C", Equals("kind", "svm")),
        Condition("k", Equals("kind", "knn")),
    ],
)


def _fanova_result():
    svm = {"kind": "svm", "C": 2.5, "version": "v1"}
    knn = {"kind": "knn", "k": 6, "version": "v1"}
    return Result(
        make_history(
            _eval(0, 0.5, 1.0, config=svm),
            _eval(1, 0.25, 3.0, config=knn),
            _eval(2, None, 3.0, config=svm),
        ),
        CONDITIONAL,
        budgets=(1.0, 3.0),
    )


def test_fanova_gets_a_matrix_in_the_order_of_the_space():
    """Choices by index, steps counted, NaN where inactive; failures are left out."""
    x, y, space = _fanova_result().get_fANOVA_data()
    names = list(space)
    assert {"kind", "C", "k", "version", "budget"} == set(names)
    columns = dict(zip(names, x.T, strict=True))
    np.testing.assert_array_equal([0.0, 1.0], columns["kind"])
    np.testing.assert_array_equal([2.5, np.nan], columns["C"])
    np.testing.assert_array_equal([np.nan, 2.0], columns["k"])  # 2, 4, 6: step 2
    np.testing.assert_array_equal([0.0, 0.0], columns["version"])
    np.testing.assert_array_equal([1.0, 3.0], columns["budget"])
    assert [0.5, 0.25] == y.tolist()


def test_fanova_takes_a_loss_for_failures_and_some_of_the_budgets():
    """With one budget there is no column for it."""
    x, y, space = _fanova_result().get_fANOVA_data(
        budgets=[3.0], failed_loss=1, loss_fn=lambda run: run.loss * 2
    )
    assert (2, 4) == x.shape
    assert [0.5, 1.0] == y.tolist()
    assert "budget" not in space


def test_fanova_leaves_the_users_space_as_it_is():
    """HpBandSter added the budget to it; here a copy has it. Unknown choices are named."""
    import ConfigSpace as CS

    theirs = CS.ConfigurationSpace({"kind": ["knn", "svm"], "C": (0.1, 10.0)})
    x, _, space = _fanova_result().get_fANOVA_data(theirs)
    assert ["budget"] == [name for name in space if name not in theirs]
    assert [1.0, 0.0] == x[:, list(space).index("kind")].tolist()
    with pytest.raises(ConfigurationError, match="'svm'"):
        _fanova_result().get_fANOVA_data(CS.ConfigurationSpace({"kind": ["knn", "tree"]}))


def test_fanova_of_nothing_or_of_an_unknown_space():
    """Nothing gives no rows; without a space the message says what to give."""
    x, y, space = Result(History(0), CONDITIONAL).get_fANOVA_data()
    assert ((0, 4), (0,)) == (x.shape, y.shape)
    assert 4 == len(space)
    with pytest.raises(ConfigurationError, match="config_space"):
        Result(History(0)).get_fANOVA_data()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5), st.sampled_from([1.0, 3.0, 9.0]), st.none() | st.floats(-5, 5)
        ),
        max_size=25,
    )
)
def test_runs_by_identifier_are_all_runs(spec):
    """Each run is in one configuration's list; the longest of each list are the longest runs."""
    rows = [_eval(i, loss, budget, trial=t) for i, (t, budget, loss) in enumerate(spec)]
    result = Result(make_history(*rows))
    lists = {i: result.get_runs_by_id(i) for i in result.get_id2config_mapping()}
    jobs = sorted(run.evaluation.job for runs in lists.values() for run in runs)
    assert [e.job for e in result.evaluations] == jobs
    for runs in lists.values():
        assert [run.budget for run in runs] == sorted(run.budget for run in runs)
    assert [runs[-1] for runs in lists.values()] == result.get_all_runs(only_largest_budget=True)
    for config_id, curves in result.get_learning_curves().items():
        last = {run.budget: run.loss for run in lists[config_id] if run.loss is not None}
        assert [sorted(last.items())] == curves
