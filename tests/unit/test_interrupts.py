"""What Ctrl-C and SIGTERM do while something runs."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from bandmaster import interrupts as interrupts_module
from bandmaster.errors import ConfigurationError
from bandmaster.interrupts import Interrupted, Interrupts, terminate

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    """Begin with those of a fresh interpreter."""
    before = [signal.getsignal(number) for number in SIGNALS]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


def during(interrupts: Interrupts, *signals: int, wait: float = 0.0) -> None:
    """Let these signals come in a block that they are to end."""
    with interrupts:
        for signum in signals:
            signal.raise_signal(signum)
        threading.Event().wait(wait)
        pytest.fail("nothing was raised")


def test_the_first_signal_drains_and_the_handlers_come_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nothing is raised; who runs sees the flag, is called, and a line in the log says it."""
    called: list[str] = []
    with Interrupts("Run 'x'", drain=called.append) as interrupts:
        assert not interrupts.draining
        signal.raise_signal(signal.SIGINT)
        assert interrupts.draining
        interrupts.check()
    assert (["Ctrl-C"], signal.SIGINT) == (called, interrupts.signum)
    assert "Run 'x' is interrupted (Ctrl-C): it starts nothing new" in caplog.text
    assert signal.default_int_handler is signal.getsignal(signal.SIGINT)
    assert signal.SIG_DFL is signal.getsignal(signal.SIGTERM)


def test_a_second_ctrl_c_is_raised_where_it_comes() -> None:
    """As KeyboardInterrupt, which everybody expects."""
    with pytest.raises(KeyboardInterrupt):
        during(Interrupts("it"), signal.SIGINT, signal.SIGINT)


def test_a_second_sigterm_passes_an_evaluation_and_ends_the_process() -> None:
    """No `except Exception` nor `except SystemExit` on the way stops it."""

    with Interrupts("it") as interrupts:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted) as caught:
            signal.raise_signal(signal.SIGTERM)
    assert interrupts.draining
    assert not isinstance(caught.value, Exception | SystemExit | KeyboardInterrupt)
    with pytest.raises(SystemExit) as ended:
        during(Interrupts("it"), signal.SIGTERM, signal.SIGTERM)
    assert 143 == ended.value.code


def test_a_worker_can_have_both_signals_alike() -> None:
    """Then not even `except KeyboardInterrupt` in an evaluation swallows Ctrl-C."""
    with pytest.raises(SystemExit) as caught:
        during(Interrupts("it", keyboard_interrupt=False), signal.SIGTERM, signal.SIGINT)
    assert 130 == caught.value.code


def test_the_grace_of_sigterm_ends(caplog: pytest.LogCaptureFixture) -> None:
    """What still runs then is interrupted as by a second signal."""
    with pytest.raises(SystemExit) as caught:
        during(Interrupts("it", sigterm_grace=0.01), signal.SIGTERM, wait=10)
    assert 143 == caught.value.code
    assert "it is ended: SIGTERM came 0.01 s ago" in caplog.text


def test_ctrl_c_and_no_grace_have_no_limit() -> None:
    """Nobody ends what drains but a second signal."""
    for signum, grace in ((signal.SIGINT, 0.0), (signal.SIGTERM, None)):
        with Interrupts("it", sigterm_grace=grace) as interrupts:
            signal.raise_signal(signum)
            for thread in interrupts._threads:
                thread.join(10)
                assert not thread.is_alive()


def test_nothing_is_raised_in_unsafe_code() -> None:
    """It is kept for `check`, and whoever has to end the run is called; a third one is raised."""
    ended: list[BaseException] = []

    def unsafe() -> str:
        signal.raise_signal(signal.SIGINT)
        return "done"

    with Interrupts("it", end=ended.append, unsafe=[unsafe.__code__]) as interrupts:
        assert ["done", "done"] == [unsafe(), unsafe()]
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        with pytest.raises(KeyboardInterrupt):
            unsafe()
    assert [KeyboardInterrupt] == [type(error) for error in ended]


def test_who_is_in_a_hurry_gets_the_first_signal_as_a_second() -> None:
    """A child whose parent is gone finishes nothing."""
    with pytest.raises(SystemExit):
        during(Interrupts("it", hurry=lambda: True), signal.SIGTERM)


