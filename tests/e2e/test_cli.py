"""The command line, as three programs."""

from __future__ import annotations

import csv
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from programs import Program, bandmaster

from bandmaster.asynccomm.net import get_a_free_port
from bandmaster.cli.app import app

SPACE = "x: {_type: uniform, _value: [-5, 5]}\n"
OBJECTIVE = '''
import sys
from bandmaster import Worker

HEAVY = {"ConfigSpace", "scipy", "pandas", "matplotlib", "sklearn"}


def square(config, budget):
    """Return the square, and how many heavy libraries this process has loaded."""
    return {"loss": config["x"] ** 2 + 1 / budget, "heavy": len(HEAVY & set(sys.modules))}


class Squarer(Worker):
    """Squares."""

    def compute(self, config, budget):
        return config["x"] ** 2 + 1 / budget


class Stranger:
    """No worker."""


NUMBER = 3


def fails(config, budget, config_id):
    raise ValueError("odd" if config_id[2] % 2 else "even")


def saves(config, budget, context):
    state = context.load() or []
    context.report(config["x"], checkpoint=[*state, budget])
    return config["x"]


def score(config):
    return {"accuracy": -((config["x"] - 2) ** 2), "cost": config["x"]}


def slow(config):
    import time
    print("begins", flush=True)
    time.sleep(600)
'''
RUN = ("--run-id", "cli")
BUDGETS = ("--min-budget", "1/4", "--max-budget", "1", "--eta", "2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a space and an objective."""
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "objective.py").write_text(OBJECTIVE)
    return tmp_path


@pytest.fixture
def nameserver(folder: Path) -> Iterator[Program]:
    """Serve names for the run `cli`."""
    with Program(bandmaster("nameserver", *RUN, "--port", "0"), cwd=folder) as program:
        program.wait_for(lambda p: "connection file:" in p.out)
        yield program


def call(folder: Path, *arguments: str) -> Program:
    """Run a command to its end."""
    with Program(bandmaster(*arguments), cwd=folder) as program:
        program.finish(60)
    return program


def start_master(folder: Path, *arguments: str) -> Program:
    """Return a master with random search, not yet started."""
    return Program(
        bandmaster("master", "space.yaml", *RUN, "--optimizer", "Random", *arguments), cwd=folder
    )


@pytest.mark.parametrize("target", ["objective:square", "objective.py:Squarer"])
def test_three_programs_make_a_run(folder: Path, nameserver: Program, target: str) -> None:
    """Master and workers find each other by the run id, and end together with code 0."""
    worker = Program(bandmaster("worker", target, *RUN), cwd=folder)
    master = start_master(folder, *BUDGETS, "--n-iterations", "6", "--output", "rows.csv")
    with worker, master:
        assert master.finish() == 0, master
        assert worker.finish() == 0, worker
    assert "| Budgets" in master.out
    with (folder / "rows.csv").open() as file:
        assert 26 == len(list(csv.DictReader(file)))  # two cycles of three brackets
    assert [] == nameserver.bad_lines + worker.bad_lines + master.bad_lines


def test_a_master_goes_by_its_metrics(folder: Path, nameserver: Program) -> None:
    """What is maximised and what must keep a threshold are options."""
    worker = Program(bandmaster("worker", "objective:score", *RUN), cwd=folder)
    metrics = ("--metric", "accuracy:maximize", "--metric", "cost<=1")
    master = start_master(folder, "--generator", "flat", "--n-trials", "8", *metrics)
    with worker, master:
        assert 0 == master.finish(), master
        assert 0 == worker.finish(), worker
    assert "| Optimal accuracy |" in master.out
    assert "evaluations break a constraint (cost)" in master.out


