"""Every example runs as its reader would run it, and nothing in its log is an error."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from pathlib import Path

import pytest
from programs import Program, bandmaster

SCRIPTS = {
    "ask_and_tell.py": "best: {'temperature':",
    "own_optimizer.py": "",
    "own_worker.py": "| Num Configs",
    "pbt_toy.py": "ends at Q = 1.2000; 1.19 at step",
    "prior_knowledge.py": "with beliefs",
    "quickstart.py": "| Num Configs",
    "reading_results.py": "neither smaller nor better",
}
# examples/seed_script.py has its own test, test_seed_script.py.
ELSEWHERE = {"seed_script.py"}


def test_no_example_is_forgotten(root: Path) -> None:
    """Each script in examples/ is run by a test."""
    scripts = {path.name for path in (root / "examples").glob("*.py")}
    assert scripts == {*SCRIPTS, *ELSEWHERE}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script(name: str, root: Path, tmp_path: Path) -> None:
    """A script ends by itself, prints its result and logs no error."""
    with Program([root / "examples" / name], cwd=tmp_path) as script:
        assert script.finish(90) == 0, script
        assert SCRIPTS[name] in script.out
        assert [] == script.bad_lines


def consoles(readme: Path) -> list[list[str]]:
    """Return the commands in the console blocks of a README."""
    commands, inside = [], False
    for line in readme.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            inside = line == "```console"
        elif inside:
            commands.append(shlex.split(line))
    return commands


def test_three_terminals(root: Path, tmp_path: Path) -> None:
    """The README's three commands, started in the reverse order, make a run."""
    folder = tmp_path / "three_terminals"
    shutil.copytree(root / "examples" / "three_terminals", folder)
    commands = consoles(folder / "README.md")
    assert ["nameserver", "worker", "master"] == [words[1] for words in commands]
    nameserver, worker, master = (Program(bandmaster(*words[1:]), cwd=folder) for words in commands)
    with nameserver:
        nameserver.wait_for(lambda p: "connection file:" in p.out)
        with master, worker:
            assert master.finish() == 0, master
            assert worker.finish() == 0, worker
        nameserver.interrupt()
        assert nameserver.finish() == 130
    assert "| Num Configs" in master.out
    assert (folder / "result.csv").read_text().count("\n") > 20
    for program in (nameserver, worker, master):
        assert [] == program.bad_lines


def test_slurm_job(root: Path, tmp_path: Path, bandmaster_home: Path) -> None:
    """The job script runs to its end with a stand-in for srun that starts two tasks."""
    for name in ("objective.py", "space.yaml"):
        shutil.copy(root / "examples" / "three_terminals" / name, tmp_path)
    fake = tmp_path / "bin"
    fake.mkdir()
    write_program(fake / "srun", '"$@" & "$@" & wait -n && wait')
    write_program(fake / "bandmaster", 'exec "$PYTHON" -m bandmaster "$@"')
    env = {
        "PATH": f"{fake}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": bandmaster()[0],
        "SLURM_JOB_ID": "17",
        "SLURM_SUBMIT_DIR": str(tmp_path),
    }
    with Program([root / "examples" / "slurm" / "job.sh"], cwd=tmp_path, env=env) as job:
        assert job.finish(90) == 0, job
        assert "| Num Configs" in job.out
        assert [] == job.bad_lines
    assert (tmp_path / "result.csv").is_file()
    assert [] == list((bandmaster_home / "runs").iterdir())


def write_program(path: Path, body: str) -> None:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
