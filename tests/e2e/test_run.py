"""Runs with real worker processes: joining, leaving, restarts, several at once."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import QUICK, SLOW, Cluster, running, wait_until
from programs import Program

from bandmaster import HyperBandIterGenerator, Master, Worker
from bandmaster.core.evaluation import Evaluation
from bandmaster.errors import ConfigurationError, NameServerError
from bandmaster.storage import MemoryJournal
from bandmaster.study.study import Study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where scripts and outputs go."""
    return tmp_path


def test_workers_may_start_before_master_and_join_later(folder: Path) -> None:
    """One worker waits for its master, another joins in the middle; both work, both leave."""
    with Cluster(folder) as cluster:
        early = cluster.worker(SLOW.format(seconds=0.02), "early")
        early.wait_for(lambda p: "start listening" in p.err)
        master = cluster.master()
        with running(master, n_trials=60) as run:
            wait_until(lambda: len(master.study.history) > 5)
            late = cluster.worker(SLOW.format(seconds=0.02), "late")
            result = run.result()
        master.shutdown()
        assert [0, 0] == [early.finish(5), late.finish(5)]
        assert {"early", "late"} == {e.worker.rsplit(".", 1)[1] for e in result.history}
        assert [] == early.bad_lines + late.bad_lines


def test_waiting_worker_is_woken_by_its_master(folder: Path) -> None:
    """A master calls the workers that wait for it: the first result does not wait for backoff."""
    with Cluster(folder) as cluster:
        worker = cluster.worker()
        worker.wait_for(lambda p: "start listening" in p.err)
        time.sleep(3)  # by now it looks every few seconds only
        began = time.monotonic()
        cluster.master().run(n_trials=1)
        assert time.monotonic() - began < 1


def test_run_goes_on_with_a_larger_plan(folder: Path) -> None:
    """A second call of run continues the same study; workers wait in between."""
    with Cluster(folder) as cluster:
        cluster.worker()
        master = cluster.master()
        assert 3 == len(master.run(n_trials=3).history)
        assert 8 == len(master.run(n_trials=8).history)


def test_hyperband_spends_its_plan_exactly(folder: Path) -> None:
    """130 evaluations for 30 brackets of (1/4, 1, eta 2), with workers that come and go."""
    with Cluster(folder) as cluster:
        workers = [cluster.worker(QUICK, number) for number in range(2)]
        master = cluster.master(iter_generator=HyperBandIterGenerator(1 / 4, 1, 2))
        with running(master, n_iterations=30) as run:
            wait_until(lambda: len(master.study.history) > 10)
            workers[0].process.kill()
            history = run.result().history
        counts = [int((history.column("budget") == b).sum()) for b in (1 / 4, 1 / 2, 1)]
        assert [40, 40, 50] == counts


def test_killed_workers_job_runs_elsewhere_within_a_second(folder: Path) -> None:
    """kill -9 in the middle of a job: another worker has it at once."""
    with Cluster(folder) as cluster:
        master = cluster.master()
        first = cluster.worker(SLOW.format(seconds=60), "first")
        with running(master, n_trials=1) as run:
            first.wait_for(lambda p: "begins" in p.out)
            second = cluster.worker(QUICK, "second")
            wait_until(lambda: master.n_workers == 2)
            first.process.kill()
            assert wait_until(lambda: len(master.study.history)) < 1
            [evaluation] = run.result().history
        assert (1, "second") == (evaluation.attempt, evaluation.worker.rsplit(".", 1)[1])
        assert second.process.poll() is None


BOTH_SIGNALS = pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)


@BOTH_SIGNALS
def test_an_interrupted_worker_hands_its_outcome_over(
    folder: Path, signum: signal.Signals, code: int
) -> None:
    """The first Ctrl-C or SIGTERM lets the evaluation end, and takes no other job."""
    with Cluster(folder) as cluster:
        master = cluster.master()
        first = cluster.worker(SLOW.format(seconds=0.7), "first")
        with running(master, n_trials=2) as run:
            first.wait_for(lambda p: "begins" in p.out)
            first.process.send_signal(signum)
            assert code == first.finish(5)
            assert (1, 1) == (first.out.count("begins"), first.out.count("ends"))
            assert [(0, True)] == [(e.attempt, e.ok) for e in master.study.history]
            cluster.worker(QUICK, "second")
            assert 2 == len(run.result().history)
        assert [] == first.bad_lines


