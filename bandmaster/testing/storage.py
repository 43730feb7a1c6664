"""The rules that every storage keeps, as a suite to subclass.

::

    class TestMine(StorageSuite):
        @pytest.fixture
        def url(self, tmp_path):
            return f"mine:///{tmp_path}/a.db"
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bandmaster.core import events as ev
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import (
    CodecError,
    ConfigurationError,
    StorageError,
    StudyBusyError,
    StudyPoisonedError,
)
from bandmaster.multifidelity import HyperBandIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.space import Categorical, Float, Space
from bandmaster.storage import Journal, Storage, open_storage
from bandmaster.study import Study

__all__ = ["EVENTS", "StorageSuite"]

_SPACE = Space([Float("rate", 0, 1), Categorical("kind", (1, "1", 1.0, True, None, (1, (2,))))])
_INFO = {"nested": [1, (2, {"x": 2**70}), b"raw", None], 5: "five"}

EVENTS: tuple[ev.Event, ...] = (
    ev.StudyCreated(1.0, 1, "all", _SPACE.to_dict(), [], 0, "Random", "Flat"),
    ev.PlanSet(2.0, [3, None, None, -1.0]),
    ev.Enqueued(3.0, {"rate": 0.5, "kind": 1}),
    ev.JobIssued(4.0, 0, 0, "w.1", 0, 1.0, {"rate": 0.5, "kind": "1"}, {"a": 1}, 0, 0, None, True),
    ev.JobReported(5.0, 0, 0, 1, {"loss": 0.5}, 0.5, "continue", "chk"),
    ev.JobRequeued(6.0, 0, 0, "gone", True),
    ev.JobIssued(7.0, 0, 1, "w.2", 0, 1.0, None, {}, 0, 0, None, False),
    ev.JobFinished(8.0, 0, 1, Outcome(Status.OK, 0.1, {"acc": 0.5}, _INFO, None, "c", 1, 2, "w.2")),
    ev.JobIssued(9.0, 1, 0, "w.1", 1, 1.0, {"rate": 1.0, "kind": (1, (2,))}, {}, 0, 0, None, False),
    ev.JobReported(9.5, 1, 0, 1, {"loss": 0.25}, 0.25, "stop", None),
    ev.JobFinished(10.0, 1, 0, Outcome.failed("Trace\nback", status=Status.CRASHED, worker="w.1")),
    ev.Imported(11.0, {"kind": True, "rate": 0.0}, 3.0, {}, Outcome(Status.OK, 1.0)),
    ev.JobIssued(12.0, 2, 0, "", 2, 3.0, {"kind": 1.0, "rate": 0.0}, {"a": 2}, 0, 0, "c", False),
    ev.Noted(13.0, "a remark ☃"),
    ev.IntakeClosed(14.0, "enough"),
    ev.Stopped(15.0, "enough"),
)
"""At least one event of each kind; parameters in several orders, values of several types."""


def _study(journal: Journal) -> Study:
    return Study(
        _SPACE,
        optimizer=RandomOptimizer(),
        generator=HyperBandIterGenerator(1, 4, 2),
        journal=journal,
        name="suite",
        seed=7,
    )


class StorageSuite:
    """Subclass it, and override `url`: a fixture that gives an empty storage's URL."""

    reopens = True
    """Whether what one storage object has written is there for the next of the same URL."""

    @pytest.fixture
    def url(self) -> str:
        """Return the URL of an empty storage."""
        raise NotImplementedError

    @pytest.fixture
    def storage(self, url: str) -> Iterator[Storage]:
        """Open the storage, close it after the test."""
        with open_storage(url) as storage:
            yield storage

    @pytest.fixture
    def other(self, storage: Storage, url: str) -> Iterator[Storage]:
        """Open the same storage a second time (the same object when it cannot be)."""
        if not self.reopens:
            yield storage
            return
        with open_storage(url) as other:
            yield other

    # -- events come back --------------------------------------------------------------------------

    def test_every_event_comes_back_equal_and_of_its_types(
        self, storage: Storage, other: Storage
    ) -> None:
        """What was appended is read again, by the writer and by others, from any position."""
        journal = storage.open_journal("s", create=True)
        journal.wait(journal.append(EVENTS))
        for reader in (journal, other.read_journal("s")):
            found = list(reader.read(0))
            assert [repr(e) for e in EVENTS] == [repr(e) for e in found]
            assert list(EVENTS) == found
            for since in (1, 5, len(EVENTS), len(EVENTS) + 3):
                assert list(EVENTS[since:]) == list(reader.read(since))

    def test_positions_count_events(self, storage: Storage) -> None:
        """`append` returns the number of events so far; an empty append changes nothing."""
        journal = storage.open_journal("s", create=True)
        assert 2 == journal.append(EVENTS[:2])
        assert 2 == journal.append([])
        assert 5 == journal.append(EVENTS[2:5])
        journal.wait(5)
        assert [5] == [s.n_events for s in storage.list_studies()]

    def test_a_journal_goes_on_where_it_ended(self, storage: Storage, other: Storage) -> None:
        """Closed and opened again after each event, a journal is the same as in one go."""
        for event in EVENTS:
            journal = storage.open_journal("s", create=True)
            journal.append([event])
            journal.close()
            storage, other = other, storage
        assert list(EVENTS) == list(storage.read_journal("s").read())

    def test_close_makes_durable_what_was_handed_over(
        self, storage: Storage, other: Storage
    ) -> None:
        """Nothing that was appended before is missing after close, waited for or not."""
        journal = storage.open_journal("s", create=True)
        for event in EVENTS * 20:
            journal.append([event])
        journal.close()
        journal.close()
        assert list(EVENTS * 20) == list(other.read_journal("s").read())

    def test_what_was_waited_for_is_there_for_others(
        self, storage: Storage, other: Storage
    ) -> None:
        """After `wait`, other readers see at least so many events, in order."""
        journal, reader = storage.open_journal("s", create=True), other.read_journal("s")
        for n, event in enumerate(EVENTS, start=1):
            journal.wait(journal.append([event]))
            assert list(EVENTS[:n]) == list(reader.read())

    def test_threads_wait_each_for_its_own(self, storage: Storage) -> None:
        """Eight threads that append under a lock and wait without it lose and mix nothing."""
        journal = storage.open_journal("s", create=True)
        lock, errors = threading.Lock(), []

        def work(thread: int) -> None:
            try:
                for i in range(25):
                    with lock:
                        position = journal.append([ev.Noted(float(thread), f"{i}")])
                    journal.wait(position)
            except Exception as error:  # noqa: BLE001 - shown by the assertion below
                errors.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [] == errors
        found = [e for e in journal.read() if isinstance(e, ev.Noted)]
        for n in range(8):
            assert [str(i) for i in range(25)] == [e.text for e in found if e.time == n]

    def test_a_value_that_cannot_be_stored_stores_nothing(self, storage: Storage) -> None:
        """An append is all or nothing, and one that was refused does no harm to the next."""
        if not self.reopens:
            return  # what stays in memory is never encoded
        journal = storage.open_journal("s", create=True)
        bad = ev.Enqueued(1.0, {"x": object()})
        with pytest.raises(CodecError, match="object"):
            journal.append([EVENTS[3], bad])
        journal.wait(journal.append(EVENTS))
        assert list(EVENTS) == list(journal.read())

    def test_waiting_for_what_was_never_appended_is_refused(self, storage: Storage) -> None:
        """`wait` raises for a position that will never be durable, at once."""
        journal = storage.open_journal("s", create=True)
        position = journal.append(EVENTS[:2])
        with pytest.raises(StorageError, match="never"):
            journal.wait(position + 1)

    # -- one writer --------------------------------------------------------------------------------

    def test_a_second_writer_is_refused_by_name(self, storage: Storage, other: Storage) -> None:
        """The error names the study and who holds it; the first one writes on."""
        journal = storage.open_journal("s", create=True, owner="the first")
        with pytest.raises(StudyBusyError, match=r"'s'.*the first"):
            other.open_journal("s", create=True)
        journal.wait(journal.append(EVENTS))
        (summary,) = other.list_studies()
        assert summary.writer is not None
        assert "the first" in summary.writer

    def test_after_close_the_next_one_writes(self, storage: Storage, other: Storage) -> None:
        """A study that was closed is free at once, and the closed journal writes no more."""
        first = storage.open_journal("s", create=True)
        first.append(EVENTS[:1])
        first.close()
        second = other.open_journal("s", create=False)
        with pytest.raises(StorageError):
            first.append(EVENTS[1:2])
        second.wait(second.append(EVENTS[1:]))
        assert list(EVENTS) == list(second.read())

    def test_a_writer_whose_study_was_taken_is_fenced(
        self, storage: Storage, other: Storage
    ) -> None:
        """One that was taken for dead and is not can write nothing more, and hears of it."""
        first = storage.open_journal("s", create=True)
        first.wait(first.append(EVENTS[:3]))
        other.revoke("s")
        second = other.open_journal("s", create=False)
        with pytest.raises(StorageError, match="taken"):
            first.wait(first.append(EVENTS[:3]))
        second.wait(second.append(EVENTS[3:]))
        assert list(EVENTS) == list(other.read_journal("s").read())

    def test_a_study_that_was_taken_says_so_by_itself(
        self, storage: Storage, other: Storage
    ) -> None:
        """Who watches a journal hears that it is lost, and why, also when nothing is written."""
        journal = storage.open_journal("s", create=True, lease_seconds=0.6)
        reasons: list[StorageError] = []
        heard = threading.Event()

        def on_failure(error: StorageError) -> None:
            reasons.append(error)
            heard.set()

        journal.watch(on_failure)
        journal.wait(journal.append(EVENTS[:3]))
        assert [] == reasons
        other.revoke("s")
        assert heard.wait(10)
        assert "'s'" in str(reasons[0])
        late: list[StorageError] = []
        journal.watch(late.append)
        assert 1 == len(late)

    def test_a_study_hears_that_it_was_taken(self, storage: Storage, other: Storage) -> None:
        """Who waits for a study wakes up, and each call says that it must be loaded again."""
        study = _study(storage.open_journal("s", create=True, lease_seconds=0.6))
        study.wait_durable(study.position)
        assert not study.poisoned
        other.revoke("s")
        assert study.wait_for(lambda: False, 10)
        with pytest.raises(StudyPoisonedError, match="load it again"):
            study.ask()

    def test_closing_is_no_failure(self, storage: Storage) -> None:
        """Who watches a journal does not hear of its end."""
        journal = storage.open_journal("s", create=True)
        reasons: list[StorageError] = []
        journal.watch(reasons.append)
        journal.append(EVENTS[:3])
        journal.close()
        assert [] == reasons

    def test_a_standby_takes_over(self, storage: Storage, other: Storage) -> None:
        """With `standby` the second one waits, and writes when the first has closed."""
        first = storage.open_journal("s", create=True, lease_seconds=2.0)
        taken: list[Journal] = []
        thread = threading.Thread(
            target=lambda: taken.append(
                other.open_journal("s", create=False, standby=True, lease_seconds=2.0)
            )
        )
        thread.start()
        first.append(EVENTS[:5])
        assert [] == taken
        first.close()
        thread.join(10)
        (second,) = taken
        second.wait(second.append(EVENTS[5:]))
        assert list(EVENTS) == list(second.read())

    def test_a_reader_does_not_write(self, storage: Storage) -> None:
        """What `read_journal` gives refuses to append, and disturbs no writer."""
        journal = storage.open_journal("s", create=True)
        reader = storage.read_journal("s")
        with pytest.raises(StorageError, match="only reads"):
            reader.append(EVENTS[:1])
        reader.close()
        journal.wait(journal.append(EVENTS))

    # -- many studies ------------------------------------------------------------------------------

    def test_studies_are_apart(self, storage: Storage) -> None:
        """Two studies of a storage have each its own events, writer and position."""
        one, two = (storage.open_journal(name, create=True) for name in ("one", "two"))
        one.wait(one.append(EVENTS[:4]))
        two.wait(two.append(EVENTS[4:]))
        assert (list(EVENTS[:4]), list(EVENTS[4:])) == (list(one.read()), list(two.read()))
        assert [("one", 4), ("two", len(EVENTS) - 4)] == [
            (s.name, s.n_events) for s in storage.list_studies()
        ]

    def test_deleting(self, storage: Storage, other: Storage) -> None:
        """A study is deleted with its events, but not while somebody writes it."""
        journal = storage.open_journal("s", create=True)
        journal.wait(journal.append(EVENTS))
        with pytest.raises(StudyBusyError, match="'s'"):
            other.delete_study("s")
        journal.close()
        other.delete_study("s")
        assert [] == storage.list_studies()
        assert [] == list(storage.open_journal("s", create=True).read())

    def test_unknown_studies_are_named(self, storage: Storage) -> None:
        """The error for a study that is not there names it, and those that are."""
        storage.open_journal("there", create=True).close()
        for call in (
            lambda: storage.open_journal("gone", create=False),
            lambda: storage.read_journal("gone"),
            lambda: storage.delete_study("gone"),
            lambda: storage.revoke("gone"),
        ):
            with pytest.raises(StorageError, match=r"'gone'.*there"):
                call()

    @pytest.mark.parametrize(
        "name", ["a b/c", "ünï☃", "'; DROP TABLE x; --", "%s {x} :y ?", "n" * 200]
    )
    def test_any_text_is_a_name(self, storage: Storage, name: str) -> None:
        """A name is data: spaces, signs and SQL in it mean nothing."""
        journal = storage.open_journal(name, create=True)
        journal.wait(journal.append([ev.Noted(1.0, name)]))
        assert [name] == [s.name for s in storage.list_studies()]
        assert [ev.Noted(1.0, name)] == list(storage.read_journal(name).read())

    @pytest.mark.parametrize("name", ["", "n" * 201, "a\0b"])
    def test_a_name_that_cannot_be_stored_is_refused(self, storage: Storage, name: str) -> None:
        """An empty, overlong or unstorable name is a wrong argument."""
        with pytest.raises(ConfigurationError, match="name"):
            storage.open_journal(name, create=True)

    @pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "30", None])
    def test_a_lease_that_is_no_time_is_refused(self, storage: Storage, seconds: float) -> None:
        """A lease lasts for a positive, finite time; nothing is made or held otherwise."""
        with pytest.raises(ConfigurationError, match="lease_seconds"):
            storage.open_journal("s", create=True, lease_seconds=seconds)
        assert [] == storage.list_studies()

    def test_a_closed_storage_says_so(self, storage: Storage, url: str) -> None:
        """Nothing works after close, which closes journals too; closing twice is closing once."""
        mine = open_storage(url)
        journal = mine.open_journal("mine", create=True)
        mine.close()
        mine.close()
        with pytest.raises(StorageError, match="closed"):
            journal.append(EVENTS)
        with pytest.raises(StorageError, match="closed"):
            mine.open_journal("mine", create=True)

    # -- a study on it -----------------------------------------------------------------------------

    def test_a_study_that_is_loaded_goes_on_as_if_never_stopped(
        self, storage: Storage, other: Storage
    ) -> None:
        """Loaded again after each evaluation, a study makes the same suggestions."""
        whole = _study(storage.open_journal("whole", create=True))
        expected = []
        for n in range(12):
            job = whole.ask(worker="w")
            assert job is not None
            expected.append((job.number, job.budget, dict(job.config)))
            whole.tell(job, n / 10)
        found = []
        for n in range(12):
            journal = other.open_journal("parts", create=True)
            job = (study := _study(journal)).ask(worker="w")
            assert job is not None
            found.append((job.number, job.budget, dict(job.config)))
            study.tell(job, n / 10)
            journal.close()
        assert expected == found
