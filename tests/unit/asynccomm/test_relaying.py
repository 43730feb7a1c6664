"""Checkpoints that go through the master: whole or not at all, and only of one's own job."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.protocol import MOST_PART, Get, Place, Put
from bandmaster.asynccomm.relayed import RelayedStore, StoreFinder
from bandmaster.asynccomm.relaying import Relay
from bandmaster.checkpoints import DirectoryStore, Draft, Header, StoredCheckpoints
from bandmaster.core.checkpoints import checkpoint_name
from bandmaster.core.codec import pack, unpack
from bandmaster.core.job import Job
from bandmaster.errors import BandmasterError, CheckpointError, CodecError, ProtocolError
from bandmaster.testing.fake_workers import RUN, FakeWorker, make_study

STEP = 3


def archive_of(job: Job, size: int = 3 * MOST_PART, step: int = STEP) -> tuple[str, bytes]:
    """Return the name and the bytes of what a job could save."""
    data = Header("state", job.trial, job.number, job.attempt, step).encode() + os.urandom(size)
    with Draft() as draft:
        draft.write(data)
        return checkpoint_name(step, draft.digest), data


class Run:
    """A dispatcher with a store, and workers who have said hello."""

    def __init__(self, folder: Path) -> None:
        self.store = DirectoryStore(folder)
        self.study = make_study(10)
        self.dispatcher = Dispatcher(self.study, run_id=RUN, poll=0.0)
        self.dispatcher.relay = Relay(self.store, self.store.mark())
        self.dispatcher.open()
        self.workers: list[FakeWorker] = []

    def worker(self) -> FakeWorker:
        worker = FakeWorker(self.dispatcher, f"w{len(self.workers)}")
        worker.hello()
        self.workers.append(worker)
        return worker

    def put(self, worker: FakeWorker, job: Job, name: str, data: bytes, start: int = 0) -> int:
        """Send one part."""
        part = Put(
            job.number, job.attempt, name, start, len(data), data[start : start + MOST_PART]
        )  # fmt: skip
        arrived = unpack(self.dispatcher.handle(worker.peer, "put", part.encode()))
        assert isinstance(arrived, int)
        return arrived

    def upload(self, worker: FakeWorker, job: Job, name: str, data: bytes) -> None:
        start = 0
        while start < len(data):
            start = self.put(worker, job, name, data, start)

    def get(self, worker: FakeWorker, job: Job, name: str, start: int = 0) -> bytes:
        wish = Get(job.number, job.attempt, name, start)
        return self.dispatcher.handle(worker.peer, "get", wish.encode())

    @property
    def kept(self) -> set[str]:
        return {stored.name for stored in self.store.names()}

    @property
    def incoming(self) -> list[str]:
        return os.listdir(Path(self.store.url, "incoming"))

    def close(self) -> None:
        self.dispatcher.detach()
        for worker in self.workers:
            worker.drop()
        self.dispatcher.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path)
    yield made
    made.close()


def test_a_worker_is_told_the_place(run: Run) -> None:
    """The welcome has the URL, and the mark that is found there."""
    worker = FakeWorker(run.dispatcher, "w")
    run.workers.append(worker)
    assert Place(run.store.url, run.store.mark()) == worker.hello().place


def test_what_is_put_is_kept(run: Run) -> None:
    """Parts in their order make an object under its name."""
    worker = run.worker()
    job = worker.exchange()
    name, data = archive_of(job)
    assert [MOST_PART, 2 * MOST_PART] == [
        run.put(worker, job, name, data, start) for start in (0, MOST_PART)
    ]
    assert (set(), 1) == (run.kept, len(run.incoming))
    run.upload(worker, job, name, data)
    assert ({name}, []) == (run.kept, run.incoming)
    assert data == b"".join(run.store.read(name, start) for start in range(0, len(data), MOST_PART))


def test_any_part_may_be_sent_again(run: Run) -> None:
    """A part that is not the next one changes nothing; the answer says which one is."""
    worker = run.worker()
    job = worker.exchange()
    name, data = archive_of(job)
    assert 0 == run.put(worker, job, name, data, MOST_PART)
    run.put(worker, job, name, data)
    assert MOST_PART == run.put(worker, job, name, data)
    assert MOST_PART == run.put(worker, job, name, data, 2 * MOST_PART)
    run.upload(worker, job, name, data)
    run.upload(worker, job, name, data)
    assert ({name}, []) == (run.kept, run.incoming)


def test_a_worker_that_dies_leaves_nothing(run: Run) -> None:
    """What has arrived of an upload goes with its connection."""
    worker = run.worker()
    job = worker.exchange()
    run.put(worker, job, *archive_of(job))
    assert 1 == len(run.incoming)
    run.workers.remove(worker)
    worker.drop()
    assert (set(), []) == (run.kept, run.incoming)


def test_another_upload_takes_the_place_of_the_last(run: Run) -> None:
    """A worker has one upload at a time, so it cannot leave any number of them."""
    worker = run.worker()
    job = worker.exchange()
    for _ in range(3):
        run.put(worker, job, *archive_of(job))
    assert 1 == len(run.incoming)


def test_damage_on_the_way_is_found(run: Run) -> None:
    """What is not what its name says is refused with its last part, and nothing stays."""
    worker = run.worker()
    job = worker.exchange()
    name, data = archive_of(job, MOST_PART)
    run.put(worker, job, name, data)
    with pytest.raises(CheckpointError, match="damaged"):
        run.put(worker, job, name, data[:-1] + bytes([data[-1] ^ 1]), MOST_PART)
    assert (set(), []) == (run.kept, run.incoming)


def test_a_full_disk_is_said_to_the_worker(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The evaluation hears of it; nothing stays."""

    def fail(self: object, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    worker = run.worker()
    job = worker.exchange()
    name, data = archive_of(job)
    monkeypatch.setattr(Draft, "write", fail)
    with pytest.raises(CheckpointError, match="No space left"):
        run.put(worker, job, name, data)
    assert (set(), []) == (run.kept, run.incoming)


def test_only_ones_own_job_can_be_saved(run: Run) -> None:
    """A worker saves nothing for a job that another one has, that ended, or that never was."""
    first, second = run.worker(), run.worker()
    job, others = first.exchange(), second.exchange()
    for wrong in (others, Job(99, 0, 0, {}, 1), Job(job.number, 1, 0, {}, 1)):
        with pytest.raises(CheckpointError, match="not this worker's"):
            run.put(first, wrong, *archive_of(wrong))
    first.exchange(job, 0.5)
    with pytest.raises(CheckpointError, match="not this worker's"):
        run.put(first, job, *archive_of(job))
    assert (set(), []) == (run.kept, run.incoming)


def test_nobody_passes_off_anothers_checkpoint_as_his_own(run: Run) -> None:
    """The header has to name the job that the worker has, and the step of the name."""
    first, second = run.worker(), run.worker()
    job, others = first.exchange(), second.exchange()
    for name, data in (archive_of(others), (f"9-{archive_of(job)[0][2:]}", archive_of(job)[1])):
        with pytest.raises(CheckpointError, match="not one of job"):
            run.put(first, job, name, data)
    with pytest.raises(CheckpointError, match="no checkpoint of bandmaster"):
        run.put(first, job, f"3-{'0' * 64}", os.urandom(1000))
    assert [] == run.incoming


def test_only_what_a_job_starts_from_can_be_read(run: Run) -> None:
    """Another checkpoint, even one's own, is not for the worker; nor is anything that is a path."""
    first = run.worker()
    job = first.exchange()
    name, data = archive_of(job, 10)
    run.upload(first, job, name, data)
    with pytest.raises(CheckpointError, match="does not start from"):
        run.get(first, job, name)
    run.study.report(job, 0.5, step=STEP, checkpoint=name)
    run.workers.remove(first)
    first.drop()
    second = run.worker()
    again = second.exchange()
    assert (job.number, 1, name) == (again.number, again.attempt, again.checkpoint)
    assert (data, b"") == (run.get(second, again, name), run.get(second, again, name, len(data)))
    with pytest.raises(CheckpointError, match="not this worker's"):
        run.get(second, job, name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".mark", "incoming", "../../etc/passwd", "/etc/passwd", "1-" + "0" * 63 + "/",
     "1-" + "0" * 64 + "\0", "1-" + "0" * 64 + "\n", "١-" + "0" * 64, "1-" + "A" * 64],
)  # fmt: skip
def test_a_name_is_never_a_path(run: Run, name: str) -> None:
    """Whatever a peer says for a name, nothing is opened but objects of the store."""
    worker = run.worker()
    job = worker.exchange()
    with pytest.raises(CheckpointError, match="names no checkpoint"):
        run.put(worker, job, name, archive_of(job)[1])
    with pytest.raises(CheckpointError, match="names no checkpoint"):
        run.get(worker, job, name)
    assert ([".mark", "incoming"], []) == (sorted(os.listdir(run.store.url)), run.incoming)


