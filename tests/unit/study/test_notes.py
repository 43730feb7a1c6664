"""Why evaluations failed, in a line."""

from __future__ import annotations

import traceback

import pytest

from bandmaster.study.notes import note_engines, note_failures, reason_of
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


def test_who_proposed_is_said_where_it_changed() -> None:
    """A trial of another optimizer ends an engine's turn; a random or a user's trial does not."""
    infos = [
        {"engine": "ETPE", "why": "to begin", "model_based_pick": False},
        {"model_based_pick": False},
        {"engine": "ETPE", "model_based_pick": True},
        {"engine": "GP", "why": "few are known", "model_based_pick": True},
        {"model_based_pick": True},
        {"engine": "GP", "model_based_pick": True},
    ]
    rows = [make_evaluation(i, 1.0, config_info=info) for i, info in enumerate(infos)]
    assert [
        "Proposed by ETPE from trial 0 (to begin), GP from trial 3 (few are known), "
        "another optimizer from trial 4, GP from trial 5."
    ] == note_engines(rows)
    assert [] == note_engines(rows[:3])
    assert [] == note_engines(rows[4:5])


def test_a_long_reason_ends_in_dots() -> None:
    """What is cut says so."""
    rows = [make_evaluation(0, None, error="ValueError: " + "x" * 500)]
    [note] = note_failures(rows, 2)
    assert note.startswith(
        "1 of 2 evaluations failed (.failures has the tracebacks): ValueError: x"
    )
    assert note.endswith("x…")
    assert len(note) < 230
