"""What is drawn can be seen: points inside the axes, earlier curves intact."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt

from bandmaster import Metric, Study
from bandmaster.plotting import plot_hdl
from bandmaster.study.result import FMinResult, Result
from bandmaster.testing.histories import make_evaluation, make_history


def test_the_whole_front_is_inside_the_axes():
    """Also where nothing is dominated."""
    study = Study({"x": {"_type": "uniform", "_value": [0, 1]}}, metrics=["a", "b"])
    for a in range(1, 6):
        study.tell(study.ask(), {"a": float(a), "b": 6.0 - a})
    ax = study.result.plot_pareto_front()
    (low_x, high_x), (low_y, high_y) = ax.get_xlim(), ax.get_ylim()
    assert max(low_x, low_y) < 1.0
    assert min(high_x, high_y) > 5.0


def test_slices_without_data_do_not_stretch_the_others():
    """An option that was never taken has a panel, and no say."""
    float_ = {"_type": "uniform", "_value": [0, 1]}
    space = {"x": float_, "m(choice)": {"a": {"p": float_}, "b": {"q": float_}}}
    study = Study(space, optimizer="Random")
    for i in range(20):
        study.enqueue({"x": i / 20, "m:__choice__": "a", "m:a:p": (i * 7 % 20) / 20})
    study.optimize(lambda config: 1000 + 10 * config["x"], n_trials=20)
    limits = {panel.get_ylim() for panel in study.result.plot_slices().child_axes}
    assert 1 == len(limits)
    [(low, high)] = limits
    assert 990 < low < 1000
    assert 1009.5 < high < 1020


def test_one_evaluation_is_a_dot():
    """A line of one point cannot be seen."""
    result = Result(make_history(make_evaluation(0, 1.5)))
    for x in ("evaluations", "budget", "time"):
        assert "o" == result.plot_convergence(x=x).lines[-1].get_marker()


def test_curves_are_added_to_whatever_is_there():
    """After another plot; a budget without a success is in the legend, and harms nothing."""
    result = Result(make_history(*(make_evaluation(i, 1.0 - i / 10) for i in range(5))))
    ax = result.plot_losses_over_time()
    assert ax is result.plot_convergence_over_iter()
    drawn = [np.asarray(line.get_ydata()).tolist() for line in ax.lines]
    ticks = ax.get_xticks().tolist()
    result.plot_convergence_over_iter(budget=77, ax=ax)
    assert drawn == [np.asarray(line.get_ydata()).tolist() for line in ax.lines[:-1]]
    assert ticks == ax.get_xticks().tolist()
    assert not ax.texts
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "budget 77: there are no evaluations" in said


def test_the_result_of_an_optimizer_knows_the_metrics():
    """A maximised one has its own sign, and what breaks a constraint is not the best."""
    metrics = [
        Metric("accuracy", objective="maximize"),
        Metric("size", strategy="constraint", threshold=300),
    ]
    study = Study({"x": {"_type": "uniform", "_value": [0, 1]}}, metrics=metrics)
    for accuracy, size in ((0.9, 200.0), (0.99, 500.0), (0.5, 100.0)):
        study.tell(study.ask(), {"accuracy": accuracy, "size": size})
    assert 0.9 == study.result.best_value == FMinResult(study.optimizer).best_value


def test_dollars_are_text(tmp_path):
    """Not the beginning and the end of a formula, in names nor in values."""
    space = {
        r"a$\b$": {"_type": "choice", "_value": [r"\w+", r"^\d+$|^\w+$", "$HOME/$USER"]},
        "x": {"_type": "uniform", "_value": [0, 1]},
    }
    study = Study(space, optimizer="Random", metrics=["$loss$"])
    study.optimize(lambda config: {"$loss$": config["x"]}, n_trials=12)
    result = study.result
    for plot in (
        result.plot_parallel_coordinates, result.plot_slices, result.plot_losses_over_time,
        result.plot_parameter_importance, result.plot_convergence, result.plot_model_vs_random,
    ):  # fmt: skip
        plt.close("all")
        plot().figure.savefig(tmp_path / "a.png")
    plt.close("all")
    plot_hdl(space).figure.savefig(tmp_path / "a.png")
