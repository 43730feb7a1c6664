"""Why evaluations failed, in a line."""

from __future__ import annotations

import traceback

import pytest

from bandmaster.study.notes import reason_of
from bandmaster.testing.histories import make_evaluation


def traceback_of(message: str) -> str:
    """Return the traceback of a ValueError."""
    try:
        raise ValueError(message)
    except ValueError:
        return traceback.format_exc()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (traceback_of("CUDA out of memory."), "ValueError: CUDA out of memory."),
        (
            traceback_of("CUDA out of memory.\nSee the docs for help:\nhttps://x.y"),
            "ValueError: CUDA out of memory.",
        ),
        ("a line of Python where it was\nended by SIGSEGV\n", "ended by SIGSEGV"),
        ("\n \n", "failed"),
    ],
)
def test_the_reason_is_what_the_traceback_says_first(error: str, reason: str) -> None:
    """A message of several lines begins with what matters."""
    assert reason == reason_of(make_evaluation(0, None, error=error))
