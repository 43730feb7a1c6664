"""Rules of the drawing of a space."""

from __future__ import annotations

import matplotlib as mpl
import pytest

mpl.use("Agg")

from matplotlib import pyplot as plt

from bandmaster.errors import ConfigurationError, SpaceError
from bandmaster.plotting.hdl_tree import plot_hdl
from bandmaster.space import compile_space
from bandmaster.testing.spaces import automl_hdl


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def words(ax):
    return [text.get_text() for text in ax.texts]


def test_the_tree_shows_everything_once():
    """Every option and parameter stands in the tree, with its values; every clause below."""
    ax = plot_hdl(automl_hdl())
    shown = words(ax)
    assert 1 == shown.count("classifier")
    assert 1 == shown.count("n_neighbors")
    assert 2 == shown.count("random_state")
    assert "300 .. 3000, q=100" in shown
    assert "forbidden in classifier → LinearSVC: penalty == 'l1' and loss == 'hinge'" in shown
    assert not any("__choice__" in text for text in shown)


def test_no_two_labels_overlap():
    """In the figure that is made for it, no two texts lie on one another and none is cut off."""
    ax = plot_hdl(automl_hdl())
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    for i, box in enumerate(boxes):
        assert ax.figure.bbox.x0 <= box.x0
        assert box.x1 <= ax.figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_conditions_stand_behind_the_parameter():
    """A condition other than the option taken is written out, with local names."""
    hdl = {
        "kernel": {"_type": "choice", "_value": ["rbf", "poly"]},
        "degree": {"_type": "int_uniform", "_value": [2, 5]},
        "__activate": {"kernel": {"poly": ["degree"]}},
    }
    assert "2 .. 5   if kernel == 'poly'" in words(plot_hdl(compile_space(hdl)))


def test_axes_may_be_given():
    """The tree is drawn into given axes, which are returned, and into nothing else."""
    _, ax = plt.subplots()
    assert ax is plot_hdl({"a": 1}, ax=ax)
    with pytest.raises(ConfigurationError, match="ax is 3; a matplotlib Axes"):
        plot_hdl({"a": 1}, ax=3)
    with pytest.raises(SpaceError, match="HDL at a"):
        plot_hdl({"a": []})
