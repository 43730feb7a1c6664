"""Looking for a name server again and again."""

from __future__ import annotations

import threading

import pytest

from bandmaster.asynccomm import patience
from bandmaster.asynccomm.patience import until_found
from bandmaster.errors import AuthenticationError, ConfigurationError, NameServerError


class Look:
    """Fails a number of times, then finds 7."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures = failures
        self.error = NameServerError("nobody there") if error is None else error
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return 7


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait."""
    monkeypatch.setattr(patience, "_FIRST_DELAY", 0.0)


def test_it_looks_until_it_finds(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without limit it goes on; one warning, not one a look, says what the matter is."""
    monkeypatch.setattr(patience, "_WARN_AFTER", 0.0)
    look = Look(5)
    assert 7 == until_found(look, "Somebody", patience=None, stop=threading.Event())
    assert 6 == look.calls
    [record] = caplog.records
    assert "Somebody has found no name server for 0 s and goes on looking: nobody there" == (
        record.getMessage()
    )


def test_no_patience_looks_once() -> None:
    """With 0 the error is raised at once."""
    look = Look(1)
    with pytest.raises(NameServerError, match="nobody there"):
        until_found(look, "Somebody", patience=0.0, stop=threading.Event())
    assert 1 == look.calls


def test_patience_ends() -> None:
    """After so many seconds the last error is raised."""
    look = Look(1 << 60)
    with pytest.raises(NameServerError, match="nobody there"):
        until_found(look, "Somebody", patience=0.01, stop=threading.Event())
    assert look.calls > 1


def test_a_refusal_is_final() -> None:
    """A key that is refused is not going to fit later."""
    look = Look(1, AuthenticationError("another key"))
    with pytest.raises(AuthenticationError, match="another key"):
        until_found(look, "Somebody", patience=None, stop=threading.Event())


def test_it_can_be_stopped() -> None:
    """The event ends the search, also one without limit."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(ConfigurationError, match="Somebody was shut down"):
        until_found(Look(1 << 60), "Somebody", patience=None, stop=stop)
