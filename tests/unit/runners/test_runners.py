"""The serial and the batch runner, by the rules that both keep."""

import contextlib
import itertools
import linecache
import math
import os
import signal
import subprocess
import sys

import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from bandmaster.core.clock import ManualClock
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.errors import StudyPoisonedError
from bandmaster.facade import Study
from bandmaster.interrupts import Interrupts
from bandmaster.multifidelity import HyperBandIterGenerator
from bandmaster.runners import run_batches, run_serial
from bandmaster.runners.batch import _run_batch
from bandmaster.study.critical import CRITICAL
from bandmaster.study.follower import Follower

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


def serial(study, function, *, callbacks=(), **options):
    """Run in this thread."""
    run_serial(study, function, follower=Follower(study, callbacks=callbacks), **options)


def batches(study, function, *, callbacks=(), **options):
    """Run two at a time."""
    run_batches(study, function, 2, follower=Follower(study, callbacks=callbacks), **options)


RUNNERS = pytest.mark.parametrize("run", [serial, batches])


def make(plan, **options):
    """Return a planned study of random search."""
    study = Study(SPACE, optimizer="Random", **options)
    study.set_plan(plan)
    return study


@RUNNERS
def test_a_plan_is_run_to_its_end_with_times_and_workers(run):
    """Every evaluation is in the history, timed by who ran it."""
    study = make(Plan(n_trials=5))
    run(study, lambda config: config["x"])
    assert study.finished
    assert [e.config["x"] for e in study.history] == study.history.losses.tolist()
    assert all(0 < e.started <= e.finished for e in study.history)
    assert all(e.worker for e in study.history)


@RUNNERS
def test_brackets_run_to_their_end(run):
    """A synchronous rung does not make a runner stop too early."""
    generator = HyperBandIterGenerator(1, 9, 3)
    study = make(Plan(n_iterations=3), generator=generator)
    run(study, lambda config, budget: config["x"] / budget)
    assert generator.num_all_configs(3) == len(study.history)


@RUNNERS
def test_failures_are_data(run):
    """Exceptions, NaN and sys.exit fail their evaluation, and the run goes on."""

    def bad(config, job):
        if job.trial == 0:
            raise ValueError("boom")
        if job.trial == 1:
            return math.nan
        if job.trial == 2:
            raise SystemExit(1)
        return 1.0

    study = make(Plan(n_trials=4))
    run(study, bad)
    by_trial = {e.trial: e for e in study.history}
    assert [Status.FAILED] * 3 + [Status.OK] == [by_trial[t].status for t in range(4)]
    assert "boom" in by_trial[0].error


@RUNNERS
def test_what_is_not_caught_ends_the_run_and_loses_no_job(run):
    """The study can go on afterwards with the job that was interrupted."""

    def bad(config):
        raise KeyError("boom")

    study = make(Plan(n_trials=3))
    with pytest.raises(KeyError, match="boom"):
        run(study, bad, catch=(ValueError,))
    assert all(entry.waiting for entry in study.open_jobs)
    run(study, lambda config: 1.0)
    assert [0, 1, 2] == sorted(e.trial for e in study.history)


