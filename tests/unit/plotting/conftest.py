"""Every plot is drawn without a screen, and leaves matplotlib as it was."""

from __future__ import annotations

import matplotlib as mpl
import pytest

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _clean_matplotlib(monkeypatch):
    """Close the figures of a test; fail it if a plot shows one or changes a setting."""
    from matplotlib import pyplot as plt

    def refuse(*args, **kwargs):
        raise AssertionError("a plot must not show its figure")

    monkeypatch.setattr(plt, "show", refuse)
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert before == dict(mpl.rcParams)