@BOTH_SIGNALS
def test_a_worker_interrupted_twice_gives_its_job_back(
    folder: Path, signum: signal.Signals, code: int
) -> None:
    """A clean goodbye at once, no retry is used up, the usual exit code."""
    with Cluster(folder) as cluster:
        master = cluster.master(max_retries=0)
        first = cluster.worker(SLOW.format(seconds=60), "first")
        with running(master, n_trials=1) as run:
            first.wait_for(lambda p: "begins" in p.out)
            first.process.send_signal(signum)
            first.wait_for(lambda p: "is interrupted" in p.err)
            first.process.send_signal(signum)
            assert code == first.finish(3)
            cluster.worker(QUICK, "second")
            [evaluation] = run.result().history
        assert evaluation.ok
        assert [] == first.bad_lines


def test_stopped_worker_is_noticed_by_job_timeout(folder: Path) -> None:
    """SIGSTOP: its kernel still answers, so the master's job_timeout takes the job away."""
    with Cluster(folder) as cluster:
        master = cluster.master(job_timeout=0.5)
        hung = cluster.worker(SLOW.format(seconds=2), "hung")
        with running(master, n_trials=1) as run:
            hung.wait_for(lambda p: "begins" in p.out)
            hung.process.send_signal(signal.SIGSTOP)
            cluster.worker(QUICK, "second")
            [evaluation] = run.result().history
            assert (1, True) == (evaluation.attempt, evaluation.ok)
            hung.process.send_signal(signal.SIGCONT)
            # It finds its master again, and its late outcome is judged by the study.
            hung.wait_for(lambda p: "lost its master" in p.err)
            wait_until(lambda: master.n_workers == 2)
        assert 1 == len(master.study.history)


def test_master_restart_loses_no_computation(folder: Path) -> None:
    """A worker that computes while its master is replaced hands the outcome to the new one."""
    journal = MemoryJournal()
    with Cluster(folder) as cluster:
        worker = cluster.worker(SLOW.format(seconds=1.5))
        first = cluster.master(journal=journal)
        with running(first, n_trials=2) as run:
            worker.wait_for(lambda p: "begins" in p.out)
            first.shutdown(shutdown_workers=False)
            kept = list(journal.read())
            first.study.stop("only this process's copy")
        del run
        second = cluster.master(journal=MemoryJournal(kept))
        history = second.run(n_trials=2).history
        assert [(0, True), (0, True)] == [(e.attempt, e.ok) for e in history]
        assert 2 == worker.out.count("begins")


def test_outcome_is_kept_while_there_is_no_master(folder: Path) -> None:
    """A job that ends between two masters is handed to the second."""
    journal = MemoryJournal()
    with Cluster(folder) as cluster:
        worker = cluster.worker(SLOW.format(seconds=0.5))
        first = cluster.master(journal=journal)
        with running(first, n_trials=1):
            worker.wait_for(lambda p: "begins" in p.out)
            first.shutdown(shutdown_workers=False)
            kept = list(journal.read())
        worker.wait_for(lambda p: "lost its master" in p.err)
        [evaluation] = cluster.master(journal=MemoryJournal(kept)).run(n_trials=1).history
        assert (0, True) == (evaluation.attempt, evaluation.ok)
        assert 1 == worker.out.count("begins")


def test_two_runs_at_once(folder: Path) -> None:
    """Runs on one machine do not see each other's workers."""
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    with Cluster(folder / "a", "a") as one, Cluster(folder / "b", "b") as other:
        one.worker(QUICK, "of-a")
        other.worker(QUICK, "of-b")
        masters = one.master(), other.master()
        with running(masters[0], n_trials=20) as first, running(masters[1], n_trials=20) as second:
            for run, name in ((first, "of-a"), (second, "of-b")):
                assert {name} == {e.worker.rsplit(".", 1)[1] for e in run.result().history}


