"""Rules that hold for every plot of a result: what `plotting.__all__` names is found by itself."""

from __future__ import annotations

import inspect
import math
import time

import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bandmaster import plotting
from bandmaster.core.objectives import Objectives
from bandmaster.core.outcome import Status
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history

PLOTS = sorted(n for n in plotting.__all__ if n.startswith("plot_") and n != "plot_hdl")
DEAD = make_evaluation(0, None, status=Status.CRASHED, error="gone", started=0.0, finished=0.0)
NUMBERS = [0.5, math.nan, math.inf, 1e300, -math.inf, 0.3]
CASES = {
    "empty": make_history(),
    "all failed": make_history(*(make_evaluation(i, None) for i in range(5))),
    "one": make_history(make_evaluation(0, 0.5)),
    "one failed": make_history(make_evaluation(0, None)),
    "dead worker only": make_history(DEAD),
    "one budget": make_history(*(make_evaluation(i, 1 / (i + 1)) for i in range(9))),
    "equal losses": make_history(
        *(make_evaluation(i, 0.5, trial=i // 2, budget=1 + i % 2) for i in range(8))
    ),
    "negative losses": make_history(*(make_evaluation(i, -(10.0**i)) for i in range(5))),
    "zero loss": make_history(*(make_evaluation(i, 100.0 - i * 50) for i in range(3))),
    "instant": make_history(
        *(make_evaluation(i, 0.5, started=3.0, finished=3.0) for i in range(3))
    ),
    "huge": make_history(*(make_evaluation(i, 10.0 ** (100 - i * 20)) for i in range(10))),
    "no numbers": make_history(
        *(make_evaluation(i, NUMBERS[i % 6], budget=1 + i // 6) for i in range(12))
    ),
    "many budgets": make_history(
        *(make_evaluation(i, i + 1, trial=i // 12, budget=1 + i % 12) for i in range(60))
    ),
    "long names": make_history(
        *(
            make_evaluation(
                i, 1.0 + i, config={"a" * 70 + str(i % 2): "choice " * 9, "b": i},
                worker=f"bandmaster.run.worker.{'node' * 9}.{i}",
            )
            for i in range(30)
        )
    ),
    "usual": make_hyperband_history(p_failure=0.1),
    "no times": make_history(
        *(make_evaluation(i, 1 / (i + 1), trial=i // 2, budget=1 + i % 2) for i in range(8)),
        make_evaluation(8, 0.1, started=math.nan, finished=math.nan),
        make_evaluation(9, 0.1, started=50.0, finished=math.inf),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def ten_thousand() -> Result:
    """Return a result of 10,000 evaluations."""
    result = Result(make_hyperband_history(2310, n_workers=20))
    assert 10_000 <= len(result.history)
    return result


@pytest.mark.parametrize("plot", PLOTS)
def test_every_history_is_drawn_or_explained(plot):
    """No warning, no error; the axes hold data or a sentence, and have a title."""
    figure, axes = plt.subplots(4, 4)
    for case, ax in zip(CASES, axes.flat, strict=True):
        assert ax is getattr(plotting, plot)(Result(CASES[case]), ax=ax)
        assert ax.get_title(), case
        words = " ".join(text.get_text() for text in ax.texts)
        assert ax.has_data() or ax.child_axes or "o" in words, case
        assert all(math.isfinite(limit) for limit in (*ax.get_xlim(), *ax.get_ylim())), case
    figure.draw_without_rendering()


@pytest.mark.parametrize("plot", PLOTS)
def test_no_evaluation_is_said_in_the_axes(plot):
    """An empty result says what is missing, the same words in every plot."""
    ax = getattr(plotting, plot)(Result(CASES["empty"]))
    assert "No evaluation has finished yet" == ax.texts[0].get_text()


@pytest.mark.parametrize(
    "plot",
    [
        "plot_convergence", "plot_convergence_over_iter", "plot_convergence_over_time",
        "plot_learning_curves", "plot_losses_over_time", "plot_model_vs_random",
    ],
)  # fmt: skip
def test_no_success_is_said_in_the_axes(plot):
    """An all-failed result says how many failed."""
    ax = getattr(plotting, plot)(Result(CASES["all failed"]))
    assert "No loss to show: none of 5 evaluations succeeded" == ax.texts[0].get_text()


@pytest.mark.parametrize("plot", PLOTS)
def test_the_current_axes_are_the_default_of_functions_and_methods(plot):
    """As in the seed: `plt.subplot(2, 2, 3)`, then the plot; and the Axes come back."""
    plt.figure()
    ax = plt.subplot(2, 2, 3)
    drawn = getattr(Result(CASES["usual"]), plot)()
    assert ax is drawn
    assert isinstance(drawn, Axes)
    assert 1 == len(drawn.figure.axes)


@pytest.mark.parametrize("plot", PLOTS)
def test_given_axes_leave_the_current_ones_alone(plot):
    """`ax=` draws there and nowhere else; a logarithmic axis left there raises no warning."""
    _, (left, right) = plt.subplots(1, 2)
    Result(CASES["huge"]).plot_convergence_over_time(ax=left)
    plt.sca(right)
    assert left is getattr(plotting, plot)(Result(CASES["usual"]), ax=left)
    assert right is plt.gca()
    assert not right.has_data()


@pytest.mark.parametrize("plot", [*PLOTS, "make_animation"])
def test_a_method_has_the_options_of_its_plot(plot):
    """`Result.plot_x` and `plotting.plot_x` differ in their first argument only."""
    method = inspect.signature(getattr(Result, plot)).parameters
    function = inspect.signature(getattr(plotting, plot)).parameters
    options = [(p.name, p.kind, p.default) for p in list(function.values())[1:]]
    if plot == "plot_convergence":  # the method draws one result, the function compares several
        options = [o for o in options if o[0] not in ("labels", "band")]
    assert options == [(p.name, p.kind, p.default) for p in list(method.values())[1:]]


@pytest.mark.parametrize("plot", PLOTS)
def test_ten_thousand_evaluations_are_drawn_in_a_second(plot, ten_thousand):
    """The limit is four times that, since the machine may be busy."""
    getattr(plotting, plot)(Result(CASES["usual"]))  # imports
    plt.close("all")
    began = time.process_time()
    getattr(plotting, plot)(ten_thousand).figure.canvas.draw()
    assert time.process_time() - began < 4.0


@pytest.mark.parametrize(
    "plot", ["plot_losses_over_time", "plot_learning_curves", "plot_model_vs_random"]
)
def test_a_metric_keeps_its_capital_letters(plot):
    """Only the first letter is made one."""
    auc = Objectives([{"name": "valAUC", "objective": "maximize"}])
    ax = getattr(Result(make_hyperband_history(), objectives=auc), plot)()
    assert "ValAUC" == ax.get_ylabel()


def test_unknown_names_are_refused():
    """The lazy package has no other attributes."""
    with pytest.raises(AttributeError, match="plot_nothing"):
        plotting.plot_nothing  # noqa: B018 - looking it up is the test


def test_the_package_lists_its_plots():
    """`dir` shows lazy names too."""
    assert set(plotting.__all__) <= set(dir(plotting))
