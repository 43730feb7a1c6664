"""The comparison of pictures sees what changed, and no letters."""

from __future__ import annotations

import images
import pytest


def _draw(ax, words="words"):
    ax.plot([1, 2, 3], [3, 1, 2], "o-", label=words)
    ax.set(title=words, xlabel=words)
    ax.text(1.5, 2.5, words)
    ax.legend()


@pytest.fixture(autouse=True)
def golden(monkeypatch, tmp_path):
    """Pictures of these tests are stored elsewhere."""
    monkeypatch.setattr(images, "GOLDEN", tmp_path / "golden")
    monkeypatch.setenv("REWRITE_PICTURES", "1")
    images.assert_looks_like("one", _draw, tmp_path)
    monkeypatch.delenv("REWRITE_PICTURES")


def test_the_same_drawing_passes_with_other_words(tmp_path):
    """Titles, labels, ticks and legends play no part."""
    images.assert_looks_like("one", lambda ax: _draw(ax, "longer words"), tmp_path)


def test_a_marker_more_fails(tmp_path):
    """Small differences count."""

    def draw(ax):
        _draw(ax)
        ax.plot([1.5], [2.75], "x")

    with pytest.raises(AssertionError, match="RMS"):
        images.assert_looks_like("one", draw, tmp_path)


def test_a_missing_picture_fails_and_says_how_to_make_it(tmp_path):
    """Nothing is compared with nothing."""
    with pytest.raises(AssertionError, match=r"tests/images\.py"):
        images.assert_looks_like("two", _draw, tmp_path)


def test_stored_pictures_are_small(root):
    """They are in the repository, and so is every former version of them."""
    sizes = {path.name: path.stat().st_size for path in root.glob("tests/golden/plots/*.png")}
    assert len(sizes) > 10
    assert {} == {name: size for name, size in sizes.items() if size > 30_000}