def test_what_is_connected_late_is_called_at_once() -> None:
    """A signal that comes while a run is set up is not lost."""
    called: list[str] = []
    with Interrupts("it") as interrupts:
        signal.raise_signal(signal.SIGTERM)
        interrupts.connect(called.append, pytest.fail)
        assert ["SIGTERM"] == called


def test_a_users_own_handler_is_left_alone() -> None:
    """Notebooks and frameworks that have one keep it; a program's `terminate` is replaced."""
    seen: list[int] = []
    signal.signal(signal.SIGINT, lambda signum, frame: seen.append(signum))
    signal.signal(signal.SIGTERM, terminate)
    with Interrupts("it") as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert (False, [signal.SIGINT]) == (interrupts.draining, seen)
        signal.raise_signal(signal.SIGTERM)
        assert interrupts.draining
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("where", ["switched off", "in a thread"])
def test_nothing_changes_where_it_must_not(where: str) -> None:
    """Not when the user says no, and not outside the main thread."""

    def look() -> None:
        with Interrupts("it", enabled=where != "switched off"):
            seen.append(signal.getsignal(signal.SIGINT))

    seen: list[object] = []
    if where == "in a thread":
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    else:
        look()
    assert [signal.default_int_handler] == seen


def test_a_signal_at_the_very_end_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """What comes after the block is over, and before the handlers are back, is too late."""
    caplog.set_level(logging.WARNING)
    with Interrupts("it") as interrupts:
        interrupts._closed = True
        signal.raise_signal(signal.SIGINT)
    assert ("", False) == (caplog.text, interrupts.draining)


def test_what_never_returns_does_not_keep_the_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that drains may wait for a lock of the main thread, which has to go on."""
    monkeypatch.setattr(interrupts_module, "_TO_RETURN", 0.05)
    go_on = threading.Event()
    returned = []
    with Interrupts("it", drain=lambda name: returned.append(go_on.wait(10))) as interrupts:
        signal.raise_signal(signal.SIGINT)
    assert [] == returned
    assert signal.default_int_handler is signal.getsignal(signal.SIGINT)
    go_on.set()
    for thread in interrupts._threads:
        thread.join()


@pytest.mark.parametrize("value", [-1, True, "10", float("inf"), float("nan")])
def test_a_grace_that_is_none_is_refused(value: object) -> None:
    """Before anything starts."""
    with pytest.raises(ConfigurationError, match="sigterm_grace"):
        Interrupts("it", sigterm_grace=value)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_fork_ends_as_usual(signum: signal.Signals) -> None:
    """`terminate` of a multiprocessing.Process in an evaluation ends it, and nothing drains."""
    signal.signal(signal.SIGTERM, terminate)
    with Interrupts("it") as interrupts:
        child = os.fork()
        if child == 0:
            try:
                signal.raise_signal(signum)
                threading.Event().wait(10)
            except KeyboardInterrupt:
                os._exit(42)
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert (42 if signum == signal.SIGINT else -signal.SIGTERM, False) == (
        status,
        interrupts.draining,
    )


def test_a_signal_to_a_fork_that_has_just_begun_is_not_lost() -> None:
    """As when an evaluation terminates a process that it started a moment ago."""
    with Interrupts("it") as interrupts:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                threading.Event().wait(10)
                os._exit(1)
            os.kill(child, signal.SIGTERM)
            assert -signal.SIGTERM == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert set() == signal.pthread_sigmask(signal.SIG_BLOCK, ())
        assert not interrupts.draining


def test_signals_in_a_row_are_dealt_with_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second one in the middle of the first one's handler is raised at its end."""
    inner = Interrupts._in_thread

    def disturbed(self: Interrupts, work: Callable[[], None]) -> None:
        signal.raise_signal(signal.SIGINT)
        inner(self, work)

    monkeypatch.setattr(Interrupts, "_in_thread", disturbed)
    interrupts = Interrupts("it")
    with pytest.raises(KeyboardInterrupt):
        during(interrupts, signal.SIGINT)
    assert 1 == len(interrupts._threads)
