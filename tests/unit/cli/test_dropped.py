"""A signal whose exception Python drops is heard all the same."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from bandmaster.cli.dropped import sent_again
from bandmaster.interrupts import Interrupted, terminate


class Finalizer:
    """Gets a signal in its last moment."""

    def __init__(self, signum: int) -> None:
        self.signum = signum

    def __del__(self) -> None:
        signal.raise_signal(self.signum)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Set the handlers of a program, for one test."""
    before = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("signum", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Interrupted)]
)
def test_what_a_finalizer_dropped_is_raised_after_it(
    signum: int, error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is written about it."""

    def work() -> None:
        Finalizer(signum)
        threading.Event().wait(10)

    with pytest.raises(error), sent_again():
        work()
    assert "" == capsys.readouterr().err


def test_it_is_raised_at_the_end_at_the_latest() -> None:
    """A program that was about to end does not end as if nothing had been pressed."""
    with pytest.raises(KeyboardInterrupt), sent_again():
        Finalizer(signal.SIGINT)


def test_other_exceptions_are_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook that was there gets them, and is there again afterwards."""
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: told.append(it.exc_type))

    class Fails:
        def __del__(self) -> None:
            raise ValueError

    before = sys.unraisablehook
    with sent_again():
        Fails()
    assert [ValueError] == told
    assert before is sys.unraisablehook
