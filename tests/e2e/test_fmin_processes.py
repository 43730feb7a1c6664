"""fmin with worker processes: what a user of a laptop or a notebook does."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from bandmaster import HyperBandIterGenerator, Study, fmin
from bandmaster.core.outcome import Status

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


def search(function, **options):
    """Run fmin in two processes without a bar."""
    options.setdefault("n_jobs", 2)
    return fmin(function, SPACE, optimizer="Random", show_progressbar=False, **options)


def test_closures_run_in_processes_of_their_own():
    """A lambda over local data needs no import; each worker is another process."""
    offset = 3.0

    def slow(config):
        time.sleep(0.1)  # long enough that the second process is there before the first is done
        return {"loss": offset, "info": os.getpid()}

    result = search(slow, n_iterations=30)
    pids = {e.info for e in result.evaluations}
    assert [3.0] * 30 == [e.loss for e in result.evaluations]
    assert 2 == len(pids)
    assert os.getpid() not in pids


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_brackets_run_to_their_end(n_jobs):
    """Every rung of every bracket is filled as the table says, whatever the number of workers."""
    generator = HyperBandIterGenerator(1, 9, 3)
    result = search(
        lambda config, budget: config["x"] / budget,
        multi_fidelity_iter_generator=generator,
        n_iterations=6,
        n_jobs=n_jobs,
    )
    assert generator.configs_per_budget(6) == result.n_configs


@pytest.mark.parametrize("face", ["fmin", "optimize"])
def test_a_job_timeout_counts_with_one_job_too(face):
    """What is silent for too long is ended, so it does not run in the calling process."""

    def silent(config):
        time.sleep(60)

    if face == "fmin":
        options = {"n_jobs": 1, "n_iterations": 1, "max_retries": 0}
        result = search(silent, job_timeout=0.2, **options)
    else:
        study = Study(SPACE, optimizer="Random", max_retries=0)
        result = study.optimize(silent, n_trials=1, job_timeout=0.2)
    assert [Status.TIMEOUT] == [e.status for e in result.evaluations]


def test_a_timeout_ends_evaluations_that_would_go_on():
    """The run comes back soon after, with what was finished and why the rest was not."""
    before = time.monotonic()
    result = search(lambda config: time.sleep(60), n_iterations=4, timeout=2.0)
    assert time.monotonic() - before < 15
    assert {Status.STOPPED} == {e.status for e in result.evaluations}


def test_a_timeout_without_a_grace_waits_for_what_runs():
    """As it does in the calling thread; nothing starts after it."""
    result = search(lambda config: time.sleep(2.3) or 1.0, n_trials=99, timeout=2.0, grace=None)
    assert {Status.OK} == {e.status for e in result.evaluations}
    assert len(result.evaluations) <= 2


def test_failures_of_all_kinds_are_data():
    """Raising, leaving and dying: the search ends, and each has its reason."""

    def bad(config, job):
        if job.trial == 0:
            raise ValueError("boom")
        if job.trial == 1:
            sys.exit(3)
        if job.trial == 2:
            os._exit(7)
        if job.trial == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1.0

    result = search(bad, n_iterations=8, max_retries=1)
    by_trial = {e.trial: e for e in result.evaluations}
    assert list(range(8)) == sorted(by_trial)
    assert [Status.FAILED, Status.FAILED, Status.CRASHED, Status.CRASHED] == [
        by_trial[t].status for t in range(4)
    ]
    assert all(by_trial[t].ok for t in range(4, 8))
    assert "boom" in by_trial[0].error


def test_a_callback_stops_the_run():
    """Nothing is issued after it."""
    study = Study(SPACE, optimizer="Random")
    study.optimize(
        lambda config: 1.0,
        n_trials=10_000,
        n_jobs=2,
        callbacks=[lambda s, e: s.stop("enough") if e.job >= 5 else None],
    )
    assert "enough" == study.stopped
    assert len(study.history) < 10_000


def test_ctrl_c_leaves_nothing_behind(tmp_path):
    """The processes end with the one that started them, and the user's shell sees 130 or -2."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, time
            from pathlib import Path
            from bandmaster import fmin

            def slow(config, job):
                Path(f"pid-{os.getpid()}").touch()
                time.sleep(60)

            fmin(slow, {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}, n_jobs=2)
            """
        )
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 30
        while len(list(tmp_path.glob("pid-*"))) < 2:
            assert time.monotonic() < deadline, "the workers did not start"
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)  # the first one waits for what is running
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode in (130, -signal.SIGINT)
    assert "KeyboardInterrupt" in errors
    for path in tmp_path.glob("pid-*"):
        pid = int(path.name.removeprefix("pid-"))
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_of_a_plain_function_imports_no_heavy_library():
    """ConfigSpace, scipy and pandas cost seconds and memory that only the master has to pay."""

    def modules(config):
        heavy = {"ConfigSpace", "scipy", "pandas", "matplotlib", "sklearn", "numpy"}
        return {"loss": 1.0, "info": sorted(heavy & set(sys.modules))}

    result = search(modules, n_iterations=2)
    assert [[], []] == [e.info for e in result.evaluations]
