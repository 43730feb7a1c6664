"""Comparing plots with stored pictures.

A picture holds no words: how letters are drawn differs between versions of matplotlib and FreeType,
so tests look at words as data. After a wanted change, have the pictures written anew, and look at
them::

    REWRITE_PICTURES=1 python -m pytest tests/unit/plotting -k picture
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import matplotlib.style as mpl_style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.legend import Legend
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text
from matplotlib.ticker import NullFormatter

__all__ = ["GOLDEN", "assert_looks_like", "make_picture"]

GOLDEN = Path(__file__).parent / "golden" / "plots"
_STYLE = {"figure.figsize": (5.0, 3.5), "figure.dpi": 60, "savefig.dpi": 60}
_TOLERANCE = 1.5  # the root of the mean squared difference of 0 to 255; a lost marker makes 2


def make_picture(draw: Callable[[Axes], object], path: Path) -> None:
    """Save what `draw(ax)` draws, 300 by 210 pixels, under matplotlib's default style."""
    with mpl_style.context(["default", _STYLE]):
        figure = Figure()
        # A layout that does nothing: room for words would depend on how letters are drawn.
        figure.set_layout_engine(
            PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)
        )
        draw(figure.add_subplot())
        _remove_words(figure)
        figure.savefig(path, metadata={"Software": None}, pil_kwargs={"optimize": True})


def assert_looks_like(
    name: str, draw: Callable[[Axes], object], tmp_path: Path, *, tolerance: float = _TOLERANCE
) -> None:
    """Fail unless `draw(ax)` draws the picture ``tests/golden/plots/<name>.png``.

    Parameters
    ----------
    name : str
        The name of the picture, without ``.png``.
    draw : callable
        Draws on the axes it is given; it may add more axes to their figure.
    tmp_path : Path
        Where what was drawn is left, with the difference.
    tolerance : float, default 1.5
        Of the root mean square of the pixels' differences, from 0 to 255.
    """
    expected, actual = GOLDEN / f"{name}.png", tmp_path / f"{name}.png"
    if os.environ.get("REWRITE_PICTURES"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        make_picture(draw, expected)
    assert expected.exists(), f"no picture {expected}; see tests/images.py on how to make it"
    make_picture(draw, actual)
    difference = compare_images(str(expected), str(actual), tolerance)
    assert difference is None, difference


def _remove_words(figure: Figure) -> None:
    """Take out all text, and legends, whose boxes have the size of their text."""
    for legend in figure.findobj(Legend):
        legend.remove()
    for ax in figure.findobj(Axes):  # those within others, too
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(NullFormatter())
            axis.set_minor_formatter(NullFormatter())
    for text in figure.findobj(Text):
        text.set_text("")
