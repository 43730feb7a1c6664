"""What a plot writes beside its axes is in the picture."""

from __future__ import annotations

import warnings

import pytest
from matplotlib import pyplot as plt

from bandmaster import HyperBandIterGenerator, plotting
from bandmaster.facade import Study
from bandmaster.plotting.room import make_room
from bandmaster.study.result import Result

PLOTS = sorted(n for n in plotting.__all__ if n.startswith("plot_") and n != "plot_hdl")


def evaluate(config, budget):
    return {"error": (config["x"] - 2) ** 2 + 1 / budget, "seconds": config.get("y", 0.0)}


@pytest.fixture(scope="module")
def result() -> Result:
    """Return one with several budgets, a condition and a second metric."""
    space = {
        "x": {"_type": "uniform", "_value": [-5, 5]},
        "kind(choice)": {"a": {"y": {"_type": "loguniform", "_value": [1e-4, 1]}}, "b": {}},
    }
    generator = HyperBandIterGenerator(min_budget=1, max_budget=9, eta=3)
    study = Study(space, optimizer="ETPE", generator=generator, metrics=["error", "seconds"])
    return study.optimize(evaluate, n_iterations=9)


def cut(figure):
    """Return what sticks out of a figure, in inches, at each side where it is something."""
    figure.canvas.draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    sides = {"left": -box.x0, "bottom": -box.y0, "right": box.x1 - width, "top": box.y1 - height}
    return {side: inches for side, inches in sides.items() if inches > 0.02}


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("make", [plt.subplots, plt.figure, lambda: None])
def test_nothing_is_cut(result, plot, make):
    """In a user's axes, in a figure that is empty, and in one that is made for it."""
    plt.close("all")
    made = make()
    options = {"ax": made[1]} if isinstance(made, tuple) else {}
    assert {} == cut(getattr(plotting, plot)(result, **options).figure)


def test_axes_of_others_stay_where_they_are(result):
    """Who puts several plots into a figure lays them out."""
    figure, (left, right) = plt.subplots(1, 2)
    before = [ax.get_position().bounds for ax in (left, right)]
    result.plot_parameter_importance(ax=left)
    assert before == [ax.get_position().bounds for ax in (left, right)]
    alone = plt.figure().add_axes((0.1, 0.1, 0.3, 0.3))
    bounds = alone.get_position().bounds
    assert bounds == make_room(alone).get_position().bounds
    assert figure.get_layout_engine() is None


def test_a_layout_of_the_users_own_counts(result):
    """The engine of his figure sees to it; afterwards his own calls do what they did."""
    figure, ax = plt.subplots(layout="tight")
    engine = figure.get_layout_engine()
    result.plot_parameter_importance(ax=ax)
    assert engine is figure.get_layout_engine()
    figure, ax = plt.subplots()
    result.plot_contour(ax=ax)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.tight_layout()
        figure.subplots_adjust(bottom=0.3)


def test_where_there_is_no_room_at_all_nothing_moves(result):
    """Axes that nobody sees would be worse."""
    _, ax = plt.subplots(figsize=(0.8, 0.5))
    before = ax.get_position().bounds
    result.plot_parameter_importance(ax=ax)
    assert before == ax.get_position().bounds
