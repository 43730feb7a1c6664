"""What a worker's loop does for evaluations that save through the master."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from unit.asynccomm.worker_runs import Run

from bandmaster.asynccomm.protocol import MOST_PART
from bandmaster.asynccomm.relaying import Relay
from bandmaster.checkpoints import DirectoryStore, Header, StoredCheckpoints
from bandmaster.core.context import Context
from bandmaster.core.outcome import Status
from bandmaster.errors import MasterLostError

STATE = bytes(2 * MOST_PART)


class Elsewhere(DirectoryStore):
    """A store whose mark the workers do not find under its URL."""

    def mark(self) -> str:
        super().mark()
        return "f" * 32


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return Elsewhere(tmp_path / "store")


@pytest.fixture
def run(store: DirectoryStore) -> Iterator[Run]:
    """Return a run whose workers do not see its store."""
    with closing(Run(1)) as made:
        made.dispatcher.relay = Relay(store, store.mark())
        yield made


def kept(store: DirectoryStore) -> list[object]:
    return [StoredCheckpoints(store).load(stored.name) for stored in store.names()]


def test_a_state_goes_through_the_master(run: Run, store: DirectoryStore) -> None:
    """In parts, on the worker's one connection; its name comes with the report and the outcome."""

    def objective(config: Any, context: Context) -> float:
        context.report(0.5, checkpoint=STATE)
        return 0.5

    run.loop(objective).run()
    assert ["hello", "exchange", *["put"] * 3, "report", "exchange", "goodbye"] == [
        call for call in run.lines[0].calls if call != "wait"
    ]
    assert [STATE] == kept(store)


def test_a_connection_that_breaks_leaves_no_part(run: Run, store: DirectoryStore) -> None:
    """The job is anybody's then, so this evaluation ends; the next one sends all of it again."""
    began: list[int] = []

    def objective(config: Any, context: Context) -> float:
        began.append(context.job.attempt)
        line = run.lines[0]
        call = line.call

        def breaking(method: str, payload: bytes = b"", *, timeout: float | None = None) -> bytes:
            if line.calls.count("put") == 1:
                line.close()
            return call(method, payload, timeout=timeout)

        line.call = breaking  # type: ignore[method-assign]  # the line of this test alone
        context.report(0.5, checkpoint=STATE)
        return 0.5

    run.loop(objective).run()
    assert 2 == len(run.lines)
    assert ([0, 1], [1]) == (began, [e.attempt for e in run.study.history])
    assert [1] == [Header.decode(store.read(s.name, 0, 256))[0].attempt for s in store.names()]
    assert [] == os.listdir(store.folder)


def test_a_worker_that_is_stopped_saves_no_more(run: Run, store: DirectoryStore) -> None:
    """The evaluation ends where it saves; its job goes to another worker."""

    def objective(config: Any, context: Context) -> float:
        loop.stop("no more")
        context.save(STATE)
        raise AssertionError("not reached")

    loop = run.loop(objective)
    assert "no more" == loop.run()
    assert ([], [], [True]) == (
        kept(store), list(run.study.history), [entry.waiting for entry in run.study.open_jobs],
    )  # fmt: skip


def test_an_evaluation_that_was_cancelled_saves_no_more(run: Run, store: DirectoryStore) -> None:
    """Whoever has the job by now, or nobody: nothing more is kept for this one."""

    def objective(config: Any, context: Context, job: Any) -> float:
        loop.cancel(job.number, job.attempt)
        run.dispatcher.stop("the test is over")
        context.save(STATE)
        raise AssertionError("not reached")

    loop = run.loop(objective)
    loop.run()
    assert [Status.STOPPED] == [e.status for e in run.study.history]
    assert [] == kept(store)


def test_a_worker_that_gives_up_fails_the_evaluation(run: Run, store: DirectoryStore) -> None:
    """Without a master for longer than its patience it says why; nothing hangs."""
    seen: list[BaseException] = []

    def objective(config: Any, context: Context) -> float:
        run.lines[0].close()
        try:
            context.save(STATE)
        except Exception as error:
            seen.append(error)
            raise
        raise AssertionError("not reached")

    def lost() -> Any:
        if run.lines:
            raise MasterLostError("nobody is there")
        return run.link()

    loop = run.loop(objective, link=lost, patience=0.0)
    with pytest.raises(MasterLostError, match="nobody is there"):
        loop.run()
    assert ["nobody is there"] == [str(error) for error in seen]
    assert [] == kept(store)
