"""Plots of parameters show the history's values, on the space's scales, and look as they should."""

from __future__ import annotations

import images
import numpy as np
import pytest
from matplotlib import pyplot as plt

from bandmaster import plotting
from bandmaster.core.objectives import Objectives
from bandmaster.errors import ConfigurationError
from bandmaster.plotting.parameter_axis import ParameterAxis, short_names, shorten
from bandmaster.plotting.surrogate import Landscape, Surrogate
from bandmaster.space import compile_space
from bandmaster.study.parameter_table import ParameterTable
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history

SPACE = compile_space(
    {
        "rate": {"_type": "loguniform", "_value": [1e-5, 1.0]},
        "batch": {"_type": "int_quniform", "_value": [16, 256, 16]},
        "size": {"_type": "ordinal", "_value": ["s", "m", "l"]},
        "model(choice)": {
            "linear": {"penalty": {"_type": "choice", "_value": ["l1", "l2"]}},
            "forest": {"depth": {"_type": "int_uniform", "_value": [1, 20]}},
        },
    }
)
DEPTH, MODEL, PENALTY = "model:forest:depth", "model:__choice__", "model:linear:penalty"


def _loss(config, rng):
    valley = 0.05 + 0.05 * (np.log10(config["rate"]) + 2.5) ** 2 + 0.1 * (config["size"] == "s")
    valley += 0.02 * abs(config[DEPTH] - 9) if DEPTH in config else 0.12
    return float(valley * np.exp(0.1 * rng.standard_normal()))


