"""What the plots share: scales, legends, labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from bandmaster.plotting.canvas import (
    COLOURS,
    add_legend,
    add_legend_above,
    colors_of_levels,
    log_if_wide,
    wrap_words,
)

numbers = st.floats(min_value=1e-3, max_value=1e3)


def _axes(x=(), y=(), scale="linear"):
    ax = Figure().add_subplot()
    ax.set_yscale(scale)
    ax.plot(x, y)
    return ax


@settings(max_examples=30)
@given(
    st.lists(numbers | numbers.map(lambda x: -x) | st.just(0.0), max_size=8),
    st.sampled_from(["linear", "log"]),
)
def test_the_scale_follows_the_values_and_shows_them_all(values, before):
    """Logarithmic from a decade on, symmetrical with negative values, else linear."""
    ax = _axes(range(len(values)), values, before)
    log_if_wide(ax, [*values, np.nan, np.inf])
    scale = ax.get_yscale()
    if values and min(values) > 0:
        assert ("log" if max(values) / 10 >= min(values) else "linear") == scale
    else:
        assert scale in ("linear", "symlog")
    low, high = ax.get_ylim()
    assert all(low <= value <= high for value in values)


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([-1, -10, -5000], "symlog"),
        ([-1, -10, -500], "linear"),
        ([-1000, 0.5, 1000], "symlog"),
        ([-2, -1, 0, 1, 2], "linear"),
        ([0, 0, 0], "linear"),
        ([0, 1, 100], "linear"),
        ([0, 1, 5000], "symlog"),
    ],
)
def test_negative_values_and_zero_are_on_a_symmetrical_axis_if_they_span_three_decades(
    values, scale
):
    """A few units about zero are read better on a linear one."""
    ax = _axes([*range(len(values))], values)
    log_if_wide(ax, values)
    assert scale == ax.get_yscale()


def test_the_x_axis_has_scales_too():
    """The other axis stays as it is."""
    ax = _axes([1, 1000], [1, 1000])
    log_if_wide(ax, [1, 1000], which="x")
    assert ("log", "linear") == (ax.get_xscale(), ax.get_yscale())


def test_hundreds_of_decades_have_few_ticks_and_no_overflow():
    """Losses such as 1e100 come from diverged training."""
    figure = Figure()
    ax = figure.subplots(4, 4).flat[0]
    ax.plot([0, 1], [1e-300, 1e100], label="one")
    log_if_wide(ax, [1e-300, 1e100])
    add_legend_above(ax)
    figure.draw_without_rendering()
    assert 5 == len(ax.get_yticks())


@pytest.mark.parametrize(
    ("x", "y", "corner"),
    [
        ([0, 1], [0, 1], "upper left"),
        ([0, 1], [1, 0], "upper right"),
        ([0, 1, 1], [1, 1, 0], "lower left"),
        ([0, 0, 1], [0, 1, 1], "lower right"),
    ],
)
def test_a_legend_stands_in_the_emptiest_corner(x, y, corner):
    """Lines count along their length, not only at their points."""
    ax = _axes(x, y)
    ax.lines[0].set_label("line")
    assert ax.legend(loc=corner)._loc == add_legend(ax)._loc


def test_a_legend_above_hides_nothing():
    """The axis grows by the legend's height, also a logarithmic or an inverted one."""
    for scale, limits in (("linear", (0, 1)), ("log", (1, 1e6)), ("linear", (9, -1))):
        figure = Figure()
        ax = figure.add_subplot()
        ax.set_yscale(scale)
        ax.set_ylim(*limits)
        for i in range(9):
            ax.plot([0, 1], limits, label=f"curve number {i}")
        legend = add_legend_above(ax, "Curves:")
        figure.draw_without_rendering()
        _, top = ax.transData.transform((0, limits[1]))
        assert legend.get_window_extent().y0 >= top
        assert legend.get_window_extent().width <= ax.get_window_extent().width
        assert "Curves:" == legend.get_texts()[0].get_text()


def test_levels_have_the_colours_of_traces_or_a_scale():
    """All differ, however many there are."""
    few, many = colors_of_levels([1, 2, 3]), colors_of_levels(range(40))
    assert (3, 3) == few.shape
    assert len(COLOURS) < len(np.unique(many, axis=0)) == 40
    assert (0, 3) == colors_of_levels([]).shape


def test_long_labels_are_broken_and_cut():
    """A label has three lines at most."""
    assert "short" == wrap_words("short")
    lines = wrap_words("word " * 60).split("\n")
    assert 3 == len(lines)
    assert lines[-1].endswith("…")
