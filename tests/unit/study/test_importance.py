"""Importance tells apart what matters from what does not, in every kind of search."""

from __future__ import annotations

import time

import numpy as np
import pytest

from bandmaster.core.objectives import Objectives
from bandmaster.core.outcome import Status
from bandmaster.errors import ConfigurationError
from bandmaster.space import compile_space
from bandmaster.study.importance import compute_importance, scale_losses
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history

SPACE = compile_space(
    {
        "rate": {"_type": "loguniform", "_value": [1e-4, 1.0]},
        "batch": {"_type": "int_uniform", "_value": [1, 64]},
        "size": {"_type": "ordinal", "_value": ["s", "m", "l"]},
        "seed": 7,
        "model(choice)": {
            "linear": {"penalty": {"_type": "choice", "_value": ["l1", "l2"]}},
            "forest": {"depth": {"_type": "uniform", "_value": [0, 1]}},
        },
    }
)


def _rows(n, loss, *, space=SPACE, budget=1.0, first=0):
    configs = space.sample_configs(n, np.random.default_rng(n))
    return [
        make_evaluation(first + i, loss(c), config=c, budget=budget) for i, c in enumerate(configs)
    ]


def _loss(config):
    return abs(np.log10(config["rate"]) + 2) + 2 * (config["size"] == "m")


def test_what_matters_comes_first():
    """On a log scale, of an ordinal; a constant is left out, the rest has next to nothing."""
    found = compute_importance(_rows(300, _loss), SPACE)
    assert ["size", "rate"] == list(found.importance)[:2]
    assert {"batch", "model:__choice__", "model:linear:penalty", "model:forest:depth"} == set(
        list(found.importance)[2:]
    )
    # var(2 B) with B one in three is 8/9; var(|U|) with U even on [-2, 2] is 1/3.
    assert [8 / 11, 3 / 11] == pytest.approx(list(found.importance.values())[:2], abs=0.08)
    assert max(list(found.importance.values())[2:]) < 0.01
    assert set(found.importance) == set(found.std)
    assert 0.9 < found.r2 <= 1
    assert (300, 1.0, "linear", None) == (
        found.n_evaluations, found.budget, found.scale, found.why_empty,
    )  # fmt: skip


def test_a_conditional_parameter_interacts_with_its_condition():
    """`depth` matters only for forests: what it explains is half alone, half with the choice."""

    def loss(config):
        return 4 * config.get("model:forest:depth", 0.5)

    found = compute_importance(_rows(300, loss), SPACE)
    name = "model:forest:depth"
    assert name == next(iter(found.importance))
    assert ("model:__choice__", name) == next(iter(found.interactions))
    assert 0.5 == pytest.approx(found.importance[name], abs=0.06)
    assert 0.5 == pytest.approx(found.interactions["model:__choice__", name], abs=0.06)


def test_a_weighted_choice_and_a_prior_count_as_they_are_drawn():
    """The variance is that of random search: x is one in ten times 1, so is its variance."""
    space = compile_space(
        {
            "x": {"_type": "choice", "_value": ["a", "b"], "_weights": [0.9, 0.1]},
            "y": {"_type": "choice", "_value": ["a", "b"]},
        }
    )
    rows = _rows(300, lambda c: (c["x"] == "b") + (c["y"] == "b"), space=space)
    found = compute_importance(rows, space)
    assert 0.09 / (0.09 + 0.25) == pytest.approx(found.importance["x"], abs=0.03)


@pytest.mark.parametrize(
    "kind",
    [
        {"_type": "ordinal", "_value": ["low", "high"]},
        {"_type": "int_uniform", "_value": [0, 1]},
        {"_type": "quniform", "_value": [0.5, 1.0, 0.5]},
        {"_type": "int_loguniform", "_value": [1, 2]},
    ],
)
def test_a_threshold_between_two_values_is_nowhere_in_particular(kind):
    """What two values do together, or each alone, is all of it: to the last digit."""
    space = compile_space({"x": kind, "y": {"_type": "choice", "_value": ["a", "b"]}})
    values = sorted({c["x"] for c in space.sample_configs(40, np.random.default_rng(0))})
    assert 2 == len(values)
    both = _rows(400, lambda c: float((c["x"] == values[0]) == (c["y"] == "a")), space=space)
    found = compute_importance(both, space)
    share = {name: 4 * p * (1 - p) for name, p in (("x", _share_of(space, values)), ("y", 0.5))}
    if share["x"] == 1.0:
        assert [0, 0] == pytest.approx([*found.importance.values()], abs=1e-9)
        assert [1] == pytest.approx([*found.interactions.values()])
    alone = _rows(400, lambda c: (c["x"] == values[0]) + (c["y"] == "a"), space=space)
    found = compute_importance(alone, space)
    total = sum(share.values())
    assert {n: s / total for n, s in share.items()} == pytest.approx(found.importance)
    assert all(abs(extra) < 1e-9 for extra in found.interactions.values())


