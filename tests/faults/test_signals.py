"""Ctrl-C and SIGTERM: the first drains a search, the second ends it, and nothing is lost."""

from __future__ import annotations

import os
import signal
import textwrap
from pathlib import Path

import pytest
from processes import QUICK, SLOW, Cluster, running, wait_until
from programs import Program, bandmaster

from bandmaster.core.outcome import Status
from bandmaster.facade import Study
from bandmaster.storage import open_storage

_FMIN = """
import logging, os, sys, time
logging.basicConfig(level=logging.WARNING)
from bandmaster import fmin

def slow(config, job):
    print("begins", job.number, flush=True)
    {body}
    print("ends", job.number, flush=True)
    return config["x"]

try:
    result = fmin(slow, {{"x": {{"_type": "uniform", "_value": [0.0, 1.0]}}}}, optimizer="Random",
                  n_trials={n}, storage="sqlite:///study.db", study_name="s",
                  show_progressbar=False, {options})
    print("result", len(result.evaluations), result.ended, flush=True)
except BaseException as error:
    print("raised", repr(error), flush=True)
    raise
"""
STRATEGIES = {
    "serial": "n_jobs=1",
    "isolated": "n_jobs=2, isolate=True",
    "processes": "n_jobs=2",
    "batches": "n_jobs=2, parallel_strategy='MapReduce'",
}


def strategies(*names: str) -> pytest.MarkDecorator:
    """Parametrise by some of them."""
    return pytest.mark.parametrize("options", [STRATEGIES[n] for n in names], ids=names)


def fmin_program(
    folder: Path, options: str, *, body: str = "time.sleep(0.6)", n: int = 100
) -> Program:
    """Return a script that searches, prints what happens, and keeps its study in study.db."""
    script = folder / "search.py"
    script.write_text(textwrap.dedent(_FMIN).format(body=body, n=n, options=options))
    return Program([script], cwd=folder)


def stored(folder: Path) -> Study:
    """Load the study that a program left."""
    return Study.load("s", f"sqlite:///{folder}/study.db", optimizer="Random")


def nobody_left(program: Program) -> None:
    """No process of the program's session is left; it may take a moment to be reaped."""
    wait_until(lambda: not _alive(program.process.pid), 5)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def press_ctrl_c(program: Program) -> None:
    """Reach the whole process group, as a terminal does."""
    os.killpg(program.process.pid, signal.SIGINT)


@strategies(*STRATEGIES)
def test_the_first_ctrl_c_lets_what_runs_end_and_returns_the_result(
    tmp_path: Path, options: str
) -> None:
    """Nothing new is started; every evaluation that began is in the result and in the journal."""
    with fmin_program(tmp_path, options) as program:
        n = 1 if options == "n_jobs=1" else 2
        program.wait_for(lambda p: p.out.count("begins") >= n)
        press_ctrl_c(program)
        assert 0 == program.finish(20), program
        nobody_left(program)
    began = program.out.count("begins")
    assert (n, n) == (began, program.out.count("ends")), program
    assert f"result {began} interrupted" in program.out
    assert "is interrupted (Ctrl-C): it starts nothing new" in program.err
    assert "Traceback" not in program.err
    with stored(tmp_path) as study:
        assert ([True] * n, None, False) == (
            [e.ok for e in study.history],
            study.stopped,
            study.finished,
        )


@strategies("serial", "processes", "isolated")
def test_the_second_ctrl_c_ends_at_once_and_the_next_run_goes_on(
    tmp_path: Path, options: str
) -> None:
    """KeyboardInterrupt, no process left; what was out is run again by the same command."""
    with fmin_program(tmp_path, options, body="time.sleep(60)", n=3) as program:
        n = 1 if options == "n_jobs=1" else 2
        program.wait_for(lambda p: p.out.count("begins") >= n)
        press_ctrl_c(program)
        program.wait_for(lambda p: "is interrupted" in p.err)
        press_ctrl_c(program)
        assert program.finish(10) in (-signal.SIGINT, 130), program
        nobody_left(program)
    assert "raised KeyboardInterrupt()" in program.out
    with stored(tmp_path) as study:
        assert [True] * n == [entry.waiting for entry in study.open_jobs]
        assert "interrupted (Ctrl-C)" == str(study.ending)
    with fmin_program(tmp_path, options, body="pass", n=3) as again:
        assert 0 == again.finish(30), again
        assert "result 3 n_trials" in again.out


@strategies("serial", "processes", "batches")
def test_sigterm_has_a_time_limit(tmp_path: Path, options: str) -> None:
    """As batch systems send it, to one process or to all of them: 143 after the grace, at most."""
    options += ", sigterm_grace=0.5"
    with fmin_program(tmp_path, options, body="time.sleep(60)") as program:
        program.wait_for(lambda p: "begins" in p.out)
        os.killpg(program.process.pid, signal.SIGTERM)
        code = program.finish(10)
        nobody_left(program)
    if "MapReduce" in options:  # joblib's processes have ended by themselves
        assert (0, True) == (code, "result 0" in program.out), program
    else:
        assert 143 == code, program
        assert "is ended: SIGTERM came 0.5 s ago" in program.err
    with stored(tmp_path) as study:
        assert study.open_jobs
        assert all(entry.waiting for entry in study.open_jobs)


