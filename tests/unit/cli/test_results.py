"""show, plot and export: what they find, what they write, what they say otherwise."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from bandmaster import HyperBandIterGenerator, Result, Study, plotting, storage
from bandmaster.cli.app import main
from bandmaster.plotting import files
from bandmaster.plotting.files import kinds
from bandmaster.storage import MemoryStorage
from bandmaster.study import previous
from bandmaster.testing.histories import make_evaluation, make_history

SPACE = {
    "x": {"_type": "uniform", "_value": [-1, 1]},
    "k": {"_type": "choice", "_value": ["a", "b"]},
}

TAKEN = [make_evaluation(0, config={"x": 0.5, "k": "a"})]


def loss(config: dict[str, float], budget: float) -> float:
    """Return something to minimise, or fail."""
    if config["x"] > 0.9:
        raise ValueError("beyond what is known")
    return config["x"] ** 2 / budget


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a storage of one study, and one of two and an empty one."""
    folder = tmp_path_factory.mktemp("cli")
    for file, name in (("one.db", "mine"), ("two.db", "mine"), ("two.db", "other")):
        with Study(
            SPACE, optimizer="Random", name=name, storage=f"sqlite:///{folder / file}",
            generator=HyperBandIterGenerator(1, 9, 3),
        ) as study:  # fmt: skip
            study.optimize(loss, n_trials=6)
    Study(SPACE, name="empty", storage=f"sqlite:///{folder / 'empty.db'}").close()
    Result.of_stored("mine", str(folder / "one.db")).save(folder / "rows.jsonl")
    (folder / "space.json").write_text(json.dumps(SPACE))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of the test's own, with links to what was made."""
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")  # as `plot` sets it; put back after the test
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (["one.db"], "Study 'mine' in one.db: "),
        (["sqlite:///one.db"], "Study 'mine' in sqlite:///one.db: "),
        (["other", "--storage", "two.db"], "Study 'other' in two.db: "),
        (["other", "--storage", "sqlite:///two.db"], "Study 'other' in sqlite:///two.db: "),
        (["rows.jsonl"], "Result in rows.jsonl: "),
    ],
)
def test_show_prints_table_and_title(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], title: str
) -> None:
    """Of a stored study by name, of the only one in a file, of a saved result."""
    assert 0 == main(["show", *arguments])
    out = capsys.readouterr().out
    assert "| Budgets " in out
    assert title in out.splitlines()[-1]
    assert out.splitlines()[-1].endswith(" evaluations")


def test_show_says_what_is_going_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many jobs are open, and who writes; and that nothing has finished yet."""
    assert 0 == main(["show", "empty.db"])
    assert "Study 'empty' in empty.db: no evaluation has finished yet\n" == capsys.readouterr().out
    with Study(SPACE, name="mine", storage="sqlite:///new.db") as study:
        study.tell(study.ask(), 1.0)
        study.ask()
        assert 0 == main(["show", "new.db"])
        assert "mine' in new.db: 1 evaluation, 1 open, written by pid" in capsys.readouterr().out
        study.stop("enough")
    assert 0 == main(["show", "new.db"])
    assert ": 1 evaluation, 1 open, stopped: enough\n" in capsys.readouterr().out


def test_show_tells_what_was_taken_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Evaluations of an earlier search are not this one's work."""
    with Study(SPACE, name="w", storage="sqlite:///w.db", previous_result=TAKEN) as study:
        study.tell(study.ask(), 1.0)
    assert 0 == main(["show", "w.db"])
    assert "w.db: 2 evaluations (1 of an earlier search)\n" in capsys.readouterr().out