@given(st.binary(max_size=60) | st.lists(st.integers() | st.text() | st.binary()).map(pack))
def test_garbage_is_an_error_of_ours(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """No bytes whatever make a master do anything but refuse them."""
    run = Run(tmp_path_factory.mktemp("store"))
    worker = run.worker()
    worker.exchange()
    try:
        for method in ("put", "get"):
            with pytest.raises((ProtocolError, CodecError, CheckpointError)):
                run.dispatcher.handle(worker.peer, method, data)
        assert [] == run.incoming
    finally:
        run.close()


def test_without_a_store_nothing_is_kept() -> None:
    """The worker hears that this master keeps no checkpoints."""
    dispatcher = Dispatcher(make_study(1), run_id=RUN, poll=0.0)
    dispatcher.open()
    worker = FakeWorker(dispatcher)
    assert worker.hello().place is None
    job = worker.exchange()
    part = Put(job.number, job.attempt, "1-" + "0" * 64, 0, 1, b"a")
    with pytest.raises(CheckpointError, match="keeps no checkpoints"):
        dispatcher.handle(worker.peer, "put", part.encode())
    worker.drop()
    dispatcher.close()


# -- the worker's side -----------------------------------------------------------------------------


def unused(*_: Any) -> bytes:
    raise AssertionError("not to be called")


def put_with(answer: Callable[[int, int], object]) -> None:
    """Save something through a master that gives these answers."""
    store = RelayedStore(lambda name, start, total, data: pack(answer(start, total)), unused)
    with store.draft() as draft:
        draft.write(bytes(2 * MOST_PART))
        store.put(draft, checkpoint_name(1, draft.digest))


@pytest.mark.parametrize("answer", [-1, 1 << 40, "all of it", None])
def test_a_strange_answer_is_an_error(answer: object) -> None:
    """A master that answers what cannot be is not believed."""
    with pytest.raises(CheckpointError, match="none"):
        put_with(lambda start, total: answer)


def test_a_master_that_never_gets_it_is_given_up() -> None:
    """Sending again and again ends at some time."""
    with pytest.raises(CheckpointError, match="does not reach"):
        put_with(lambda start, total: 0)


def test_a_master_that_forgot_gets_it_again() -> None:
    """Who answers 0 in the middle is a new master: all of it is sent again."""
    answers = iter([MOST_PART, 0, MOST_PART, 2 * MOST_PART])
    put_with(lambda start, total: next(answers))
    assert [] == list(answers)


def test_a_worker_that_sees_the_store_uses_it(tmp_path: Path) -> None:
    """The mark decides: the same path on another machine is another place."""
    ours, relayed = DirectoryStore(tmp_path), RelayedStore(unused, unused)
    place = Place(ours.url, ours.mark())
    found = StoreFinder(lambda: place, relayed)
    assert isinstance(found(), DirectoryStore)
    assert found() is found()
    for other in (Place(ours.url, "0" * 32), Place(str(tmp_path / "nothing"), place.mark)):
        assert StoreFinder(lambda other=other: other, relayed)() is relayed
    assert not (tmp_path / "nothing").exists()
    found.close()


def test_a_store_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    """A worker that outlives its run leaves nothing where the run's temporary store was."""
    ours = DirectoryStore(tmp_path / "store")
    place = Place(ours.url, ours.mark())
    store = StoreFinder(lambda: place, RelayedStore(unused, unused))()
    ours.destroy()
    with pytest.raises(CheckpointError, match="nothing can be kept"):
        StoredCheckpoints(store).save("state", job=Job(0, 0, 0, {}, 1), step=1)
    assert [] == os.listdir(tmp_path)


def test_a_store_that_cannot_be_opened_is_reached_through_the_master(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A worker without the package of the store's file system says so, and goes on."""
    relayed = RelayedStore(unused, unused)
    assert StoreFinder(lambda: Place("nosuch://bucket", "m"), relayed)() is relayed
    assert "nosuch" in caplog.text


def test_the_place_of_a_new_master_is_looked_at_anew(tmp_path: Path) -> None:
    """A master on another machine may have another store."""
    first, second = DirectoryStore(tmp_path / "a"), DirectoryStore(tmp_path / "b")
    place = [Place(first.url, first.mark())]
    find = StoreFinder(lambda: place[0], RelayedStore(unused, unused))
    assert first.url == find().url  # type: ignore[attr-defined]  # a DirectoryStore
    place[0] = Place(second.url, second.mark())
    assert second.url == find().url  # type: ignore[attr-defined]  # likewise


def test_without_a_place_saving_is_an_error() -> None:
    """A master that keeps no checkpoints is named as the reason."""
    with pytest.raises(BandmasterError, match="keeps no checkpoints"):
        StoreFinder(lambda: None, RelayedStore(unused, unused))()