def test_name_server_may_be_replaced_during_a_run(folder: Path) -> None:
    """A run goes on without its name server, and registers again with the next one."""
    with Cluster(folder) as cluster:
        cluster.worker(SLOW.format(seconds=0.02), "old")
        master = cluster.master()
        with running(master, n_trials=200) as run:
            wait_until(lambda: len(master.study.history) > 2)
            cluster.names.shutdown()
            before = len(master.study.history)
            wait_until(lambda: len(master.study.history) > before + 5)
            cluster.names.start()
            cluster.worker(SLOW.format(seconds=0.02), "new")
            wait_until(lambda: master.n_workers == 2)
            run.result()


def test_timeout_ends_a_run_in_time(folder: Path) -> None:
    """After timeout and grace run returns, and what still ran ends with status STOPPED."""
    with Cluster(folder) as cluster:
        cluster.worker(SLOW.format(seconds=60))
        began = time.monotonic()
        [evaluation] = cluster.master().run(timeout=1, grace=0.3).history
        assert time.monotonic() - began < 4
        assert "stopped" == evaluation.status.value


def test_callback_can_stop_the_run(folder: Path) -> None:
    """A callback sees each evaluation in the driving thread and may stop the study."""
    seen: list[int] = []

    def callback(study: Study, evaluation: Evaluation) -> None:
        seen.append(evaluation.job)
        if len(seen) == 5:
            study.stop("enough")

    with Cluster(folder) as cluster:
        cluster.worker()
        history = cluster.master(callbacks=[callback]).run().history
        assert len(seen) == len(history)
        assert len(history) >= 5


def test_runs_that_cannot_start_say_why(folder: Path) -> None:
    """No end, no name server: clear errors, at once."""
    with Cluster(folder) as cluster:
        with pytest.raises(ConfigurationError, match="nothing would ever end"):
            cluster.master().run()
        with pytest.raises(NameServerError, match="cannot be reached"):
            cluster.master(nameserver="127.0.0.1", nameserver_port=1).run(n_trials=1)


_BACKGROUND = '''
from bandmaster import Master, NameServer, RandomOptimizer, Worker
from bandmaster.multifidelity import FlatIterGenerator

class Mine(Worker):
    """Defined where only __main__ knows it."""

    def __init__(self, offset, **options):
        self.offset = offset
        super().__init__(**options)

    def compute(self, config_id, config, config_info, budget, working_directory):
        return {"loss": config["x"] + self.offset}

def main():
    factor = 2.0
    with NameServer(run_id="main", port=0) as names:
        options = dict(run_id="main", nameserver="127.0.0.1", nameserver_port=names.port)
        workers = [Mine(1.0, worker_id=0, **options), Worker(worker_id=1, **options)]
        workers[1].initialize(lambda config: factor * config["x"])
        for worker in workers:
            worker.run(background=True, concurrent_type="CONCURRENT")
        space = {"x": {"_type": "uniform", "_value": [0, 1]}}
        with Master("main", RandomOptimizer(), FlatIterGenerator(), config_space=space) as master:
            history = master.run(n_trials=40, min_n_workers=2).history
            assert {"0", "1"} == {e.worker.rsplit(".", 1)[1] for e in history}
            assert all(e.ok for e in history)
        for worker in workers:
            worker.shutdown()
            assert worker.error is None

main()
print("done")
'''


@pytest.mark.parametrize("concurrent_type", ["thread", "process"])
def test_background_workers_of_a_script(folder: Path, concurrent_type: str) -> None:
    """A lambda and a class of __main__ run in a thread or a process; the script ends by itself."""
    script = folder / "script.py"
    script.write_text(_BACKGROUND.replace("CONCURRENT", concurrent_type))
    with Program([script], cwd=folder) as program:
        assert 0 == program.finish(20), f"{program}"
        assert ("done\n", []) == (program.out, program.bad_lines)