def test_sigterm_drains_within_its_time(tmp_path: Path) -> None:
    """Evaluations that end in time count, though their processes got the signal too."""
    with fmin_program(tmp_path, "n_jobs=2", body="time.sleep(0.7)") as program:
        program.wait_for(lambda p: p.out.count("begins") >= 2)
        os.killpg(program.process.pid, signal.SIGTERM)
        assert 0 == program.finish(10), program
        nobody_left(program)
    began = program.out.count("begins")
    assert began == program.out.count("ends"), program
    assert f"result {began} interrupted" in program.out


@pytest.mark.parametrize("isolate", [False, True])
def test_a_worker_in_a_terminal(tmp_path: Path, isolate: bool) -> None:
    """Ctrl-C reaches its child, too: the evaluation ends all the same and is handed over."""
    with Cluster(tmp_path) as cluster:
        worker = cluster.worker(SLOW.format(seconds=1), more={"isolate": isolate})
        master = cluster.master()
        with running(master, n_trials=1) as run:
            worker.wait_for(lambda p: "begins" in p.out)
            press_ctrl_c(worker)
            assert 130 == worker.finish(10), worker
            assert [(0, True)] == [(e.attempt, e.ok) for e in run.result().history]
        nobody_left(worker)


def test_a_search_without_effort_survives_ctrl_c_at_any_moment(tmp_path: Path) -> None:
    """Two signals in a row, in the middle of thousands of events a second: the journal is whole."""
    for delay in (0.0, 0.003, 0.02):
        with fmin_program(tmp_path, "n_jobs=1", body="pass", n=10**7) as program:
            program.wait_for(lambda p: "begins" in p.out)
            program.interrupt()
            signal.sigtimedwait([], delay)
            program.interrupt()
            assert program.finish(10) in (0, -signal.SIGINT, 130), program
        assert "Poisoned" not in program.err
        with stored(tmp_path) as study:
            numbers = [e.job for e in study.history]
            out = [entry.job.number for entry in study.open_jobs]
            assert all(entry.waiting for entry in study.open_jobs)
            assert list(range(study.n_jobs)) == sorted(numbers + out)
        (tmp_path / "study.db").unlink()


def test_a_master_drains_and_its_study_goes_on(tmp_path: Path) -> None:
    """Its workers end what they do and hand it over; the result is saved, and the code is 130."""
    (tmp_path / "space.yaml").write_text("x: {_type: uniform, _value: [0, 1]}\n")
    command = bandmaster(
        "master", "space.yaml", "--run-id", "e2e", "--generator", "flat", "--optimizer", "Random",
        "--checkpoint-file", "study.db", "--output", "rows.csv",
    )  # fmt: skip
    with Cluster(tmp_path) as cluster:
        workers = [cluster.worker(SLOW.format(seconds=1), number) for number in range(2)]
        with Program([*command, "--n-trials", "1000"], cwd=tmp_path) as master:
            for worker in workers:
                worker.wait_for(lambda p: "begins" in p.out)
            master.interrupt()
            assert 130 == master.finish(15), master
            assert "Interrupted." in master.err
            assert "The same command goes on where it was; its workers have left" in master.err
        for worker in workers:
            assert 0 == worker.finish(10), worker
            assert (1, 1) == (worker.out.count("begins"), worker.out.count("ends"))
        assert 3 == len((tmp_path / "rows.csv").read_text().splitlines())
        cluster.worker(QUICK, "next")
        with Program([*command, "--n-trials", "5"], cwd=tmp_path) as master:
            assert 0 == master.finish(15), master
    assert 6 == len((tmp_path / "rows.csv").read_text().splitlines())
    with open_storage(f"sqlite:///{tmp_path}/study.db") as storage:
        assert [("e2e", None)] == [(s.name, s.writer) for s in storage.list_studies()]


def test_a_master_that_is_interrupted_twice_leaves_at_once(tmp_path: Path) -> None:
    """What was found is saved; jobs that were out wait in the journal for the next master."""
    (tmp_path / "space.yaml").write_text("x: {_type: uniform, _value: [0, 1]}\n")
    objective = SLOW.format(seconds="60 if config['x'] < 0.8 else 0")
    command = bandmaster(
        "master", "space.yaml", "--run-id", "e2e", "--generator", "flat", "--optimizer", "Random",
        "--checkpoint-file", "s.db", "--output", "rows.csv", "--n-trials", "1000",
    )  # fmt: skip
    with Cluster(tmp_path) as cluster:
        worker = cluster.worker(objective)
        with Program(command, cwd=tmp_path) as master:
            worker.wait_for(lambda p: p.out.count("begins") > p.out.count("ends"))
            master.process.terminate()
            master.wait_for(lambda p: "is interrupted" in p.err)
            master.process.terminate()
            assert 143 == master.finish(8), master
            assert [] == master.bad_lines
    with Study.load("e2e", f"sqlite:///{tmp_path}/s.db", optimizer="Random") as study:
        assert {Status.OK} >= {e.status for e in study.history}
        assert 1 == len(study.open_jobs)
