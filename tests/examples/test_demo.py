"""The demo, as `make demo` runs it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import Program

pytestmark = pytest.mark.timeout(240)  # it trains classifiers, beside other tests

COMMAND = [sys.executable, "-m", "bandmaster.examples.demo"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Run a third of the demo to its end."""
    folder = tmp_path_factory.mktemp("demo")
    env = {"BANDMASTER_HOME": str(folder / "home")}
    with Program([*COMMAND, "--n-iterations", "9"], cwd=folder, env=env) as program:
        program.finish(200)
        yield program


def test_it_ends_with_a_table_and_a_picture(demo: Program) -> None:
    """It prints the brackets, what it started, the table, and where the picture is."""
    assert demo.process.returncode == 0, demo
    assert [] == demo.bad_lines
    assert 2 == demo.out.count("worker: process")
    assert "| Num Configs" in demo.out
    assert "39 evaluations; best loss 0.0" in demo.out
    assert (demo.cwd / "demo-output" / "result.png").read_bytes().startswith(b"\x89PNG")


def test_it_leaves_nothing_behind(demo: Program) -> None:
    """Its workers have ended and the connection file is gone."""
    for line in demo.out.splitlines():
        if line.startswith("worker: process"):
            assert not Path(f"/proc/{line.split()[-1]}").exists()
    assert [] == list((demo.cwd / "home").rglob("*.json"))


def test_ctrl_c_ends_all_of_it(tmp_path: Path, bandmaster_home: Path) -> None:
    """Ctrl-C reaches the whole group of processes; all end, without a traceback."""
    with Program(COMMAND, cwd=tmp_path) as program:
        program.wait_for(lambda p: "best loss" in p.err, timeout=60)
        os.killpg(program.process.pid, signal.SIGINT)
        assert program.finish(20) == 130, program
    assert "Interrupted." in program.err
    assert [] == program.bad_lines
    for line in program.out.splitlines():
        if line.startswith("worker: process"):
            assert not Path(f"/proc/{line.split()[-1]}").exists()
    assert [] == list((bandmaster_home / "runs").iterdir())
