"""``--metric`` of ``bandmaster master``."""

from __future__ import annotations

import click
import pytest

from bandmaster.cli.metrics import metric
from bandmaster.core.objectives import Metric


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("loss", Metric("loss")),
        ("a b:minimize", Metric("a b")),
        ("accuracy:maximize", Metric("accuracy", objective="maximize")),
        ("size:store", Metric("size", strategy="store")),
        ("seconds<=10", Metric("seconds", strategy="constraint", threshold=10.0)),
        (
            "recall >= 0.9",
            Metric("recall", strategy="constraint", objective="maximize", threshold=0.9),
        ),
    ],
)
def test_a_metric_is_a_word(text: str, expected: Metric) -> None:
    """What is minimised, maximised, kept on one side of a threshold, or only stored."""
    assert expected == metric(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("accuracy:max", "'accuracy:max' is no metric; write NAME, NAME:maximize"),
        (":maximize", "is no metric"),
        ("", "is no metric"),
        ("seconds<=much", "'much' in 'seconds<=much' is no number"),
    ],
)
def test_what_is_no_metric_is_refused(text: str, says: str) -> None:
    """The message says what to write."""
    with pytest.raises(click.BadParameter, match=says):
        metric(text)
