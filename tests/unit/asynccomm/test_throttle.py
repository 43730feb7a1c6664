"""Log lines of strangers: some, and a count of the rest."""

from __future__ import annotations

import logging

import pytest

from bandmaster.asynccomm.wire._throttle import Throttle

logger = logging.getLogger("bandmaster.test")


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_flood_becomes_a_few_lines_and_a_count(caplog: pytest.LogCaptureFixture) -> None:
    """Within a period `most` lines are written; the next period begins with the rest's number."""
    clock = Clock()
    throttle = Throttle(logger, most=2, period=10.0, clock=clock)
    for number in range(100):
        throttle.warning("refused %d", number)
    assert ["refused 0", "refused 1"] == caplog.messages
    clock.now = 10.0
    throttle.warning("refused again")
    assert [
        "and 98 more lines like these, which are left out", "refused again",
    ] == caplog.messages[2:]  # fmt: skip


def test_what_was_left_out_is_told_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """`flush` tells once, and only when there is something to tell."""
    throttle = Throttle(logger, most=1, clock=Clock())
    throttle.flush()
    throttle.warning("one")
    throttle.warning("two")
    throttle.flush()
    throttle.flush()
    assert ["one", "and 1 more lines like these, which are left out"] == caplog.messages


def test_a_traceback_counts_as_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """Errors with tracebacks are held back like warnings."""
    throttle = Throttle(logger, most=1, clock=Clock())
    for _ in range(3):
        try:
            raise ValueError("made up")
        except ValueError:
            throttle.exception("failed")
    [record] = caplog.records
    assert logging.ERROR == record.levelno
    assert record.exc_info is not None