def _make(n, *, p_failure=0.0, objectives=None, budget=9.0, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for i, config in enumerate(SPACE.sample_configs(n, rng)):
        loss = _loss(config, rng)
        failed = rng.random() < p_failure
        metrics = {"loss": loss, "seconds": float(rng.gamma(3) / loss), "accuracy": 1 - loss}
        rows.append(
            make_evaluation(
                i, None if failed else loss, config=config, budget=budget, metrics=metrics
            )
        )
    return Result(make_history(*rows), SPACE, objectives=objectives)


@pytest.fixture(scope="module")
def result():
    """Return 120 evaluations of a conditional space, some of which failed."""
    return _make(120, p_failure=0.1)


TWO = Objectives(["loss", "seconds"])
MIXED = Objectives(
    [
        {"name": "accuracy", "objective": "maximize"}, "seconds",
        {"name": "loss", "strategy": "constraint", "threshold": 0.4},
    ]
)  # fmt: skip


def _best(result):
    return min((e for e in result.history if e.ok), key=lambda e: e.loss)


# ---- importance


def test_bars_are_the_importance(result):
    """Each bar has the length of its number, each whisker that of its deviation."""
    found = result.parameter_importance()
    ax = result.plot_parameter_importance(n_bars=5)
    names = short_names(list(found.importance))
    shares = {names[n]: s for n, s in found.importance.items()}
    shares |= {f"{names[a]} × {names[b]}": s for (a, b), s in found.interactions.items()}
    words = [label.get_text() for label in ax.get_yticklabels()]
    drawn = {words[round(b.get_y() + b.get_height() / 2)]: b.get_width() for b in ax.patches}
    expected = dict(sorted(shares.items(), key=lambda item: -item[1])[:5])
    assert expected == pytest.approx(drawn)
    assert list(expected) == words
    assert f"n = {found.n_evaluations}, forest's R² = {found.r2:.2f}" in ax.get_xlabel()


def test_a_poor_forest_is_said_to_be_poor():
    """Losses that nothing explains have importances that mean nothing."""
    rng = np.random.default_rng(0)
    rows = [make_evaluation(i, float(rng.random())) for i in range(40)]
    assert "predicts poorly" in Result(make_history(*rows)).plot_parameter_importance().get_xlabel()


def test_at_least_one_bar(result):
    """Fewer make no picture."""
    with pytest.raises(ConfigurationError, match="n_bars must be at least 1, got 0"):
        result.plot_parameter_importance(n_bars=0)


# ---- slices


def test_a_slice_has_each_evaluation_at_its_value(result):
    """A point for each success where the parameter is active; ticks for failures; a star."""
    ax = result.plot_slices(DEPTH)
    lines = {line.get_label(): line for line in ax.lines}
    good = [e for e in result.history if e.ok and DEPTH in e.config]
    bad = [e for e in result.history if not e.ok and DEPTH in e.config]
    points = np.column_stack(lines["evaluation"].get_data())
    assert sorted((e.config[DEPTH], e.loss) for e in good) == sorted(map(tuple, points.tolist()))
    assert sorted(e.config[DEPTH] for e in bad) == sorted(lines["failed"].get_xdata())
    best = _best(result)
    assert (best.config[DEPTH], best.loss) == tuple(v[0] for v in lines["best"].get_data())
    assert "depth" == ax.get_xlabel()
    assert "loss" == ax.get_ylabel()


def test_the_curve_of_a_slice_finds_the_valley(result):
    """The forest's mean is lowest where the loss is, near 10 to the -2.5, on a log axis."""
    ax = result.plot_slices("rate")
    assert "log" == ax.get_xscale()
    x, y = next(line for line in ax.lines if line.get_label() == "forest's mean").get_data()
    assert -3.5 < np.log10(x[np.argmin(y)]) < -1.5
    assert (1e-5, 1.0) == (pytest.approx(x.min()), pytest.approx(x.max()))


def test_several_slices_share_their_scale(result):
    """Each has axes of its own within those given, with one range of losses."""
    ax = result.plot_slices([MODEL, "rate", "size", "batch"])
    assert ["model", "rate", "size", "batch"] == [a.get_xlabel() for a in ax.child_axes]
    assert 1 == len({a.get_ylim() for a in ax.child_axes})
    assert ["s", "m", "l"] == [t.get_text() for t in ax.child_axes[2].get_xticklabels()]
    assert 6 == len(result.plot_slices(ax=plt.figure().add_subplot()).child_axes)


def test_parameters_are_checked(result):
    """A name that is not there is an error that says what is."""
    with pytest.raises(ConfigurationError, match="did you mean 'rate'"):
        result.plot_slices("rat")
    with pytest.raises(ConfigurationError, match="is empty"):
        result.plot_slices([])
    with pytest.raises(ConfigurationError, match="no parameter 'x'"):
        result.plot_contour("x", "rate")
    with pytest.raises(ConfigurationError, match="both 'rate'"):
        result.plot_contour("rate", "rate")
    with pytest.raises(ConfigurationError, match="no parameter 'x'"):
        result.plot_parallel_coordinates(["x"])


# ---- contour


def test_a_map_shows_the_evaluations_where_both_are_active(result):
    """In their own units; the best is the star."""
    ax = result.plot_contour("rate", DEPTH)
    lines = {line.get_label(): line for line in ax.lines}
    good = [e for e in result.history if e.ok and DEPTH in e.config]
    points = np.column_stack(lines["evaluation"].get_data())
    np.testing.assert_allclose([(e.config["rate"], e.config[DEPTH]) for e in good], points)
    assert ("log", "linear") == (ax.get_xscale(), ax.get_yscale())
    assert [_best(result).config["rate"]] == pytest.approx(list(lines["best"].get_xdata()))


def test_the_map_is_the_forests_mean_over_other_parameters(result):
    """The cells of two choices are the curve at their crossings; one that never occurs is empty."""
    ax = result.plot_contour("size", PENALTY)
    surrogate = Surrogate(Landscape.of(result, None))
    codes = np.stack(np.meshgrid(range(3), range(2)), axis=-1).reshape(-1, 2).astype(float)
    middle, low, high = surrogate.curve(("size", PENALTY), codes, n_rows=40)
    assert middle.tolist() == pytest.approx(ax.collections[0].get_array().ravel().tolist())
    assert (low <= middle).all()
    assert (middle <= high).all()
    cells = result.plot_contour(MODEL, DEPTH, ax=plt.figure().add_subplot()).collections[0]
    assert cells.get_array().mask[:, 0].all()  # no depth where the model is linear
    assert not cells.get_array().mask[:, 1].any()


def test_a_constant_has_points_and_no_map():
    """A forest does not know it; no more than one loss, or equal ones, make a map."""
    rows = [make_evaluation(i, i + 1.0, config={"x": i / 9, "c": "fixed"}) for i in range(9)]
    result = Result(make_history(*rows))
    for names in (("c", "x"), ("x", "c")):
        ax = result.plot_contour(*names, ax=plt.figure().add_subplot())
        assert "no map: c has one value only" == ax.texts[0].get_text()
        assert 9 == len(ax.lines[0].get_xdata())
    ax = result.plot_slices("c", ax=plt.figure().add_subplot())
    assert {"evaluation", "best"} == {line.get_label() for line in ax.lines}
    assert 2 == len(result.plot_slices(["x", "c"], ax=plt.figure().add_subplot()).child_axes)


@pytest.mark.parametrize(
    ("losses", "why"),
    [([0.5], "1 loss"), ([0.5, 0.7], "2 losses"), ([0.5] * 8, "8 equal losses")],
)
def test_without_a_map_it_says_why(losses, why):
    """The points are there nevertheless."""
    configs = SPACE.sample_configs(8, np.random.default_rng(0))
    rows = [make_evaluation(i, x, config=configs[i]) for i, x in enumerate(losses)]
    ax = Result(make_history(*rows), SPACE).plot_contour("rate", "size")
    assert f"no map: {why}" == ax.texts[0].get_text()


SQUARE = {"x": {"_type": "uniform", "_value": [0, 1]}, "y": {"_type": "uniform", "_value": [0, 1]}}
LINE = {"x": {"_type": "uniform", "_value": [0, 1]}, "c": "fixed"}


@pytest.mark.parametrize(
    ("space", "configs", "why"),
    [
        (SQUARE, [{"x": 0.5, "y": 0.5}], " that vary; in 1 evaluation none does"),
        (SQUARE, [{"x": 0.5, "y": 0.5}] * 3, " that vary; in 3 evaluations none does"),
        (
            SQUARE,
            [{"x": 0.5, "y": 0.5}, {"x": 0.75, "y": 0.5}],
            " that vary; in 2 evaluations none varies with x",
        ),
        (LINE, [{"x": 0.5, "c": "fixed"}], "; this search has 1 (x)"),
        (LINE, [{"x": x, "c": "fixed"} for x in (0.25, 0.5)], "; this search has 1 (x)"),
    ],
)
def test_a_search_of_few_parameters_is_told_from_few_evaluations(space, configs, why):
    """Of the one there will be a map when more has been evaluated."""
    rows = [make_evaluation(i, i + 1.0, config=config) for i, config in enumerate(configs)]
    ax = Result(make_history(*rows), compile_space(space)).plot_contour()
    assert f"A map needs two parameters{why}" == ax.texts[0].get_text()


def test_two_that_are_never_active_together_have_no_map(result):
    """And by default none are chosen that are."""
    ax = result.plot_contour(PENALTY, DEPTH)
    assert "penalty and depth are never active together" == ax.texts[0].get_text()
    chosen = result.plot_contour(ax=plt.figure().add_subplot())
    assert {"rate", "size"} >= {chosen.get_xlabel()}
    only_y = result.plot_contour(y="rate", ax=plt.figure().add_subplot())
    assert "rate" == only_y.get_ylabel()


# ---- parallel coordinates


def test_lines_cross_axes_at_their_values(result):
    """Numbers on their scale, choices in their part of the axis, the inactive below all."""
    names = ["rate", MODEL, DEPTH]
    ax = result.plot_parallel_coordinates(names)
    good = sorted((e for e in result.history if e.ok), key=lambda e: -e.loss)
    lines = [path[:, 1] for path in ax.collections[0].get_segments()]
    assert len(good) == len(lines)
    for e, line in zip(good, lines, strict=True):
        assert (np.log10(e.config["rate"]) + 5) / 5 == pytest.approx(line[0])
        assert {"linear": 0, "forest": 1}[e.config[MODEL]] == int(line[1] * 2)
        if DEPTH in e.config:
            assert (e.config[DEPTH] - 1) / 19 == pytest.approx(line[2])
        else:
            assert -0.25 < line[2] < -0.05
    assert sorted((line[3] for line in lines), reverse=True) == [line[3] for line in lines]
    assert ["rate", "model", "depth", "loss"] == [t.get_text() for t in ax.get_xticklabels()]
    assert ["inactive"] == [t.get_text() for t in ax.get_yticklabels()]


def test_what_is_maximised_is_better_above():
    """The last line drawn is the best one, at the top of the metric's axis."""
    result = _make(60, objectives=Objectives([{"name": "accuracy", "objective": "maximize"}]))
    rows = [make_evaluation(i, -e.metrics["accuracy"], config=e.config, metrics=e.metrics)
            for i, e in enumerate(result.history)]  # fmt: skip
    ax = Result(
        make_history(*rows), SPACE, objectives=result.objectives
    ).plot_parallel_coordinates()
    last = [path[-1, 1] for path in ax.collections[0].get_segments()]
    assert sorted(last) == last
    assert 1.0 == pytest.approx(last[-1])
    assert any("(best)" in text.get_text() for text in ax.texts)


def test_of_very_many_lines_the_best_are_drawn():
    """And a part of the others; below the axes stands how many."""
    result = _make(2600)
    ax = result.plot_parallel_coordinates(["rate", "batch"])
    assert 2000 == len(ax.collections[0].get_segments())
    assert "Drawn are the 500 best lines and 1,500 of the 2,100 others" == ax.get_xlabel()


def test_of_very_many_parameters_those_that_matter_are_drawn():
    """The title says that there are more."""
    rng = np.random.default_rng(0)
    configs = [{f"x{k}": float(rng.random()) for k in range(25)} for _ in range(40)]
    rows = [make_evaluation(i, c["x7"] + c["x20"], config=c) for i, c in enumerate(configs)]
    ax = Result(make_history(*rows)).plot_parallel_coordinates()
    names = [t.get_text() for t in ax.get_xticklabels()]
    assert 16 == len(names)
    assert {"x7", "x20"} <= set(names)
    assert "(15 of 25 parameters)" in ax.get_title()


# ---- Pareto


def test_the_front_drawn_is_the_results():
    """Front and dominated points are all evaluations that have both metrics."""
    result = _make(80, p_failure=0.1, objectives=TWO)
    ax = result.plot_pareto_front()
    lines = {line.get_label(): np.column_stack(line.get_data()) for line in ax.lines}
    front = [(e.metrics["loss"], e.metrics["seconds"]) for e in result.pareto_front()]
    (label,) = (label for label in lines if label.startswith("front"))
    assert f"front ({len(front)})" == label
    assert sorted(front) == sorted(map(tuple, lines[label].tolist()))
    assert sum(e.ok for e in result.history) == len(front) + len(lines["dominated"])


def test_the_front_of_what_is_maximised_leans_the_other_way():
    """Nothing drawn lies beyond the boundary; those that break a constraint are crosses."""
    result = _make(80, objectives=MIXED)
    ax = result.plot_pareto_front()
    lines = {line.get_label(): np.column_stack(line.get_data()) for line in ax.lines}
    (front,) = (points for label, points in lines.items() if label.startswith("front"))
    for x, y in lines["dominated"]:
        assert ((front[:, 0] >= x) & (front[:, 1] <= y)).any()
    broken = sum(e.metrics["loss"] > 0.4 for e in result.history)
    assert broken == len(lines["breaks a constraint"])
    assert "accuracy (higher is better)" == ax.get_xlabel()


def test_a_front_needs_two_metrics(result):
    """One is explained in the axes; names that are wrong, and three, are errors."""
    ax = result.plot_pareto_front()
    assert "it needs two metrics, this study optimises loss only" in ax.texts[0].get_text()
    two = _make(9, objectives=TWO)
    for names in (["loss"], "loss", ["loss", "loss"], ["loss", "seconds", "x"]):
        with pytest.raises(ConfigurationError, match="two different names"):
            two.plot_pareto_front(names)
    with pytest.raises(ConfigurationError, match="nothing"):
        two.plot_pareto_front(["loss", "nothing"])
    three = _make(9, objectives=Objectives(["loss", "seconds", "accuracy"]))
    with pytest.raises(ConfigurationError, match="name two of loss, seconds, accuracy"):
        three.plot_pareto_front()
    assert three.plot_pareto_front(["loss", "accuracy"]).lines


# ---- axes


def test_short_names_are_the_shortest_ends_that_differ():
    """Whole parts; the choice itself has the name of what is chosen."""
    names = ["m:__choice__", "m:a:C", "m:a:n", "m:b:n", "rate"]
    expected = ["m", "C", "a:n", "b:n", "rate"]
    assert dict(zip(names, expected, strict=True)) == short_names(names)
    assert 28 >= len(shorten("a" * 50 + "b" * 50))
    assert shorten("a" * 50 + "b" * 50).startswith("aaa")
    double = ["x" * 20 + str(i) + "y" * 20 for i in range(3)]
    assert set(double) == set(short_names(double))


@pytest.mark.parametrize("name", SPACE.names)
def test_ticks_lie_between_the_bounds(name):
    """Both bounds are among those of numbers, and none is too close to another."""
    table = ParameterTable.of([], SPACE)
    axis = ParameterAxis.of(table, name)
    places = axis.unit([value for value, _ in axis.ticks()])
    assert (np.diff(places) > 0.05).all()
    if not axis.choices:
        assert [0.0, 1.0] == pytest.approx(places[[0, -1]].tolist())
    codes, values = axis.points(30)
    assert len(codes) == len(values) <= 40


# ---- pictures


def _picture(name, draw, tmp_path):
    # Axes within axes are placed a part of a pixel elsewhere by other versions of matplotlib.
    images.assert_looks_like(name, draw, tmp_path, tolerance=2.5)


def test_picture_of_importance(result, tmp_path):
    """Bars with whiskers, two colours."""
    _picture("importance", lambda ax: plotting.plot_parameter_importance(result, ax=ax), tmp_path)


def test_picture_of_slices(result, tmp_path):
    """Six panels, one legend."""
    _picture("slices", lambda ax: plotting.plot_slices(result, ax=ax), tmp_path)


def test_picture_of_one_slice(result, tmp_path):
    """Points, a curve with its band, failures."""
    _picture("slice", lambda ax: plotting.plot_slices(result, "rate", ax=ax), tmp_path)


def test_picture_of_a_map(result, tmp_path):
    """Areas, points, a star, and the bar beside it."""
    _picture("contour", lambda ax: plotting.plot_contour(result, "rate", DEPTH, ax=ax), tmp_path)


def test_picture_of_parallel_coordinates(tmp_path):
    """Lines dark on light, the band of the inactive, the best one."""
    few, names = _make(12), ["rate", "size", MODEL, DEPTH]
    _picture("parallel", lambda ax: plotting.plot_parallel_coordinates(few, names, ax=ax), tmp_path)


def test_picture_of_a_pareto_front(tmp_path):
    """A staircase, and what lies behind it."""
    result = _make(80, objectives=MIXED)
    _picture("pareto_front", lambda ax: plotting.plot_pareto_front(result, ax=ax), tmp_path)
