"""Rules that hold for every plot of a result."""

from __future__ import annotations

import math
import time

import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from bandmaster import plotting
from bandmaster.core.outcome import Status
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history

PLOTS = sorted(name for name in plotting.__all__ if name != "plot_hdl")
DEAD = make_evaluation(0, None, status=Status.CRASHED, error="gone", started=0.0, finished=0.0)
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
    "many budgets": make_history(
        *(make_evaluation(i, i + 1, trial=i // 12, budget=1 + i % 12) for i in range(60))
    ),
    "usual": make_hyperband_history(p_failure=0.1),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("plot", PLOTS)
def test_every_history_is_drawn_or_explained(plot, case):
    """No warning, no error; the axes hold data or a sentence, and have a title."""
    figure, ax = plt.subplots(layout="constrained")
    assert ax is getattr(Result(CASES[case]), plot)(ax=ax)
    figure.canvas.draw()
    assert ax.get_title()
    words = " ".join(text.get_text() for text in ax.texts)
    assert ax.lines or ax.images or "o" in words
    assert all(math.isfinite(limit) for limit in (*ax.get_xlim(), *ax.get_ylim()))


@pytest.mark.parametrize("plot", PLOTS)
def test_no_evaluation_is_said_in_the_axes(plot):
    """An empty result says what is missing."""
    ax = getattr(Result(CASES["empty"]), plot)()
    assert "No evaluation has finished yet" == ax.texts[0].get_text()


@pytest.mark.parametrize("plot", ["plot_convergence_over_time", "plot_convergence_over_iter"])
def test_no_success_is_said_in_the_axes(plot):
    """An all-failed result says how many failed."""
    ax = getattr(Result(CASES["all failed"]), plot)()
    assert "No loss to show: none of 5 evaluations succeeded" == ax.texts[0].get_text()


@pytest.mark.parametrize("plot", PLOTS)
def test_the_current_axes_are_the_default(plot):
    """As in the seed: `plt.subplot(2, 2, 3)`, then the plot; and the Axes come back."""
    plt.figure()
    ax = plt.subplot(2, 2, 3)
    drawn = getattr(Result(CASES["usual"]), plot)()
    assert ax is drawn
    assert isinstance(drawn, Axes)
    assert 1 == len(drawn.figure.axes)


@pytest.mark.parametrize("plot", PLOTS)
def test_given_axes_leave_the_current_ones_alone(plot):
    """`ax=` draws there and nowhere else."""
    _, (left, right) = plt.subplots(1, 2)
    plt.sca(right)
    getattr(Result(CASES["usual"]), plot)(ax=left)
    assert right is plt.gca()
    assert not right.has_data()


@pytest.mark.parametrize("plot", PLOTS)
def test_ten_thousand_evaluations_are_drawn_in_a_second(plot):
    """The limit is twice that, since the machine may be busy."""
    result = Result(make_hyperband_history(2310, n_workers=20))
    assert 10_000 <= len(result.history)
    getattr(Result(CASES["usual"]), plot)().figure.canvas.draw()  # imports and fonts
    plt.close("all")
    began = time.process_time()
    getattr(result, plot)().figure.canvas.draw()
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("plot", PLOTS)
def test_axes_that_hold_another_plot_can_be_drawn_on(plot):
    """A logarithmic axis left there raises no warning."""
    _, ax = plt.subplots()
    Result(CASES["huge"]).plot_convergence_over_time(ax=ax)
    assert ax is getattr(Result(CASES["usual"]), plot)(ax=ax)


def test_unknown_names_are_refused():
    """The lazy package has no other attributes."""
    with pytest.raises(AttributeError, match="plot_nothing"):
        plotting.plot_nothing  # noqa: B018 - looking it up is the test


def test_the_package_lists_its_plots():
    """`dir` shows lazy names too."""
    assert set(plotting.__all__) <= set(dir(plotting))
