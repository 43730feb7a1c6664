"""The plots of trainings show who went where, by which step, and from whom."""

from __future__ import annotations

import time

import images
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from PIL import Image

from bandmaster import Study, plotting
from bandmaster.errors import ConfigurationError
from bandmaster.testing.populations import make_population

PLOTS = ["plot_Q_history", "plot_exploits", "plot_parameter_history", "plot_schedules"]
SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


def q(theta):
    """The function that is to grow."""
    return 1.2 - (0.75 * theta[0] ** 2 + theta[1] ** 2)


@pytest.fixture(scope="module")
def two():
    """Return the result of two members."""
    return make_population(2, seed=3)


@pytest.fixture(scope="module")
def many():
    """Return the result of twenty members with 500 steps each."""
    result = make_population(20, 500, seed=1)
    assert 10_000 == len(result.reported.all_steps())
    return result


def _ax():
    return Figure().add_subplot()


def _words(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


PICTURES = {
    "parameter_history": lambda ax: plotting.plot_parameter_history(
        make_population(2, 40, seed=3), perturbation_interval=4, ax=ax, function=q
    ),
    "Q_history": lambda ax: plotting.plot_Q_history(make_population(4, 40, seed=3), ax=ax),
    "schedules": lambda ax: plotting.plot_schedules(make_population(2, 40, seed=3), ax=ax),
    "exploits": lambda ax: plotting.plot_exploits(make_population(5, 40, seed=3), ax=ax),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_the_stored_one(name, tmp_path):
    """As it was looked at."""
    images.assert_looks_like(name, PICTURES[name], tmp_path)


def test_the_path_shrinks_with_the_step(two):
    """One marker a step, each smaller than the one before."""
    ax = plotting.plot_parameter_history(two, ax=_ax())
    for trial, dots in enumerate(ax.collections):
        frame = two.history(trial)
        np.testing.assert_array_equal(
            frame[["metric.theta0", "metric.theta1"]].to_numpy(), dots.get_offsets()
        )
        assert 100 == len(frame)
        assert (np.diff(dots.get_sizes()) < 0).all()


def test_steps_are_written_at_each_interval_and_overlap_nothing(two):
    """Multiples of the interval, the early ones for certain; no two boxes overlap."""
    figure = plt.figure(figsize=(9, 6))
    ax = plotting.plot_parameter_history(two, perturbation_interval=10, ax=figure.add_subplot())
    figure.canvas.draw()
    steps = [int(text.get_text()) for text in ax.texts]
    assert {10} >= {step % 10 or 10 for step in steps}
    assert 2 == steps.count(10)
    boxes = [text.get_window_extent() for text in ax.texts]
    for i, box in enumerate(boxes):
        assert not any(box.shrunk(0.8, 0.8).overlaps(other) for other in boxes[:i])


def test_exploits_are_dashed_arrows_and_the_rest_are_straight(two):
    """From the last step before to the first step after."""
    ax = plotting.plot_parameter_history(two, ["black", "red"], ["a", "b"], 4, ax=_ax())
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    dashed = [arrow for arrow in arrows if arrow.get_linestyle() != "-"]
    assert dashed
    assert len(dashed) < len(arrows)
    assert ["a", "b", "exploit"] == _words(ax)


def test_a_function_of_single_points_draws_the_same_contours(two):
    """It need not know arrays; a bar says what the colours mean."""
    figure = plt.figure()
    many = plotting.plot_parameter_history(two, fig=figure, function=q)
    one = plotting.plot_parameter_history(
        two,
        ax=_ax(),
        function=lambda theta: 1.2 - float(theta[0] ** 2 * 0.75) - float(theta[1] ** 2),
    )
    assert 2 == len(figure.axes)
    assert "Q" == figure.axes[1].get_ylabel()
    (a, b), (c, d) = many.collections[:2], one.collections[:2]
    np.testing.assert_allclose(a.get_array(), c.get_array())
    np.testing.assert_allclose(b.get_array(), d.get_array())


def test_a_metric_is_one_line_a_member_with_its_exploits(two):
    """Lines end where the trial went on from another one; a diamond is where it went on."""
    ax = plotting.plot_Q_history(two, ["black", "red"], ["h = [0, 1]", "h = [1, 0]"], ax=_ax())
    assert ["h = [0, 1]", "h = [1, 0]", "exploit"] == _words(ax)
    diamonds = [line for line in ax.lines if line.get_marker() == "D"]
    assert len(two.exploits()) == sum(len(line.get_xdata()) for line in diamonds)
    assert sorted(e.step + 1 for e in two.exploits()) == sorted(
        int(x) for line in diamonds for x in line.get_xdata()
    )
    theta = plotting.plot_Q_history(two, ax=_ax(), metric="theta0")
    assert "Theta0" == theta.get_ylabel()


def test_schedules_have_a_panel_a_parameter(two):
    """Those that changed; values hold for the steps that were trained with them."""
    ax = plotting.plot_schedules(two, ax=_ax())
    assert ["lr", "h0", "h1"] == [panel.get_ylabel() for panel in ax.child_axes]
    (panel,) = plotting.plot_schedules(two, "h0", ax=_ax()).child_axes
    np.testing.assert_array_equal(two.history(0)["config.h0"], panel.lines[0].get_ydata())


def test_schedules_of_choices_have_names():
    """What is no number stands at its own height."""
    study = Study({"act": {"_type": "choice", "_value": ["relu", "tanh", None, True]}})
    for value in ("relu", "tanh", True):
        study.enqueue({"act": value})
        job = study.ask()
        for loss in (3.0, 2.0):
            study.report(job, loss)
        study.tell(job, 2.0)
    ax = study.result.plot_schedules(ax=_ax())
    (panel,) = ax.child_axes
    ax.figure.draw_without_rendering()
    assert ["relu", "tanh", "True"] == [text.get_text() for text in panel.get_yticklabels()]


def test_lanes_have_the_colour_of_the_first_ancestor():
    """In the end all descend from the one that is bold, and its colour is everywhere."""
    result = make_population(4, 60, seed=3)
    ax = plotting.plot_exploits(result, ["C0", "C1", "C2", "C3"], ax=_ax())
    thin, bold = ax.collections[:2]
    assert 1 == len({tuple(color) for color in bold.get_colors()})
    first = bold.get_segments()[0]
    assert 0 == first[0][0]
    ends = max(x for segment in bold.get_segments() for x in segment[:, 0])
    assert 60 == ends
    assert len(thin.get_segments()) > len(bold.get_segments())
    assert 4 == len(ax.get_yticks())


def test_members_that_are_left_alone_have_no_exploits():
    """The plots say so, and draw them."""
    alone = make_population(3, 20, exploit=False)
    assert "3 trials, no exploits" == plotting.plot_exploits(alone, ax=_ax()).get_title()
    assert ["trial 0", "trial 1", "trial 2"] == _words(plotting.plot_Q_history(alone, ax=_ax()))
    ax = plotting.plot_schedules(alone, ax=_ax())
    assert ["h0", "h1"] == [panel.get_ylabel() for panel in ax.child_axes]


@pytest.mark.parametrize("plot", PLOTS)
def test_nothing_reported_is_said(plot):
    """A study without reports, and one whose reports are not numbers."""
    study = Study(SPACE)
    study.tell(study.ask(), 1.0)
    ax = getattr(plotting, plot)(study.result, ax=_ax())
    assert "No trial has reported anything" == ax.texts[0].get_text()
    saved = make_population(2, 8)
    saved.history.reported = None
    assert "does not know" in getattr(plotting, plot)(saved, ax=_ax()).texts[0].get_text()


@pytest.mark.parametrize("plot", PLOTS)
def test_too_few_colours_or_labels_are_refused(plot, two):
    """It is not guessed which trial is meant."""
    for what in ("colors", "labels"):
        with pytest.raises(ConfigurationError, match=f"{what} has 1 entries for 2 trials"):
            getattr(plotting, plot)(two, **{what: ["red"]}, ax=_ax())


@pytest.mark.parametrize("plot", PLOTS)
def test_forty_members_are_drawn(plot):
    """Thinner, without a legend of forty."""
    ax = getattr(plotting, plot)(make_population(40, 12, seed=1), ax=_ax())
    ax.figure.draw_without_rendering()
    legend = ax.get_legend()
    assert legend is None or len(legend.get_texts()) < 5


@pytest.mark.parametrize("plot", PLOTS)
def test_ten_thousand_steps_are_drawn_in_a_second(plot, many):
    """The limit is four times that, since the machine may be busy."""
    getattr(plotting, plot)(make_population(2, 8), ax=_ax())  # imports
    began = time.process_time()
    getattr(plotting, plot)(many).figure.canvas.draw()
    assert time.process_time() - began < 4.0


def test_what_cannot_be_drawn_is_refused(two):
    """Names that nobody reported, a plane of one number, parameters that are not there."""
    with pytest.raises(ConfigurationError, match="no trial reported a number 'nothing'"):
        plotting.plot_Q_history(two, metric="nothing", ax=_ax())
    with pytest.raises(ConfigurationError, match="no trial has a parameter 'depth'"):
        plotting.plot_schedules(two, ["depth"], ax=_ax())
    study = Study(SPACE)
    study.report(study.ask(), {"loss": 1.0, "x": 0.5, "text": "a"})
    with pytest.raises(ConfigurationError, match="needs two numbers"):
        plotting.plot_parameter_history(study.result, ax=_ax())


def test_numbers_that_are_none_leave_gaps():
    """A NaN, text in between, and a step that has no such metric."""
    study = Study(SPACE)
    job = study.ask()
    for loss, a in ((1.0, 1.0), (float("nan"), 2.0), (0.5, "diverged"), (0.25, 4.0)):
        study.report(job, {"loss": loss, "a": a, "b": 1.0})
    for plot in PLOTS:
        getattr(plotting, plot)(study.result, ax=_ax()).figure.draw_without_rendering()


@pytest.mark.parametrize("n_steps", [1, 7, 400])
def test_an_animation_has_a_frame_a_step(n_steps, tmp_path):
    """Of very many steps an even part; the last frame stands longer, and holds all of it."""
    path = tmp_path / "pbt.gif"
    result = make_population(2, n_steps, interval=2, seed=3)
    found = result.make_animation(["black", "red"], ["a", "b"], 2, path, function=q, dpi=30)
    assert path == found
    with Image.open(path) as gif:
        assert min(n_steps, 150) == gif.n_frames
        sizes = {gif.size}
        gif.seek(gif.n_frames - 1)
        assert 2000 == gif.info["duration"]
    assert {(288, 138)} == sizes
    assert [path] == list(tmp_path.iterdir())
    assert not plt.get_fignums()


def test_a_frame_of_an_animation_costs_little_however_many_members_there_are(tmp_path, monkeypatch):
    """Few artists draw all of them, and the file holds what changes from frame to frame."""
    counts, draw = [], Figure.draw_artist

    def counted(figure, artist):
        counts[-1] += 1
        draw(figure, artist)

    monkeypatch.setattr(Figure, "draw_artist", counted)
    sizes = []
    for n in (2, 16):
        counts.append(0)
        path = tmp_path / f"{n}.gif"
        make_population(n, 20, interval=2, seed=3).make_animation(filename=path, function=q)
        sizes.append(path.stat().st_size)
    assert max(counts) <= 21 * 8
    assert sizes[0] < 80_000


def test_an_animation_says_why_it_cannot_be(tmp_path, two):
    """Another format, no reports, no such speed."""
    with pytest.raises(ConfigurationError, match=r"is a \.gif file"):
        two.make_animation(filename=tmp_path / "pbt.mp4")
    with pytest.raises(ConfigurationError, match="frames_per_second"):
        two.make_animation(filename=tmp_path / "pbt.gif", frames_per_second=0)
    with pytest.raises(ConfigurationError, match="nothing to animate: No trial has reported"):
        Study(SPACE).result.make_animation(filename=tmp_path / "pbt.gif")