def test_interrupted_script_leaves_nothing(folder: Path, bandmaster_home: Path) -> None:
    """Ctrl-C in a script with everything in it: it goes on to its end, and leaves nothing."""
    script = folder / "script.py"
    text = _BACKGROUND.replace("CONCURRENT", "process").replace("n_trials=40", "n_trials=10**6")
    text = text.replace("config_space=space)", "config_space=space, callbacks=[show])")
    script.write_text("def show(study, evaluation): print('e', flush=True)\n" + text)
    with Program([script], cwd=folder) as program:
        program.wait_for(lambda p: p.out.count("e") > 100)
        os.killpg(program.process.pid, signal.SIGINT)
        assert 0 == program.finish(10), program
        assert program.out.endswith("done\n")
        assert "Run 'main' is interrupted (Ctrl-C)" in program.err
        wait_until(lambda: not _in_session(program.process.pid), 5)
    assert [] == [p for p in bandmaster_home.rglob("*") if p.is_file()]


def _in_session(session: int) -> list[str]:
    """Return the processes of a session, zombies included, but for its leader."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != session:
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == session:
                found.append(entry.name)
    return found


def test_master_is_a_context_manager_that_never_started(folder: Path) -> None:
    """Leaving a master that was never run does nothing, and it cannot be run afterwards."""
    with Cluster(folder) as cluster:
        master: Master
        with cluster.master() as master:
            pass
        with pytest.raises(ConfigurationError, match="shut down"):
            master.run(n_trials=1)


def test_master_waits_for_its_name_server_if_asked(folder: Path) -> None:
    """start(wait_for_nameserver=None) ends when the name server comes, or by shutdown."""
    with Cluster(folder) as cluster:
        cluster.names.shutdown()
        masters = [cluster.master() for _ in range(2)]
        with ThreadPoolExecutor() as pool:
            served, given_up = (pool.submit(m.start, wait_for_nameserver=None) for m in masters)
            masters[1].shutdown()
            with pytest.raises(ConfigurationError, match="shut down"):
                given_up.result(5)
            assert not served.done()
            cluster.names.start()
            served.result(5)
        cluster.worker()
        assert 1 == len(masters[0].run(n_trials=1).history)


def test_master_that_never_started_ends_silently(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing was begun, so nothing is said about its end."""
    caplog.set_level("INFO")
    with Cluster(folder) as cluster:
        master = cluster.master(nameserver="127.0.0.1", nameserver_port=1)
        with pytest.raises(NameServerError):
            master.run(n_trials=1)
        master.shutdown()
    assert "shutdown initiated" not in caplog.text


def test_lack_of_workers_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At INFO at once, then as a warning with the command that would help, long before 30 s."""
    caplog.set_level("INFO")
    monkeypatch.setattr("bandmaster.asynccomm.gathering._FIRST_WARNING", 0.2)
    with Cluster(folder) as cluster:
        cluster.master().run(n_trials=1, timeout=0.5)
    said = [(r.levelname, r.getMessage()) for r in caplog.records if "connected" in r.getMessage()]
    assert [
        ("INFO", "Run 'e2e' waits for workers: 0 of 1 are connected"),
        (
            "WARNING",
            "No worker has joined run 'e2e' yet: 0 of 1 are connected after 0 s; start one with: "
            "bandmaster worker module:function --run-id e2e",
        ),
    ] == said


def test_repr_tells_run_and_state(folder: Path) -> None:
    """What a master and a worker are doing can be seen in a debugger and in a notebook."""
    with Cluster(folder) as cluster:
        master = cluster.master()
        assert "<Master of run 'e2e', not started>" == repr(master)
        master.start()
        assert f"<Master of run 'e2e', at {master.address}, workers: 0>" == repr(master)
        worker = Worker("e2e", worker_id=3).initialize(lambda x: x)
        assert "<Worker 3 of run 'e2e', not running>" == repr(worker)
        worker.run(background=True)
        wait_until(lambda: repr(worker) == "<Worker 3 of run 'e2e', waits for a job>")
        master.shutdown()
        assert "<Master of run 'e2e', shut down>" == repr(master)
        wait_until(lambda: "stopped: the master ended the run" in repr(worker))
        worker.shutdown()
        worker = Worker("e2e", worker_id=4).initialize(lambda x: x)
        worker.run(background=True, concurrent_type="process")
        assert "<Worker 4 of run 'e2e', in process " in repr(worker)
        worker.shutdown()
        assert "<Worker 4 of run 'e2e', ended>" == repr(worker)