def test_a_worker_of_a_plain_function_stays_light(folder: Path, nameserver: Program) -> None:
    """It never imports ConfigSpace, scipy or pandas."""
    worker = Program(bandmaster("worker", "objective:square", *RUN), cwd=folder)
    master = start_master(
        folder, "--generator", "flat", "--n-trials", "5", "--output", "result.pkl"
    )
    with worker, master:
        assert master.finish() == 0, master
        assert worker.finish() == 0, worker
    result = pickle.loads((folder / "result.pkl").read_bytes())
    assert [0.0] * 5 == [e.metrics["heavy"] for e in result.evaluations]


def test_a_connection_file_is_enough(
    folder: Path, nameserver: Program, bandmaster_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the home directory is not shared, the file that was copied over does."""
    file = bandmaster_home / "runs" / "cli.json"
    copied = folder / "copied.json"
    file.rename(copied)
    options = ("--connection-file", str(copied))
    worker = Program(bandmaster("worker", "objective:square", *options), cwd=folder)
    master = Program(
        bandmaster("master", "space.yaml", *options, "--generator", "flat", "--n-trials", "3",
                   "--optimizer", "Random"),
        cwd=folder,
    )  # fmt: skip
    with worker, master:
        assert master.finish() == 0, master
        assert worker.finish() == 0, worker


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("worker", "objective:missing", *RUN), "it has HEAVY"),
        (("worker", "objective", *RUN), "module:name"),
        (("worker", "absent:name", *RUN), "no module 'absent'"),
        (("worker", "absent.py:name", *RUN), "no file 'absent.py'"),
        (("worker", "objective:NUMBER", *RUN), "evaluates nothing"),
        (("worker", "objective:Stranger", *RUN), "subclass of bandmaster.Worker"),
        (("worker", "objective:square"), "--run-id is missing"),
        (("master", "absent.yaml", *RUN, "--n-trials", "1"), "does not exist"),
        (("master", "space.yaml", *RUN), "say when to stop"),
        (("master", "space.yaml", *RUN, "--n-trials", "1"), "--min-budget"),
        (("master", "objective.py", *RUN, *BUDGETS, "--n-trials", "1"), "expected .yaml"),
        (
            ("master", "space.yaml", *RUN, "--min-budget", "a/b", "--n-trials", "1"),
            "is no number such as 27, 0.25 or 1/4",
        ),
        (
            ("master", "space.yaml", *RUN, *BUDGETS, "--n-trials", "1", "--optimizer", "Oracle"),
            "there is no optimizer 'Oracle'",
        ),
        (
            ("master", "space.yaml", *RUN, *BUDGETS, "--n-trials", "1", "--output", "a.xls"),
            "--output: 'a.xls' is none of the files of results: their names end in .csv, .jsonl",
        ),
        (
            ("master", "space.yaml", *RUN, *BUDGETS, "--n-trials", "1", "--output", "no/a.csv"),
            "no such folder",
        ),
        (("nameserver", "--run-id", "no such/id"), "no such/id"),
    ],
    ids=lambda value: "-".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_mistakes_are_explained(folder: Path, arguments: tuple[str, ...], said: str) -> None:
    """A mistake gives a sentence and code 2, never a traceback."""
    program = call(folder, *arguments)
    assert program.process.returncode == 2, program
    assert said in program.err
    assert "Traceback" not in program.err


def test_a_master_without_a_name_server_says_so(folder: Path) -> None:
    """Nobody listens on the port until its timeout: the message names it and what to start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    program = call(
        folder, "master", "space.yaml", *RUN, *BUDGETS, "--timeout", "1/2", "--port", port
    )
    assert program.process.returncode == 2, program
    assert port in program.err
    assert "name server" in program.err
    assert "no connection file of run 'cli' (runs here: none)" in program.err
    assert "Traceback" not in program.err
    assert "shutdown" not in program.err


def test_the_programs_may_start_in_any_order(folder: Path) -> None:
    """The master and a worker wait for the name server, and the run is made all the same."""
    worker = Program(bandmaster("worker", "objective:square", *RUN), cwd=folder)
    names = Program(bandmaster("nameserver", *RUN, "--port", "0"), cwd=folder)
    with start_master(folder, *BUDGETS, "--n-iterations", "1") as master, worker:
        for program in (master, worker):
            program.wait_for(lambda p: "goes on looking" in p.err)
        assert "Master of run 'cli' has found no name server" in master.err
        with names:
            assert 0 == master.finish(30), master
            assert 0 == worker.finish(15), worker
            assert [] == master.bad_lines + worker.bad_lines


def test_a_master_that_waits_for_its_name_server_can_be_interrupted(folder: Path) -> None:
    """Ctrl-C ends it at once with 130."""
    with start_master(folder, *BUDGETS, "--n-trials", "1") as master:
        master.wait_for(lambda p: "goes on looking" in p.err)
        master.interrupt()
        assert 130 == master.finish(10), master
        assert [] == master.bad_lines


def test_a_wrong_run_id_is_explained(folder: Path) -> None:
    """Another run's name server refuses; whoever mistyped the run reads which runs there are."""
    port = get_a_free_port(20000)
    names = Program(bandmaster("nameserver", "--run-id", "err", "--port", str(port)), cwd=folder)
    with names:
        names.wait_for(lambda p: "connection file:" in p.out)
        place = ("--run-id", "eror", "--port", str(port))
        for program in (
            call(folder, "worker", "objective:square", *place),
            call(folder, "master", "space.yaml", *place, *BUDGETS, "--n-trials", "1"),
        ):
            assert 2 == program.process.returncode, program
            assert "there is no connection file of run 'eror' (runs here: err); " in program.err


def test_a_second_name_server_of_a_run_is_refused(folder: Path, nameserver: Program) -> None:
    """The first one goes on, undisturbed."""
    program = call(folder, "nameserver", *RUN)
    assert 2 == program.process.returncode, program
    assert "run 'cli' already has a name server at 127.0.0.1:" in program.err
    assert f"(pid {nameserver.process.pid}, " in program.err


@pytest.mark.parametrize("command", ["nameserver", "worker", "master"])
def test_every_option_is_explained(command: str) -> None:
    """The help says for each what it does."""
    for parameter in app.commands[command].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_a_module_that_fails_shows_its_own_traceback(folder: Path) -> None:
    """An error in the user's code is the user's to read: all of that, and nothing of ours."""
    (folder / "helper.py").write_text("import absent_library\n")
    (folder / "broken.py").write_text("import helper\n")
    for target in ("broken:f", "broken.py:f"):
        program = call(folder, "worker", target, *RUN)
        assert program.process.returncode == 1
        lines = program.err.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        files = [line.split('"')[1] for line in lines if line.startswith("  File ")]
        assert [str(folder / "broken.py"), str(folder / "helper.py")] == files
        assert lines[-1] == "ModuleNotFoundError: No module named 'absent_library'"


def test_a_run_without_a_success_ends_with_1(folder: Path, nameserver: Program) -> None:
    """The table says what most failed with, and a line where the tracebacks are."""
    options = ("--generator", "flat", "--n-trials", "3", "--checkpoint-file", "run.db")
    worker = Program(bandmaster("worker", "objective:fails", *RUN), cwd=folder)
    master = start_master(folder, *options)
    with worker, master:
        assert 1 == master.finish(), master
        assert 0 == worker.finish(), worker
    assert "All 3 evaluations failed (.failures has the tracebacks), 2 of them" in master.out
    assert "No evaluation has succeeded: bandmaster show run.db --failures" in master.err
    assert "with this: ValueError: even" in call(folder, "show", "run.db", "--failures").out


def test_a_port_that_is_taken_is_explained(folder: Path) -> None:
    """The name server says which port it could not have."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        program = call(folder, "nameserver", *RUN, "--port", port)
    assert program.process.returncode == 2, program
    assert port in program.err


def test_the_same_command_goes_on_where_it_was(folder: Path, nameserver: Program) -> None:
    """With a checkpoint file a second master runs what the first one has not."""
    for n, expected in ((3, 3), (5, 5)):
        options = ("--generator", "flat", "--n-trials", str(n), "--checkpoint-file", "run.db")
        worker = Program(bandmaster("worker", "objective:square", *RUN), cwd=folder)
        master = start_master(folder, *options, "--output", "rows.csv")
        with worker, master:
            assert master.finish(30) == 0, master
            assert worker.finish(15) == 0, worker
        with (folder / "rows.csv").open() as file:
            trials = [row["trial"] for row in csv.DictReader(file)]
        assert [str(i) for i in range(expected)] == trials


def test_the_store_of_checkpoints_is_an_option(folder: Path, nameserver: Program) -> None:
    """What evaluations kept is in a folder of the study, all of it if that is wanted."""
    options = ("--generator", "flat", "--n-trials", "3", "--checkpoint-store", "states")
    worker = Program(bandmaster("worker", "objective:saves", *RUN), cwd=folder)
    master = start_master(folder, *options, "--keep-checkpoints", "all")
    with worker, master:
        assert master.finish(30) == 0, master
        assert worker.finish(15) == 0, worker
    [states] = (folder / "states").iterdir()
    assert 3 == len([path for path in states.iterdir() if path.name.startswith("1-")])


def test_ctrl_c_ends_each_program_with_130(
    folder: Path, nameserver: Program, bandmaster_home: Path
) -> None:
    """Each of the three ends, says so, and leaves nothing behind; a worker that is busy: twice."""
    worker = Program(bandmaster("worker", "objective:slow", *RUN), cwd=folder)
    master = start_master(folder, "--generator", "flat", "--n-trials", "3")
    with worker, master:
        worker.wait_for(lambda p: "begins" in p.out)
        worker.interrupt()
        worker.wait_for(lambda p: "is interrupted" in p.err)
        for program in (worker, master, nameserver):
            program.interrupt()
            assert program.finish(15) == 130, program
            assert "Interrupted." in program.err
            assert [] == program.bad_lines
    assert [] == list((bandmaster_home / "runs").iterdir())


def test_the_master_keeps_its_result_when_interrupted(folder: Path, nameserver: Program) -> None:
    """Ctrl-C on a long run still prints and saves what was found."""
    worker = Program(bandmaster("worker", "objective:square", *RUN), cwd=folder)
    master = start_master(
        folder, "--generator", "flat", "--n-trials", "100000000", "--output", "rows.csv"
    )
    with worker, master:
        master.wait_for(lambda p: "Challenger" in p.err)
        master.interrupt()
        assert master.finish(20) == 130, master
        assert worker.finish(20) == 0, worker
    assert "| Optimal Loss" in master.out
    assert (folder / "rows.csv").read_text().count("\n") > 2


def test_sigterm_is_a_clean_end(folder: Path, nameserver: Program, bandmaster_home: Path) -> None:
    """Batch systems send SIGTERM: the same clean end, with the code that shells expect."""
    grace = ("--sigterm-grace", "0.3")
    worker = Program(bandmaster("worker", "objective:slow", *RUN, *grace), cwd=folder)
    master = start_master(folder, "--generator", "flat", "--n-trials", "3")
    with worker, master:
        worker.wait_for(lambda p: "begins" in p.out)
        for program in (worker, master, nameserver):
            program.process.terminate()
            assert program.finish(15) == 143, program
            assert "Terminated." in program.err
            assert [] == program.bad_lines
    assert [] == list((bandmaster_home / "runs").iterdir())


def test_the_only_run_needs_no_run_id(folder: Path, nameserver: Program) -> None:
    """With one run of this user on the machine, workers and masters may leave out its id."""
    worker = Program(bandmaster("worker", "objective:square"), cwd=folder)
    master = Program(
        bandmaster("master", "space.yaml", "--generator", "flat", "--n-trials", "2",
                   "--optimizer", "Random"),
        cwd=folder,
    )  # fmt: skip
    with worker, master:
        assert master.finish() == 0, master
        assert worker.finish() == 0, worker