@RUNNERS
def test_an_interrupt_between_two_evaluations_loses_no_job(run, monkeypatch):
    """Ctrl-C after a job was asked or evaluated, and before it is told, leaves it waiting."""
    study = make(Plan(n_trials=3))

    def interrupted(job, outcome):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(study, "tell", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(study, lambda config: 1.0)
    assert study.open_jobs
    assert all(entry.waiting for entry in study.open_jobs)
    run(study, lambda config: 1.0)
    assert [0, 1, 2] == sorted(e.trial for e in study.history)
    assert study.finished


@RUNNERS
def test_a_callback_sees_each_evaluation_once_and_can_stop(run):
    """Stopping issues nothing new."""
    seen = []

    def stop_at_four(study, evaluation):
        seen.append(evaluation.job)
        if len(seen) == 4:
            study.stop("four are enough")

    study = make(Plan(n_trials=100))
    run(study, lambda config: 1.0, callbacks=[stop_at_four])
    assert [0, 1, 2, 3] == seen
    assert ("four are enough", 4) == (study.stopped, len(study.history))


def test_after_a_timeout_who_reports_is_asked_to_stop():
    """As a worker process is; what is returned then counts."""
    clock, heard = ManualClock(), []

    def patient(config, context):
        while not context.should_stop:
            clock.advance(4.0)
            heard.append(context.report(1.0, auto_stop=False).value)
        return 1.0

    study = make(Plan(n_trials=100))
    serial(study, patient, timeout=10.0, clock=clock)
    assert ["continue", "continue", "stop"] == heard
    assert [1.0] == [e.loss for e in study.history]
    assert "timeout of 10 s" == study.stopped


def test_a_timeout_is_looked_at_between_evaluations():
    """A running evaluation finishes; then the study is stopped with the reason."""
    clock = ManualClock()
    study = make(Plan())

    def slow(config):
        clock.advance(4.0)
        return 1.0

    serial(study, slow, timeout=10.0, clock=clock)
    assert 3 == len(study.history)
    assert "timeout" in study.stopped


def test_batches_run_in_other_processes_and_take_closures():
    """A lambda that closes over local data is sent to joblib's workers."""
    offset = 5
    study = make(Plan(n_trials=4))
    batches(study, lambda config: {"loss": offset, "info": os.getpid()})
    assert [5.0] * 4 == study.history.losses.tolist()
    assert os.getpid() not in {e.info for e in study.history}


def test_an_evaluation_reports_through_its_context():
    """In this thread a report reaches the study at once."""
    study = make(Plan(n_trials=1))
    answers = []

    def reporting(config, context):
        answers.append(context.report({"loss": 2.0}))
        study.stop("now")
        answers.append(context.report({"loss": 1.0}, auto_stop=False))
        return 1.0

    serial(study, reporting)
    assert ["CONTINUE", "STOP"] == [answer.name for answer in answers]


def test_an_interrupt_inside_ask_never_leaves_the_study_locked():
    """Ctrl-C at any moment must not hang whoever asks or requeues next."""
    for moment in range(40):
        study = make(Plan(n_trials=2))
        left = moment

        def interrupt(frame, event, arg):
            nonlocal left
            left -= event in ("line", "return")
            if left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
            return interrupt

        before = sys.gettrace()
        with contextlib.suppress(KeyboardInterrupt):
            sys.settrace(interrupt)
            study.ask()
        sys.settrace(before)
        assert not study._lock.locked()


@contextlib.contextmanager
def at_moment(n, act):
    """Call `act` at the n-th line or return of the study's code."""
    left = n

    def trace(frame, event, arg):
        nonlocal left
        if f"{os.sep}study{os.sep}" not in frame.f_code.co_filename:
            return None
        left -= event in ("line", "return")
        if left < 0 and not is_with(frame):
            sys.settrace(None)
            act()
        return trace

    def is_with(frame):
        # Between a block and the release of its lock, which is no place where Python looks for
        # signals, tracing shows the line of the `with` once more.
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        return line.lstrip().startswith("with ")

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def ctrl_c_twice():
    """As an impatient user does."""
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


def test_two_interrupts_anywhere_in_the_study_lose_and_poison_nothing():
    """The run ends with KeyboardInterrupt, what was out waits, and another run ends as planned."""
    for moment in range(0, 300, 3):
        study = make(Plan(n_trials=3), retry_failed=1)
        interrupts = Interrupts("it", unsafe=CRITICAL)
        with contextlib.suppress(KeyboardInterrupt), interrupts, at_moment(moment, ctrl_c_twice):
            serial(study, lambda config: 1.0, interrupts=interrupts)
        assert all(entry.waiting for entry in study.open_jobs), moment
        serial(study, lambda config: 1.0)
        assert [0, 1, 2] == sorted(e.job for e in study.history), moment


def test_an_interrupt_without_protection_in_a_commit_is_never_silent():
    """By hand, with Python's own handler: the study says that it has to be loaded again."""
    poisoned = 0
    for moment in range(0, 150, 2):
        study = make(Plan(n_trials=3))
        with (
            contextlib.suppress(KeyboardInterrupt),
            at_moment(moment, lambda: signal.default_int_handler(2, None)),
        ):
            study.tell(study.ask(), 1.0)
        try:
            study.ask()
        except StudyPoisonedError:
            poisoned += 1
    assert poisoned


@RUNNERS
def test_a_first_interrupt_ends_a_run_after_what_it_is_doing(run):
    """What was evaluated is told, nothing new starts, and nothing is raised."""
    study = make(Plan(n_trials=1000))

    def interrupt(study, evaluation):
        if not interrupts.draining:
            signal.raise_signal(signal.SIGINT)

    with Interrupts("it") as interrupts:
        run(study, lambda config: 1.0, callbacks=[interrupt], interrupts=interrupts)
    assert (len(study.history), []) == (study.n_jobs, study.open_jobs)
    assert 1 <= len(study.history) <= 2
    assert not study.finished


def batches_of(study, n_jobs, deadly, interrupts=None):
    """Run batches without processes, of which some "die"; return the trials of each attempt."""
    attempts, killers = [], set()
    interrupts = interrupts or Interrupts("it", enabled=False)

    def evaluate_all(jobs):
        attempts.append([job.trial for job in jobs])
        if any(deadly(job) for job in jobs):
            raise TerminatedWorkerError("The exit codes of the workers are {SIGKILL(-9)}")
        return [Outcome(Status.OK, float(job.trial)) for job in jobs]

    while not interrupts.draining:
        jobs = [job for job in (study.ask() for _ in range(n_jobs)) if job is not None]
        if not jobs:
            break
        _run_batch(study, jobs, evaluate_all, killers, interrupts)
    return attempts


def test_who_kills_a_batch_is_found_and_stays_alone():
    """The others of its batch run again once, and no later batch suffers from it."""
    study = make(Plan(n_trials=6), max_retries=2)
    attempts = batches_of(study, 3, lambda job: job.trial == 1)
    assert [[0, 1, 2], [0], [1], [2], [3, 4], [1], [5], [1]] == attempts
    ends = {e.trial: e.status for e in study.history}
    assert {1: Status.CRASHED} == {t: s for t, s in ends.items() if s is not Status.OK}
    assert set(range(6)) == set(ends)


def test_a_batch_that_is_taken_apart_ends_when_the_search_is_interrupted():
    """What had not begun by then is given back."""
    study = make(Plan(n_trials=3))
    with Interrupts("it") as interrupts:
        calls = itertools.count()

        def deadly(job):
            call = next(calls)
            if call == 3:  # after the three of the batch: the first one alone
                signal.raise_signal(signal.SIGINT)
            return call == 2

        attempts = batches_of(study, 3, deadly, interrupts)
    assert [[0, 1, 2], [0]] == attempts
    assert [True, True] == [entry.waiting for entry in study.open_jobs]


def test_what_fails_after_ctrl_c_is_left_to_the_next_run(caplog):
    """The signal may have reached what the evaluation had started; what ends well counts."""
    study = make(Plan(n_trials=3))

    def broken(config, job):
        if job.number == 1:
            signal.raise_signal(signal.SIGINT)
            raise OSError("sleep died of signal 2")
        return 1.0

    with Interrupts("it") as interrupts:
        serial(study, broken, interrupts=interrupts)
    assert [0] == [e.job for e in study.history]
    assert [True] == [entry.waiting for entry in study.open_jobs]
    assert "sleep died of signal 2" in caplog.text
    serial(study, lambda config: 1.0)
    assert [True] * 3 == [e.ok for e in study.history]


def test_a_fork_that_an_evaluation_leaves_is_no_second_search(tmp_path):
    """It ends where its evaluation does, in silence."""
    program = (
        "import os\n"
        "from bandmaster import fmin\n"
        "def f(config, job):\n"
        "    if job.number == 0 and (pid := os.fork()):\n"
        "        os.waitpid(pid, 0)\n"
        "    return 1.0\n"
        "space = {'x': {'_type': 'uniform', '_value': [0, 1]}}\n"
        "result = fmin(f, space, 'Random', n_iterations=3, show_progressbar=False)\n"
        "print(len(result.evaluations), flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "3\n" == done.stdout
