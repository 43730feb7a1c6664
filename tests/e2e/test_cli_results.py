"""show, plot and export as programs: beside a writer, into a pipe, interrupted."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from programs import Program, bandmaster, program_environment

from bandmaster import Study

SPACE = {"x": {"_type": "uniform", "_value": [-1, 1]}}
SEARCH = """
import pathlib, time
from bandmaster import Study

def loss(config):
    while study.n_jobs > 3 and not pathlib.Path("enough").exists():
        time.sleep(0.01)
    return config["x"] ** 2

with Study({"x": {"_type": "uniform", "_value": [-1, 1]}}, optimizer="Random", name="live",
           storage="sqlite:///live.db") as study:
    study.optimize(loss, n_trials=6, callbacks=[lambda s, e: print(e.job, flush=True)])
"""


def test_a_search_that_runs_can_be_looked_at(tmp_path: Path) -> None:
    """It is shown and exported as it is by now, and goes on undisturbed."""
    (tmp_path / "search.py").write_text(SEARCH)
    with Program(["search.py"], cwd=tmp_path) as writer:
        writer.wait_for(lambda p: "2" in p.out)
        with Program(bandmaster("show", "live.db"), cwd=tmp_path) as show:
            assert 0 == show.finish(60), show
        assert f"3 evaluations, 1 open, written by pid {writer.process.pid}" in show.out
        with Program(bandmaster("export", "live.db", "-o", "live.csv"), cwd=tmp_path) as export:
            assert 0 == export.finish(60), export
        assert 4 == len((tmp_path / "live.csv").read_text().splitlines())
        (tmp_path / "enough").touch()
        assert 0 == writer.finish(60), writer
    assert [] == writer.bad_lines + show.bad_lines + export.bad_lines


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """As `head` is: the program ends without a traceback."""
    with Study(SPACE, name="a", storage=f"sqlite:///{tmp_path}/a.db") as study:
        study.tell(study.ask(), 1.0)
    receiver, sender = os.pipe()
    os.close(receiver)
    try:
        done = subprocess.run(
            bandmaster("show", "a.db"), cwd=tmp_path, stdout=sender, stderr=subprocess.PIPE,
            env=program_environment(), text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(sender)
    assert "" == done.stderr
    assert done.returncode in (0, 1)


def test_ctrl_c_ends_a_plot(tmp_path: Path) -> None:
    """With the code that shells expect, and without half of a picture."""
    with Study(SPACE, optimizer="Random", name="a", storage=f"sqlite:///{tmp_path}/a.db") as study:
        study.optimize(lambda config: config["x"] ** 2, n_trials=30)
    with Program(bandmaster("plot", "a.db", "--all", "pictures"), cwd=tmp_path) as plot:
        plot.wait_for(lambda p: (tmp_path / "pictures").is_dir())
        plot.interrupt()
        assert 130 == plot.finish(30), plot
    assert "Interrupted." in plot.err
    assert [] == plot.bad_lines
    assert [] == [p.name for p in (tmp_path / "pictures").iterdir() if p.suffix == ".tmp"]