def _share_of(space, values):
    """Return the probability of the first of two values, by the column's own cells."""
    column = space.columns[0]
    units = (np.arange(100_000) + 0.5) / 100_000
    if not hasattr(column, "log_span"):
        return 0.5
    # The edge of the two cells, found as sampling finds it.
    low, high = 0.0, 1.0
    assert set(column.decode_many(column.from_unit_many(units))) == set(values)
    for _ in range(60):
        middle = (low + high) / 2
        first = column.decode(column.from_unit(middle)) == values[0]
        low, high = (middle, high) if first else (low, middle)
    return low


@pytest.mark.parametrize("upper", [100, 10_000])
def test_thresholds_of_a_log_grid_lie_on_the_edges_of_its_cells(upper):
    """Wherever between two codes a tree cuts, the share below is that of the values below."""
    from bandmaster.study.importance import _cdf

    (column,) = compile_space({"x": {"_type": "int_loguniform", "_value": [1, upper]}}).columns
    units = (np.arange(200_000) + 0.5) / 200_000
    drawn = column.numbers(column.from_unit_many(units))
    for value in (1, 2, 10, upper - 1):
        between = np.linspace(column.encode(value), column.encode(value + 1), 7)[:-1]
        found = _cdf(column)(between)
        assert [np.mean(drawn <= value)] * 6 == pytest.approx(found.tolist(), abs=2e-5)
    assert [0.0, 1.0] == _cdf(column)(np.array([0.0, 1.0])).tolist()


def test_constant_trees_take_no_share():
    """Trees that saw one of the two losses only say nothing: of two parameters all adds up to 1."""
    space = compile_space({name: {"_type": "uniform", "_value": [0, 1]} for name in "xy"})
    rows = _rows(24, lambda c: 0.0, space=space)
    rows = [make_evaluation(i, float(i == 7), config=e.config) for i, e in enumerate(rows)]
    found = compute_importance(rows, space)
    assert 1.0 == pytest.approx(sum(found.importance.values()) + sum(found.interactions.values()))


def test_without_a_space_it_is_guessed():
    """Names, bounds, scales and choices are those that occur, conditional ones too."""
    found = compute_importance(_rows(300, _loss))
    assert ["size", "rate"] == list(found.importance)[:2]
    assert "seed" not in found.importance
    assert "model:forest:depth" in found.importance


def test_each_budget_has_its_own():
    """By default the largest with ten successes, since three losses say nothing."""
    rows = [
        *_rows(40, lambda c: c["batch"], budget=1),
        *_rows(30, _loss, budget=3, first=40),
        *_rows(3, _loss, budget=9, first=70),
    ]
    assert 3 == compute_importance(rows, SPACE).budget
    assert "size" == next(iter(compute_importance(rows, SPACE).importance))
    assert "batch" == next(iter(compute_importance(rows, SPACE, budget=1).importance))
    assert 1 == compute_importance([*rows[:5], *rows[70:]], SPACE).budget


