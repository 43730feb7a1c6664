"""The rules of a dispatcher, as a suite to subclass.

::

    class TestMine(DispatcherSuite):
        def make(self, study, **options):
            return MyDispatcher(study, run_id="suite", **options)
"""

from __future__ import annotations

import abc
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.protocol import Hello, Ticket
from bandmaster.core.codec import pack
from bandmaster.core.decisions import Decision
from bandmaster.core.evaluation import Evaluation
from bandmaster.core.events import Event
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.errors import (
    CodecError,
    ConfigurationError,
    MasterLostError,
    ProtocolError,
    ProtocolVersionError,
    StorageError,
    UnknownJobError,
)
from bandmaster.optimizers import RandomOptimizer
from bandmaster.optimizers.base import Suggestion
from bandmaster.storage import MemoryJournal
from bandmaster.study.study import Study
from bandmaster.testing.fake_workers import FakePeer, FakeWorker, make_study

__all__ = ["DispatcherSuite"]

_LONG = 10.0


class _Broken(MemoryJournal):
    """Keeps nothing when it is broken: it takes no event, or never confirms one."""

    immediate = False

    def __init__(self) -> None:
        super().__init__()
        self.broken = ""

    def append(self, events: Sequence[Event]) -> int:
        self._fail("append")
        return super().append(events)

    def wait(self, position: int) -> None:
        self._fail("wait")

    def _fail(self, what: str) -> None:
        if self.broken == what:
            raise StorageError("the disk is gone")