def test_show_failures_prints_their_errors(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole traceback, with the job and the budget."""
    with Study(SPACE, name="f", storage="sqlite:///f.db") as study:
        study.optimize(lambda config: 1 / 0, n_trials=1)
    assert 0 == main(["show", "f.db", "--failures"])
    out = capsys.readouterr().out
    assert "Job 0 (trial 0, budget 1), failed at " in out
    assert out.endswith("ZeroDivisionError: division by zero\n")


def test_a_strangers_text_cannot_steer_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escape sequences of an error and of a worker's name are shown as signs, lines stay lines."""
    row = make_evaluation(0, None, config={"x": 1}, error="one\n\ttwo \x1b]0;title\x07 \u202e")
    Result(make_history(replace(row, worker="\x1b[2Jw"))).save(tmp_path / "rows.jsonl")
    assert 0 == main(["show", str(tmp_path / "rows.jsonl"), "--failures"])
    out = capsys.readouterr().out
    assert "failed at \ufffd[2Jw:\none\n\ttwo \ufffd]0;title\ufffd \ufffd\n" in out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_a_password_is_not_shown() -> None:
    """The title has the URL without it."""
    from bandmaster.cli.sources import _without_password

    assert "postgresql://me@host/db" == _without_password("postgresql://me:s:e@c@host/db")
    assert "sqlite:///a.db" == _without_password("sqlite:///a.db")
    assert "me:s@a.db" == _without_password("me:s@a.db")


def test_mistakes_do_not_show_a_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The storage is named without it, also where it is part of a command to type."""
    with MemoryStorage() as kept:
        for name in ("a", "b"):
            Study(SPACE, name=name, storage=kept).close()

        @contextlib.contextmanager
        def opened(url: str, *, create: bool = True) -> Iterator[MemoryStorage]:
            yield kept

        monkeypatch.setattr(storage, "open_storage", opened)
        monkeypatch.setattr(previous, "open_storage", opened)
        url = "postgresql://me:secret@host/db"
        for arguments in (["nine", "--storage", url], [url]):
            assert 2 == main(["show", *arguments])
            said = capsys.readouterr().err
            assert "postgresql://me@host/db" in said
            assert "secret" not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "gone"], "no file 'gone'; to look at a study of this name, say where it is"),
        (["show", "mine", "--storage", "gone.db"], "there is no file gone.db"),
        (["show", "nine", "--storage", "two.db"], "no study 'nine' in two.db; there are: 'mine', "),
        (
            ["show", "two.db"],
            "say which study, as NAME --storage two.db: there are 'mine', 'other'",
        ),
        (["show", "sqlite:///gone.db"], "there is no file gone.db"),
        (["show", "oracle://a"], "no storage for 'oracle'"),
        (["show", "."], "no configs.json and no results.json"),
        (
            [
                "master",
                "space.json",
                "--run-id",
                "r",
                "--generator",
                "flat",
                "--n-trials",
                "1",
                "--previous",
                "gone.csv",
            ],
            "there is no file 'gone.csv'",
        ),
        (
            [
                "master",
                "space.json",
                "--run-id",
                "r",
                "--generator",
                "flat",
                "--n-trials",
                "1",
                "--previous",
                "two.db",
            ],
            "say which study, as --previous two.db --previous-study NAME: there are 'mine'",
        ),
        (
            [
                "master",
                "space.json",
                "--run-id",
                "r",
                "--generator",
                "flat",
                "--n-trials",
                "1",
                "--previous",
                "two.db",
                "--previous-study",
                "nine",
            ],
            "no study 'nine'",
        ),
        (["show"], "Missing argument 'STUDY'"),
        (["export", "one.db"], "Missing option '--output'"),
        (["export", "one.db", "-o", "a.xls"], "--output: 'a.xls' is none of the files of results"),
        (["export", "one.db", "-o", "no/a.csv"], "no such folder"),
        (["plot", "one.db"], "--kind NAME --output FILE, or --all DIR"),
        (["plot", "one.db", "--kind", "gant", "-o", "a.png"], "did you mean 'gantt'?"),
        (["plot", "one.db", "--kind", "xyz", "-o", "a.png"], "there are brackets, "),
        (
            ["plot", "one.db", "--kind", "gantt", "-o", "a.foo"],
            "a.foo' is no picture; its name must end in one of .",
        ),
        (["plot", "one.db", "--kind", "gantt", "-o", "no/a.png"], "no such folder"),
        (["plot", "gone.db", "--kind", "gantt", "-o", "a.png"], "there is no file 'gone.db'"),
        (["plot", "one.db", "--all", "d", "--kind", "gantt"], "leave the rest out"),
        (["plot", "one.db", "--all", "rows.jsonl"], "cannot make the folder 'rows.jsonl'"),
        (
            ["plot", "one.db", "--kind", "gantt", "-o", "a.png", "--budget", "3"],
            "the plot 'gantt' shows all budgets",
        ),
        (
            ["plot", "one.db", "--kind", "gantt", "-o", "a.png", "--parameter", "x"],
            "the plot 'gantt' takes no parameters",
        ),
        (
            ["plot", "one.db", "--kind", "slices", "-o", "a.png", "--parameter", "y"],
            "there is no parameter 'y'; there are x, k",
        ),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else "",
)
def test_mistakes_are_explained(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """A sentence and code 2, and nothing is left behind."""
    before = sorted(folder.iterdir())
    assert 2 == main(arguments)
    assert said in capsys.readouterr().err
    assert before == sorted(folder.iterdir())


def test_a_master_that_learned_from_its_own_database_can_be_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own study does not make two of them; here only the name server is missing."""
    monkeypatch.chdir(tmp_path)
    Path("space.json").write_text(json.dumps(SPACE))
    Study(SPACE, name="first", storage="sqlite:///all.db", previous_result=TAKEN).close()
    arguments = [
        "master", "space.json", "--run-id", "second", "--generator", "flat", "--timeout", "0.01",
        "--host", "127.0.0.1", "--port", "1", "--insecure",
        "--checkpoint-file", "all.db", "--previous", "all.db",
    ]  # fmt: skip
    for _ in range(2):
        assert main(arguments)
        assert "name server" in capsys.readouterr().err
        assert 1 == len(Result.of_stored("second", "all.db").evaluations)


@pytest.mark.parametrize("output", ["a.jsonl", "a.csv", "a.parquet", "a.pkl", "folder"])
def test_export_writes_what_load_reads(
    folder: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    """In each format; and show opens it again."""
    assert 0 == main(["export", "mine", "--storage", "two.db", "--output", output])
    assert f"saved to {output}" in capsys.readouterr().err
    stored = Result.of_stored("mine", "two.db")
    assert [e.loss for e in stored.history] == [e.loss for e in Result.load(output).history]
    assert 0 == main(["show", output])


def test_plot_draws_into_a_folder_or_a_file(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All kinds, or one into a file whose suffix says the format."""
    monkeypatch.setattr(files, "kinds", lambda: ("finished_over_time", "gantt", "hdl"))
    assert 0 == main(["plot", "rows.jsonl", "--all", "pictures", "--dpi", "30"])
    assert "; 3 plots drawn to pictures" in capsys.readouterr().err
    drawn = sorted((folder / "pictures").iterdir())
    assert ["finished_over_time.png", "gantt.png", "hdl.png"] == [p.name for p in drawn]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in drawn)
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    options = ["--budget", "1", "--size", "3", "2"]
    assert 0 == main(["plot", "one.db", "--kind", "convergence_over_iter", "-o", "s.svg", *options])
    assert "<svg" in (folder / "s.svg").read_text()


def test_a_plot_that_has_nothing_to_draw_from_does_not_keep_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that keeps no space has no tree of it; the rest is drawn, and that is told."""
    Result.load("rows.jsonl").save("rows.csv")
    monkeypatch.setattr(files, "kinds", lambda: ("gantt", "hdl"))
    assert 0 == main(["plot", "rows.csv", "--all", "pictures", "--dpi", "30"])
    assert "hdl: the plot 'hdl' needs the space, which was not saved" in capsys.readouterr().err
    assert ["gantt.png"] == [p.name for p in (folder / "pictures").iterdir()]


def test_a_plot_with_nothing_to_show_is_said_instead_of_drawn(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone it is a mistake; among all it is left out."""
    assert 2 == main(["plot", "rows.jsonl", "--kind", "pareto_front", "-o", "a.png"])
    assert "Error: nothing to draw: " in capsys.readouterr().err
    assert not (folder / "a.png").exists()
    monkeypatch.setattr(files, "kinds", lambda: ("gantt", "pareto_front"))
    assert 0 == main(["plot", "rows.jsonl", "--all", "pictures", "--dpi", "30"])
    said = capsys.readouterr().err
    assert "pareto_front: nothing to draw: " in said
    assert "1 plots drawn to pictures, 1 left out" in said
    assert ["gantt.png"] == [p.name for p in (folder / "pictures").iterdir()]


def test_of_an_empty_study_nothing_is_drawn(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No folder is made for it."""
    Study({"x": {"_type": "uniform", "_value": [0, 1]}}, storage="sqlite:///new.db").close()
    assert 2 == main(["plot", "new.db", "--all", "pictures"])
    assert "no evaluation has finished yet: there is nothing to draw" in capsys.readouterr().err
    assert not (folder / "pictures").exists()
    assert 2 == main(["plot", "new.db", "--kind", "gantt", "-o", "a.png"])
    assert "nothing to draw: No evaluation has finished yet" in capsys.readouterr().err


@pytest.mark.parametrize("kind", kinds())
def test_every_plot_can_be_drawn_by_its_name(kind: str) -> None:
    """It needs a result and nothing else, and takes the axes."""
    plot = getattr(plotting, f"plot_{kind}")
    first, *rest = inspect.signature(plot).parameters.values()
    assert first.default is first.empty
    assert all(option.default is not option.empty for option in rest)
    assert "ax" in {option.name for option in rest}


def test_the_names_of_the_plots_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a study."""
    assert 0 == main(["plot", "--list"])
    assert list(kinds()) == capsys.readouterr().out.split()