def test_failures_do_not_count():
    """Nor do stopped ones."""
    rows = _rows(60, _loss)
    ill = [status for status in Status if status is not Status.OK]
    bad = [make_evaluation(99, None, config=rows[0].config, status=status) for status in ill]
    expected = compute_importance(rows, SPACE)
    assert expected == compute_importance([*bad, *rows], SPACE)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "No evaluation has finished yet"),
        ([make_evaluation(0, None)], "No loss to show: none of 1 evaluation succeeded"),
        ([make_evaluation(i, None) for i in range(5)], "none of 5 evaluations succeeded"),
        ([make_evaluation(0)], "Too few evaluations: 1 succeeded at budget 1"),
        ([make_evaluation(i, 0.5) for i in range(9)], "All 9 losses at budget 1 are equal"),
        ([make_evaluation(i, i, config={"x": 1}) for i in range(9)], "No parameter has more"),
        ([make_evaluation(i, i, config={}) for i in range(9)], "No parameter has more"),
    ],
)
def test_what_cannot_be_said_has_a_reason(rows, why):
    """No error while a search runs, and nothing made up."""
    found = compute_importance(rows)
    assert {} == found.importance == found.std == found.interactions
    assert why in found.why_empty
    assert why in repr(found)


def test_losses_that_span_decades_are_taken_as_logarithms():
    """Else one that diverged would explain everything."""
    rows = _rows(200, lambda c: 10 ** (10 * c["batch"] / 64 + (c["size"] == "m")))
    found = compute_importance(rows, SPACE)
    assert "log" == found.scale
    assert "batch" == next(iter(found.importance))
    assert found.r2 > 0.9
    assert "rank" == compute_importance(rows, SPACE, scale="rank").scale


def test_what_is_maximised_is_scaled_with_its_own_sign():
    """A throughput that spans decades is taken as a logarithm, as a loss would be."""
    rows = _rows(200, lambda c: -(10 ** (10 * c["batch"] / 64 + (c["size"] == "m"))))
    speed = Objectives([{"name": "speed", "objective": "maximize"}])
    found = Result(make_history(*rows), SPACE, objectives=speed).parameter_importance()
    assert "log" == found.scale
    turned = [make_evaluation(i, -e.loss, config=e.config) for i, e in enumerate(rows)]
    assert compute_importance(turned, SPACE) == found
    assert found == compute_importance(rows, SPACE, scale="log", objectives=speed)


def test_scales():
    """As they are, logarithms, mean ranks; huge ones stay finite."""
    losses = np.array([1.0, 100.0, 100.0, 10.0])
    assert ([0, 2, 2, 1], "log") == (scale_losses(losses, "log")[0].tolist(), "log")
    assert [1, 3.5, 3.5, 2] == scale_losses(losses, "rank")[0].tolist()
    assert (losses.tolist(), "linear") == (
        scale_losses(losses)[0].tolist(), scale_losses(losses)[1],
    )  # fmt: skip
    assert np.isfinite(np.var(scale_losses(np.array([-1e308, 1e308]))[0]))
    with pytest.raises(ConfigurationError, match="need positive ones"):
        scale_losses(np.array([0.0, 1.0]), "log")


def test_arguments_are_checked():
    """The message says what there is."""
    with pytest.raises(ConfigurationError, match="'auto', 'linear', 'log', 'rank'"):
        compute_importance([], scale="cubic")
    with pytest.raises(ConfigurationError, match="at least 1"):
        compute_importance([], n_trees=0)


def test_printed_it_is_a_table():
    """Shares with their spread, interactions, and what they are of."""
    text = repr(compute_importance(_rows(60, _loss), SPACE))
    first, *_, last = text.splitlines()
    assert first.startswith("size  ")
    assert "± " in first
    assert " × " in text
    assert "of the variance of 60 losses at budget 1; the forest's R² is 0." in last


def test_a_conditional_history_without_a_space_works():
    """Parameters that are there only sometimes are taken for inactive elsewhere."""
    found = compute_importance(make_hyperband_history(60))
    assert {"knn:k", "knn:weights", "model", "svm:C"} == set(found.importance)


@pytest.mark.parametrize("n", [1000, 10_000])
def test_it_takes_two_seconds_at_most(n):
    """For a thousand evaluations of ten parameters, and not more for ten thousand (CPU time)."""
    space = compile_space({f"x{i}": {"_type": "uniform", "_value": [0, 1]} for i in range(10)})
    rows = _rows(n, lambda c: c["x0"] * c["x1"] + c["x2"] ** 2, space=space)
    began = time.process_time()
    found = compute_importance(rows, space)
    assert time.process_time() - began < 8.0  # four times that: the machine may be busy
    assert {"x0", "x1", "x2"} == set(list(found.importance)[:3])