class DispatcherSuite(abc.ABC):
    """What every dispatcher keeps."""

    @abc.abstractmethod
    def make(self, study: Study, **options: Any) -> Dispatcher:
        """Return a dispatcher of run "suite"; the options are those of `Dispatcher`."""

    @contextmanager
    def started(
        self, n_workers: int = 1, n_evaluations: int = 10, **options: Any
    ) -> Iterator[tuple[Dispatcher, list[FakeWorker]]]:
        """Make a dispatcher that is open, and workers who said hello."""
        study = options.pop("study", None) or make_study(n_evaluations)
        dispatcher = self.make(study, **{"poll": 0.0, **options})
        dispatcher.start()
        dispatcher.open()
        workers = [FakeWorker(dispatcher, f"w{i}") for i in range(n_workers)]
        for worker in workers:
            worker.hello()
        try:
            yield dispatcher, workers
        finally:
            dispatcher.detach()
            for worker in workers:
                worker.drop()
            dispatcher.close()

    def test_outcome_and_next_job_share_a_round_trip(self) -> None:
        """An exchange tells the study how the last job ended and brings the next one."""
        with self.started() as (dispatcher, [worker]):
            first = worker.exchange()
            second = worker.exchange(first, 0.25)
            assert [0.25] == [e.loss for e in dispatcher.study.history]
            assert (0, 1) == (first.number, second.number)

    def test_nothing_to_do_is_answered_wait(self) -> None:
        """With nothing to do the long poll runs out and the caller is told to ask again."""
        with self.started(n_workers=2, n_evaluations=1) as (_, [first, second]):
            assert 0 == first.exchange().number
            assert second.exchange() is None

    def test_nothing_is_handed_out_before_open(self) -> None:
        """A dispatcher that is paused hands out nothing."""
        with self.started() as (dispatcher, [worker]):
            dispatcher.pause()
            assert worker.exchange() is None

    def test_lost_connection_requeues_at_once(self) -> None:
        """The job of a worker whose connection broke goes to the next who asks."""
        with self.started(n_workers=2, n_evaluations=1) as (_, [first, second]):
            job = first.exchange()
            first.drop()
            again = second.exchange()
            assert (job.number, 1) == (again.number, again.attempt)

    def test_only_jobs_that_arrived_use_up_retries(self) -> None:
        """A loss counts if the worker had read the job, and not if it never arrived or he left."""
        study = make_study(1)
        with self.started(n_workers=3, study=study) as (_, [reader, deaf, polite]):
            reader.exchange()
            reader.drop()
            assert 1 == study.open_jobs[0].lost
            deaf.exchange()
            deaf.drop(read_everything=False)
            polite.exchange()
            polite.goodbye()
            assert 1 == study.open_jobs[0].lost

    def test_parked_worker_gets_the_requeued_job(self) -> None:
        """A worker that waits is woken when a job comes back."""
        with self.started(n_workers=2, n_evaluations=1, poll=_LONG) as (_, workers):
            first, second = workers
            first.exchange()
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(second.exchange)
                assert second.peer.parked.wait(_LONG)
                first.drop()
                assert 0 == waiting.result(_LONG).number

    def test_as_many_are_woken_as_there_are_jobs_first_come_first_served(self) -> None:
        """One new job wakes one waiter, the one that waits longest."""
        with self.started(n_workers=4, n_evaluations=1, poll=_LONG) as (dispatcher, workers):
            holder, *others = workers
            holder.exchange()
            with ThreadPoolExecutor(3) as pool:
                waiting: list[Future[Any]] = []
                for worker in others:
                    waiting.append(pool.submit(worker.exchange))
                    assert worker.peer.parked.wait(_LONG)
                holder.drop()
                assert 0 == waiting[0].result(_LONG).number
                assert 1 == dispatcher.waiters.n_woken
                assert 2 == len(dispatcher.waiters)
                dispatcher.stop("over")
                assert ["over", "over"] == [w.result(_LONG) for w in waiting[1:]]

    def test_raised_plan_wakes_everyone_it_has_work_for(self) -> None:
        """Each that gets a job wakes the next as long as there is more."""
        with (
            self.started(n_workers=3, n_evaluations=0, poll=_LONG) as (dispatcher, workers),
            ThreadPoolExecutor(3) as pool,
        ):
            waiting = []
            for worker in workers:
                waiting.append(pool.submit(worker.exchange))
                assert worker.peer.parked.wait(_LONG)
            dispatcher.study.set_plan(Plan(n_evaluations=3))
            dispatcher.wake()
            # Who gets a job wakes the next before he answers, so only the set is certain.
            assert {0, 1, 2} == {w.result(_LONG).number for w in waiting}

    def test_job_goes_past_a_waiter_that_died(self) -> None:
        """A worker that dies while it waits gets nothing; the next in the queue does."""
        with self.started(n_workers=3, n_evaluations=1, poll=_LONG) as (dispatcher, workers):
            holder, dead, alive = workers
            holder.exchange()
            with ThreadPoolExecutor(2) as pool:
                first = pool.submit(dead.exchange)
                assert dead.peer.parked.wait(_LONG)
                second = pool.submit(alive.exchange)
                assert alive.peer.parked.wait(_LONG)
                dead.peer.close()
                assert first.result(_LONG) is None
                holder.drop()
                assert 0 == second.result(_LONG).number
                assert 1 == dispatcher.study.open_jobs[0].lost

    def test_late_disconnect_leaves_a_reclaimed_job_alone(self) -> None:
        """An old connection that ends late takes nothing away from the new one."""
        with self.started(n_evaluations=1) as (dispatcher, workers):
            job = workers[0].exchange()
            ticket = Ticket(workers[0].hello().study, job.number, job.attempt)
            back = FakeWorker(dispatcher, "w0")
            workers.append(back)
            assert back.hello(running=ticket).keep
            workers[0].drop()
            workers.pop(0)
            assert not dispatcher.study.open_jobs[0].waiting
            assert back.exchange(job, 0.5) is None
            assert [0.5] == [e.loss for e in dispatcher.study.history]

    def test_worker_that_is_back_early_has_lost_its_old_connection(self) -> None:
        """A worker has one connection: what was on the way through the last one is issued again."""
        with self.started(n_evaluations=1) as (dispatcher, [worker]):
            lost = worker.exchange()
            last, worker.peer = worker.peer, FakePeer()
            assert not worker.hello().keep
            assert last.closed
            job = worker.exchange()
            assert (lost.number, 1) == (job.number, job.attempt)
            assert 0 == dispatcher.study.open_jobs[0].lost
            dispatcher.disconnected(last)
            last.free()
            assert worker.exchange(job, 0.5) is None
            assert [(1, 0.5)] == [(e.attempt, e.loss) for e in dispatcher.study.history]

    def test_workers_of_one_name_are_told_apart(self) -> None:
        """Two machines may have the same host name: neither ends the other's connection."""
        with self.started(n_evaluations=2) as (dispatcher, [worker]):
            job = worker.exchange()
            twin = FakeWorker(dispatcher, worker.name)
            twin.hello(control="10.0.0.7:1234")
            assert not worker.peer.closed
            assert 1 == twin.exchange().number
            assert worker.exchange(job, 0.5) is None
            twin.drop()

    @pytest.mark.parametrize("how", ["append", "wait"])
    def test_outcome_that_cannot_be_stored_is_not_acknowledged(self, how: str) -> None:
        """Its worker keeps it for the next master, also when it brings it with a hello."""
        journal = _Broken()
        study = make_study(2, journal=journal)
        with self.started(study=study) as (dispatcher, [worker]):
            ticket = Ticket(worker.hello().study, 0, 0)
            assert worker.exchange() == Job.from_wire(study.open_jobs[0].job.to_wire())
            journal.broken = how
            with pytest.raises(MasterLostError):
                worker.exchange(study.open_jobs[0].job, 0.5)
            assert isinstance(dispatcher.failure, StorageError)
            with pytest.raises(MasterLostError):
                worker.hello(finished=((ticket, Outcome(Status.OK, 0.5)),))
            with pytest.raises(MasterLostError):
                worker.goodbye(finished=(ticket, Outcome(Status.OK, 0.5)))
            assert worker.exchange() is None  # those who bring nothing wait

    def test_an_optimizer_that_raises_swallows_no_outcome(self) -> None:
        """What could not be applied was not stored either: its worker keeps it."""

        class Forgetful(RandomOptimizer):
            def tell(self, evaluation: Evaluation) -> None:
                raise LookupError("what was that?")

        study = make_study(2, optimizer=Forgetful(), journal=_Broken())
        with self.started(n_workers=2, study=study) as (dispatcher, [first, second]):
            jobs = first.exchange(), second.exchange()
            for worker, job in zip((first, second), jobs, strict=True):
                with pytest.raises(MasterLostError):
                    worker.exchange(job, 0.5)
            assert "what was that?" == str(dispatcher.failure)

    def test_outcome_that_could_not_be_handed_over_counts(self) -> None:
        """A worker brings an outcome with its hello when it had lost its master."""
        with self.started(n_workers=2, n_evaluations=1) as (dispatcher, [first, second]):
            job = first.exchange()
            first.drop()
            ticket = Ticket(second.hello().study, job.number, job.attempt)
            second.hello(finished=((ticket, Outcome(Status.OK, 0.5)),))
            assert [0.5] == [e.loss for e in dispatcher.study.history]

    def test_outcome_of_another_study_is_dropped(self) -> None:
        """Job numbers mean nothing to a study that was started afresh."""
        with self.started() as (dispatcher, [worker]):
            worker.exchange()
            worker.hello(finished=((Ticket("another", 0, 0), Outcome(Status.OK, 0.5)),))
            assert [] == list(dispatcher.study.history)

    def test_first_good_outcome_of_any_attempt_wins(self) -> None:
        """After a requeue both attempts may come in; the first counts, the other is ignored."""
        with self.started(n_workers=2, n_evaluations=1) as (dispatcher, [first, second]):
            old = first.exchange()
            first.drop()
            new = second.exchange()
            first.peer = FakePeer()
            first.hello()
            first.exchange(old, 0.5)
            second.exchange(new, 0.75)
            assert [0.5] == [e.loss for e in dispatcher.study.history]

    def test_restarted_dispatcher_waits_for_workers_that_are_out(self) -> None:
        """A job that the study says is out is not issued again while its worker may come back."""
        study = make_study(1)
        job = study.ask(worker="away")
        assert job is not None
        with self.started(n_workers=2, study=study) as (_, [owner, other]):
            assert other.exchange() is None
            ticket = Ticket(other.hello().study, job.number, job.attempt)
            assert owner.hello(running=ticket).keep
            assert owner.exchange(job, 0.5) is None
            assert [0.5] == [e.loss for e in study.history]

    def test_worker_that_is_back_without_its_job_never_had_it(self) -> None:
        """The job was lost on its way: it is issued again at once, at no cost."""
        study = make_study(1)
        study.ask(worker="w0")
        with self.started(study=study) as (_, [worker]):
            assert (0, 1) == ((job := worker.exchange()).number, job.attempt)
            assert 0 == study.open_jobs[0].lost

    def test_job_that_nobody_claims_is_issued_again(self) -> None:
        """After the grace period a job whose worker did not come back is requeued, at no cost."""
        study = make_study(1)
        study.ask(worker="lost")
        with self.started(study=study, grace=0.01, poll=_LONG) as (_, [worker]):
            assert (0, 1) == ((job := worker.exchange()).number, job.attempt)
            assert 0 == study.open_jobs[0].lost

    def test_silent_job_is_taken_away(self) -> None:
        """After job_timeout a job is requeued and its connection closed, though it looks well."""
        options = {"job_timeout": 0.02, "poll": _LONG}
        with self.started(n_workers=2, n_evaluations=1, **options) as (_, [hung, other]):
            hung.exchange()
            job = other.exchange()
            assert (0, 1, True) == (job.number, job.attempt, hung.peer.closed)

    def test_job_that_is_silent_too_often_times_out(self) -> None:
        """When its retries are used up, the job ends with status TIMEOUT."""
        study = make_study(1, max_retries=0)
        with self.started(study=study, job_timeout=0.01) as (_, [worker]):
            worker.exchange()
            assert study.wait_finished(_LONG)
            assert [Status.TIMEOUT] == [e.status for e in study.history]

    def test_an_evaluation_that_shall_stop_hears_it_when_it_reports(self) -> None:
        """It is asked only: who cannot be reached hears it with his next call; his outcome counts.

        Whoever has another job by now hears nothing.
        """
        told: list[tuple[int, bool]] = []
        options: Any = {"on_stop": lambda _, held, at_once: told.append((held.job, at_once))}
        with self.started(**options) as (dispatcher, [worker]):
            dispatcher.ask_to_stop((before := worker.exchange()).number, 7)
            job = worker.exchange(before, 0.75)
            dispatcher.ask_to_stop(before.number, before.attempt)
            assert [] == told
            assert Decision.CONTINUE is worker.report(job, loss=1.0)
            dispatcher.ask_to_stop(job.number, job.attempt)
            assert [(job.number, False)] == told
            assert Decision.STOP is worker.report(job, loss=1.0)
            worker.exchange(job, 0.5)
            assert [0.75, 0.5] == [e.loss for e in dispatcher.study.history]

    def test_cancelled_job_ends_at_once_and_gives_its_place_to_another(self) -> None:
        """It ends STOPPED; its evaluation hears it at once or when it reports; the rest goes on."""
        told: list[tuple[str, int, bool]] = []
        options = {
            "on_stop": lambda session, held, at_once: told.append(
                (session.worker, held.job, at_once)
            )
        }
        with self.started(n_workers=2, n_evaluations=2, **options) as (dispatcher, workers):
            first, other = workers
            job = first.exchange()
            assert dispatcher.cancel(job.number, "not needed")
            assert [("w0", 0, True)] == told
            assert [(Status.STOPPED, "not needed", "w0")] == [
                (e.status, e.error, e.worker) for e in dispatcher.study.history
            ]
            assert 1 == other.exchange().number
            assert Decision.STOP is first.report(job, loss=1.0)
            assert first.exchange(job, 0.5) is None
            assert 1 == len(dispatcher.study.history)

    def test_cancelling_again_does_nothing_and_an_unknown_job_is_an_error(self) -> None:
        """A job that waits for another worker ends too, and nobody is told."""
        with self.started(n_evaluations=1, on_stop=pytest.fail) as (dispatcher, [worker]):
            job = worker.exchange()
            worker.goodbye()
            assert [True, False] == [dispatcher.cancel(job), dispatcher.cancel(job.number)]
            assert dispatcher.study.finished
            with pytest.raises(UnknownJobError, match="job 1 was never issued"):
                dispatcher.cancel(1)

    def test_a_failure_that_is_tried_again_goes_to_who_asks_next(self) -> None:
        """The same job, the next attempt, before anything new."""
        study = make_study(2, retry_failed=1)
        with self.started(study=study) as (_, [worker]):
            job = worker.exchange()
            again = worker.exchange(job, Outcome.failed("boom"))
            assert (job.number, 1) == (again.number, again.attempt)
            assert 1 == worker.exchange(again, Outcome.failed("boom")).number
            assert [Status.FAILED] == [e.status for e in study.history]

    def test_drained_is_what_hands_out_nothing_and_waits_for_nobody(self) -> None:
        """What is out may end; what is lost meanwhile waits for another run, after `begin`."""
        with self.started(n_workers=3, n_evaluations=3) as (dispatcher, [first, second, third]):
            out, lost = first.exchange(), second.exchange()
            dispatcher.drain("Ctrl-C")
            assert (third.exchange(), dispatcher.drained) == (None, False)
            assert Decision.CONTINUE is first.report(out, loss=1.0)
            second.drop()
            assert not dispatcher.drained
            assert first.exchange(out, 0.5) is None
            assert dispatcher.drained
            assert (None, [0.5]) == (
                dispatcher.study.stopped,
                [e.loss for e in dispatcher.study.history],
            )
            dispatcher.open()
            assert (None, True) == (third.exchange(), dispatcher.drained)
            dispatcher.begin()
            dispatcher.open()
            assert not dispatcher.drained
            assert (lost.number, 1) == ((job := third.exchange()).number, job.attempt)

    def test_report_of_a_job_that_is_not_yours_is_answered_stop(self) -> None:
        """An attempt that was given away has nothing to go on for."""
        with self.started(n_workers=2) as (_, [first, second]):
            assert Decision.STOP is second.report(first.exchange(), loss=1.0)

    def test_strangers_are_refused(self) -> None:
        """Another run, another version, no hello, an unknown method: typed errors."""
        with self.started() as (dispatcher, [worker]):
            other = Hello("other", "w", "host", 1).encode()
            with pytest.raises(ConfigurationError, match="'other'"):
                dispatcher.handle(worker.peer, "hello", other)
            with pytest.raises(ProtocolVersionError, match="version 99"):
                dispatcher.handle(worker.peer, "hello", pack([99, "of a later release"]))
            with pytest.raises(ProtocolError, match="nonsense"):
                dispatcher.handle(worker.peer, "nonsense", b"")
            with pytest.raises(ProtocolError, match="hello first"):
                FakeWorker(dispatcher).exchange()

    @pytest.mark.parametrize(
        "outcome",
        [
            ["ok", float("nan"), {}, None, None, None, 0.0, 0.0, "w"],
            ["ok", "0.5", {}, None, None, None, 0.0, 0.0, "w"],
            ["nonsense", 0.5, {}, None, None, None, 0.0, 0.0, "w"],
            ["ok", 0.5, {"a": "b"}, None, None, None, 0.0, 0.0, "w"],
            ["ok", 0.5, {}, None, None, None, 0.0, "now", "w"],
            ["ok", 0.5],
            None,
        ],
    )
    def test_malformed_outcome_never_reaches_the_study(self, outcome: Any) -> None:
        """What a peer sends is checked field by field, and the study lives on."""
        with self.started() as (dispatcher, [worker]):
            job = worker.exchange()
            with pytest.raises(ProtocolError):
                dispatcher.handle(worker.peer, "exchange", pack([job.number, 0, outcome]))
            assert dispatcher.failure is None
            assert 1 == worker.exchange(job, 0.5).number

    def test_failing_optimizer_ends_the_run_and_leaves_workers_waiting(self) -> None:
        """An exception of the user's optimizer is kept for the driving thread; workers wait."""

        class Broken(RandomOptimizer):
            def ask(self, *_: Any, **__: Any) -> Any:
                raise LookupError("the optimizer is broken")

        study = make_study(3, optimizer=Broken())
        with self.started(study=study) as (dispatcher, [worker]):
            assert worker.exchange() is None
            assert "the optimizer is broken" == str(dispatcher.failure)
            assert worker.exchange() is None

    def test_a_job_that_cannot_be_sent_ends_the_run_and_no_worker(self) -> None:
        """What an optimizer says of its proposal has to be plain data."""

        class Chatty(RandomOptimizer):
            def ask(self, *given: Any) -> Suggestion:
                return Suggestion(super().ask(*given).config, {"model": object()})

        study = make_study(3, optimizer=Chatty())
        with self.started(study=study) as (dispatcher, [worker]):
            assert worker.exchange() is None
            assert isinstance(dispatcher.failure, CodecError)

    def test_a_report_that_cannot_be_kept_is_refused(self) -> None:
        """It ends neither the run nor the evaluation of another worker."""
        with self.started() as (dispatcher, [worker]):
            job, nested = worker.exchange(), json.loads("[" * 100 + "]" * 100)
            with pytest.raises(CodecError):
                worker.report(job, loss=nested)
            assert dispatcher.failure is None
