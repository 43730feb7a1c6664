"""Each reason why a run may be silent is said in words that help."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.driver import Driver
from bandmaster.asynccomm.protocol import Hello
from bandmaster.asynccomm.silence import clock_time, explain_silence
from bandmaster.core.codec import pack
from bandmaster.errors import BandmasterError
from bandmaster.storage import MemoryJournal
from bandmaster.study.follower import Follower
from bandmaster.testing.fake_workers import FakeWorker, make_study

CLOCK = r"\d\d:\d\d:\d\d"


@contextmanager
def dispatching(n_workers: int = 1, n_evaluations: int = 10, **options: Any) -> Iterator[Any]:
    """Yield a dispatcher that is open, and workers who said hello."""
    study = options.pop("study", None) or make_study(n_evaluations)
    dispatcher = Dispatcher(study, run_id="suite", **{"poll": 0.0, **options})
    dispatcher.start()
    dispatcher.open()
    workers = [FakeWorker(dispatcher, f"w{i}") for i in range(n_workers)]
    for worker in workers:
        worker.hello()
    try:
        yield dispatcher, workers
    finally:
        dispatcher.detach()
        dispatcher.waiters.wake_all()
        for worker in workers:
            worker.drop()
        dispatcher.close()


def test_evaluations_that_take_long_are_named_with_their_workers_and_times() -> None:
    """Since when by the clock, the oldest first, five of them at most."""
    with dispatching(7) as (dispatcher, workers):
        for worker in workers:
            worker.exchange()
        text = explain_silence(dispatcher, 30.0)
    assert re.match(
        rf"Run 'suite': nothing has happened for 30 s \(since {CLOCK}\): waiting for job 0 "
        rf"\(trial 0, budget 1\) at w0 \(pid 1 on host, nowhere\) since {CLOCK}, job 1 ",
        text,
    )
    assert text.endswith(", and 2 more")


def test_a_run_without_workers_says_what_to_start() -> None:
    """It is the most common reason."""
    with dispatching(0) as (dispatcher, _):
        assert explain_silence(dispatcher, 30.0).endswith(
            "no workers are connected to run 'suite'; start some with this run_id"
        )


def test_jobs_of_workers_that_are_gone_are_named() -> None:
    """After a master's restart it waits for those that had them."""
    study = make_study(1)
    study.ask(worker="away")
    with dispatching(study=study) as (dispatcher, _):
        text = explain_silence(dispatcher, 30.0)
    assert text.endswith("waiting for workers that are not connected: job 0 of away")


def test_workers_that_have_not_noticed_an_end_are_no_idle_workers() -> None:
    """A cancelled evaluation that never reports keeps its worker."""
    with dispatching(n_evaluations=1) as (dispatcher, [worker]):
        dispatcher.cancel(worker.exchange())
        assert explain_silence(dispatcher, 30.0).endswith(
            "1 of 1 workers still compute what has ended without them"
        )


def test_idle_workers_mean_that_the_generator_starts_nothing() -> None:
    """A custom one may have lost count."""
    with (
        dispatching(n_evaluations=0, poll=10.0) as (dispatcher, [worker]),
        ThreadPoolExecutor(1) as pool,
    ):
        waiting = pool.submit(worker.exchange)
        assert worker.peer.parked.wait(10)
        assert explain_silence(dispatcher, 30.0).endswith(
            "1 workers are idle, nothing is out, and FlatIterGenerator(budget=1) starts nothing"
        )
        dispatcher.stop("enough")
        assert "enough" == waiting.result(10)


class _Hanging(MemoryJournal):
    """A disk that answers when it is told to."""

    immediate = False

    def __init__(self) -> None:
        super().__init__()
        self.hangs = False
        self.waits, self.goes_on = threading.Event(), threading.Event()

    def wait(self, position: int) -> None:
        if self.hangs:
            self.waits.set()
            assert self.goes_on.wait(10)


def test_a_storage_that_hangs_is_what_all_wait_for() -> None:
    """Not the workers, which wait for it too."""
    journal = _Hanging()
    study = make_study(1, journal=journal)
    journal.hangs = True
    with dispatching(study=study) as (dispatcher, [worker]), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(worker.exchange)
        assert journal.waits.wait(10)
        text = explain_silence(dispatcher, 30.0)
        journal.goes_on.set()
        assert 0 == waiting.result(10).number
    assert re.search(rf"the storage has not confirmed what 1 workers told since {CLOCK}$", text)
    assert [] == dispatcher.storing


def test_a_run_returns_when_all_of_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what it waits for, when that takes long."""
    journal, warnings = _Hanging(), queue.SimpleQueue[str]()
    monkeypatch.setattr(
        "bandmaster.asynccomm.driver.logger.warning", lambda text, *args: warnings.put(text % args)
    )
    study = make_study(0, journal=journal)
    journal.hangs = True
    with dispatching(study=study) as (dispatcher, _), ThreadPoolExecutor(1) as pool:
        running = pool.submit(Driver(dispatcher, Follower(study), warn_after=0.01).run)
        assert journal.waits.wait(10)
        assert "the storage has not confirmed the last of it" in warnings.get(timeout=10)
        assert not running.done()
        journal.goes_on.set()
        running.result(10)


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (Hello("other", "w", "host", 1).encode(), "this is the master of run 'suite', not of"),
        (pack([99, "later"]), "the worker speaks version 99"),
    ],
)
def test_workers_that_were_refused_are_remembered(
    payload: bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The last of them; what was refused before it came to the dispatcher counts too."""
    with dispatching(0) as (dispatcher, _):
        stranger = FakeWorker(dispatcher)
        with pytest.raises(BandmasterError, match=said):
            dispatcher.handle(stranger.peer, "hello", payload)
        stranger.peer.free()
        assert said in caplog.text
        earlier = time.time() - 60, "refused somebody: wrong key"
        text = explain_silence(dispatcher, 30.0, trouble=lambda: earlier)
        assert re.search(
            rf"; the last one that was refused, at {CLOCK}: a worker at .*{said}", text
        )
        later = time.time() + 1, "refused somebody: wrong key"
        text = explain_silence(dispatcher, 30.0, trouble=lambda: later)
        assert text.endswith("refused somebody: wrong key")


def test_what_is_long_ago_has_a_date() -> None:
    """A clock time alone would be ambiguous."""
    assert re.fullmatch(CLOCK, clock_time(60))
    assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d {CLOCK}", clock_time(100_000))
