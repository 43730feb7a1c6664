"""Results as files: what is written comes back, value by value and type by type."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bandmaster import Result
from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Status
from bandmaster.errors import CodecError, ConfigurationError, MissingExtraError, StorageError
from bandmaster.space import Categorical, Float, Integer, Space
from bandmaster.study.saving.formats import check_target
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history

WHOLE = (".jsonl", ".parquet", ".pkl")
"""The formats that keep all of a result."""
FILES = (*WHOLE, ".csv")
SPACE = Space([Float("x", 0.0, 10.0), Integer("n", 1, 9), Categorical("k", ("a", 1, "1", None))])

# Values that a format could take for others.
TRICKY = (
    "", "2", "2.0", "true", "True", "null", "None", "NaN", "1e5", "=1+1", "-", "+x", "@y", '"',
    "a,b", "a\nb", "a\r\nb", "\r", " a ", "\t", "日本語", "\x00", "\ud800", "\u2028", "[1]", "{}",
    "{", '""',
    None, True, False, 0, 1, -0.0, 0.0, 1.0, 0.1, 5e-324, math.pi, 1e308, math.inf, -math.inf,
    2**53 + 1, 2**63, -(2**70), (), (1, (2,)), [], [1, [None]], {}, {"a": (1,)},
    {"__tuple__": [1]}, {"__dict__": 1, "b": 2}, b"\x00\xff", {1: "a", None: 2, (1, 2): 3},
)  # fmt: skip
texts = st.text(max_size=8) | st.sampled_from([t for t in TRICKY if isinstance(t, str)])
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, -0.0, 2**53, 2.0**53, 2**63])
plain = st.recursive(
    st.sampled_from(TRICKY) | texts | numbers | st.none() | st.booleans() | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts | st.integers() | st.booleans(), inner, max_size=3)
    ),
    max_leaves=5,
)
names = st.sampled_from(["x", "n", "a,b", "=x", "日本", "__tuple__", 'q"', "config.x", "job"])
finite = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def evaluations(draw: st.DrawFn) -> Evaluation:
    """Draw any evaluation."""
    status = draw(st.sampled_from(Status))
    whole = st.integers(-(2**40), 2**40)
    return Evaluation(
        job=draw(whole),
        attempt=draw(whole),
        trial=draw(whole),
        config=draw(st.dictionaries(names, plain, max_size=3)),
        budget=draw(st.sampled_from([1, 3, 9, 1.0, 0.1, 1 / 3, 10**20])),
        status=status,
        loss=draw(finite) if status is Status.OK else draw(st.none() | finite),
        metrics=draw(st.dictionaries(names, numbers, max_size=2)),
        info=draw(plain),
        config_info=draw(st.dictionaries(names | st.integers(), plain, max_size=2)),
        error=draw(st.none() | texts),
        checkpoint=draw(st.none() | texts),
        bracket=draw(whole),
        rung=draw(whole),
        submitted=draw(finite),
        started=draw(finite),
        finished=draw(finite | st.integers(0, 9)),
        worker=draw(texts),
    )


def told(result: Result) -> list[str]:
    """Return what distinguishes 1 from 1.0, 0.0 from -0.0, and every float from its neighbour.

    The order of parameters and metrics is that of the columns in a table.
    """
    return [
        repr(replace(e, config=dict(sorted(e.config.items())), metrics=sorted(e.metrics.items())))
        for e in result.history
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all examples share."""
    return tmp_path_factory.mktemp("results")


@pytest.mark.parametrize("suffix", FILES)
@settings(max_examples=25)
@given(rows=st.lists(evaluations(), max_size=3))
@example(rows=[make_evaluation(i, config={"x": value}) for i, value in enumerate(TRICKY)])
@example(rows=[make_evaluation(i, config={"x": v}, budget=v) for i, v in enumerate((1, 1.5, 3))])
@example(rows=[make_evaluation(0, config={}), make_evaluation(1, config={"x": math.nan})])
def test_every_value_comes_back_as_it_was(
    folder: Path, suffix: str, rows: list[Evaluation]
) -> None:
    """To the last bit, with its type; text that looks like a number stays text."""
    result = Result(make_history(*rows))
    path = folder / f"any{suffix}"
    result.save(path)
    assert told(result) == told(Result.load(path))


@pytest.mark.parametrize("suffix", FILES)
def test_a_metric_that_is_a_bool_comes_back(tmp_path: Path, suffix: str) -> None:
    """Whoever tells an Outcome may give one."""
    rows = [replace(make_evaluation(i), metrics={"m": m}) for i, m in enumerate((True, 0.5, 1))]
    Result(make_history(*rows)).save(tmp_path / f"rows{suffix}")
    loaded = [e.metrics["m"] for e in Result.load(tmp_path / f"rows{suffix}").history]
    assert [(bool, True), (float, 0.5), (int, 1)] == [(type(m), m) for m in loaded]


@pytest.mark.parametrize("suffix", WHOLE)
def test_all_of_a_result_comes_back(tmp_path: Path, suffix: str) -> None:
    """Space, vectors, planned budgets and objectives too."""
    history = History(3)
    for i, k in enumerate(("a", 1, "1", None)):
        config = {"x": i / 3, "n": i + 1, "k": k}
        row = make_evaluation(i, 0.5, config=config, budget=1.5, metrics={"acc": 0.5})
        history.append(replace(row, vector=SPACE.encode_one(config)))
    objectives = Objectives(
        [
            Metric("acc", objective="maximize"),
            Metric("mb", strategy="constraint", threshold=math.inf),
        ]
    )
    result = Result(history, SPACE, budgets=(1, 1.5, 1 / 3), objectives=objectives)
    result.save(tmp_path / f"all{suffix}")
    loaded = Result.load(tmp_path / f"all{suffix}")
    assert told(result) == told(loaded)
    assert SPACE == loaded.space
    assert repr((1 / 3, 1, 1.5)) == repr(loaded.budgets)
    assert objectives == loaded.objectives
    assert history.vectors.tobytes() == loaded.history.vectors.tobytes()
    assert repr(result) == repr(loaded)


@pytest.mark.parametrize("suffix", FILES)
def test_an_empty_result_can_be_kept(tmp_path: Path, suffix: str) -> None:
    """As that of a search that was stopped at once."""
    path = tmp_path / f"empty{suffix}"
    Result(History(3), SPACE, budgets=(1, 3)).save(path)
    assert [] == Result.load(path).evaluations


def test_an_integer_longer_than_parsers_take_comes_back(tmp_path: Path) -> None:
    """Python refuses decimals of more than 4,300 digits."""
    row = make_evaluation(0, config={"x": 10**5000})
    for suffix in FILES:
        Result(make_history(row)).save(tmp_path / f"long{suffix}")
        assert row == Result.load(tmp_path / f"long{suffix}").history[0]


def test_a_space_can_be_given_for_a_file_that_keeps_none(tmp_path: Path) -> None:
    """The vectors follow from it; a configuration that does not fit it has none."""
    rows = [make_evaluation(0, config={"x": 5.0, "n": 1, "k": "a"}), make_evaluation(1)]
    Result(make_history(*rows)).save(tmp_path / "rows.csv")
    space = {
        "x": {"_type": "uniform", "_value": [0, 10]},
        "n": {"_type": "int_uniform", "_value": [1, 9]},
        "k": {"_type": "choice", "_value": ["a", "b"]},
    }
    loaded = Result.load(tmp_path / "rows.csv", space=space)
    assert ("x", "n", "k") == loaded.parameters
    first, second = loaded.history
    assert 0.5 == first.vector[0]
    assert second.vector is None


@pytest.mark.parametrize("name", ["rows.xlsx", "rows.json", "rows.csv.gz"])
def test_an_unknown_suffix_is_refused_with_those_there_are(tmp_path: Path, name: str) -> None:
    """Before anything is written or read."""
    path = tmp_path / name
    with pytest.raises(ConfigurationError, match=r"\.csv, \.jsonl"):
        Result(History(0)).save(path)
    assert not path.exists()
    path.write_text("")
    with pytest.raises(ConfigurationError, match=r"\.csv, \.jsonl"):
        Result.load(path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """A file to read, a folder to write in."""
    with pytest.raises(StorageError, match=r"no file .*gone\.csv"):
        Result.load(tmp_path / "gone.csv")
    with pytest.raises(ConfigurationError, match="no such folder"):
        Result(History(0)).save(tmp_path / "gone" / "rows.csv")
    with pytest.raises(ConfigurationError, match=r"cannot save to '/proc/a.csv': .*No such file"):
        check_target("/proc/a.csv")  # a folder where nobody can make a file


def test_a_directory_itself_is_what_must_be_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one around it need not be, as in a mount of one's own; a new one is made in it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    probed = []
    probe = tempfile.TemporaryFile

    def record(*, dir: Path) -> object:
        probed.append(dir)
        return probe(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", record)
    for name in ("folder", "new", "rows.csv"):
        check_target(tmp_path / name)
    assert [folder.resolve(), tmp_path.resolve(), tmp_path.resolve()] == probed


@pytest.mark.parametrize("suffix", FILES)
def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, suffix: str) -> None:
    """No half of a new one, and nothing beside it."""
    path = tmp_path / f"rows{suffix}"
    Result(make_history(make_evaluation(0))).save(path)
    before = path.read_bytes()
    broken = Result(make_history(make_evaluation(0), make_evaluation(1, config={"x": folder})))
    if suffix == ".pkl":
        broken = Result(make_history(make_evaluation(1, config={"x": lambda: 0})))
    with pytest.raises((CodecError, AttributeError, TypeError), match=r"."):
        broken.save(path)
    assert before == path.read_bytes()
    assert [path.name] == [p.name for p in tmp_path.iterdir() if p.name.startswith(("rows", "."))]


def test_a_link_and_permissions_stay(tmp_path: Path) -> None:
    """What is replaced is the content."""
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("")
    real.chmod(0o640)
    link.symlink_to(real)
    Result(make_history(make_evaluation(0))).save(link)
    assert link.is_symlink()
    assert 0o640 == real.stat().st_mode & 0o777
    assert 1 == len(Result.load(link).history)


def test_parquet_without_its_library_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a long run, if its output is checked."""
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"bandmaster\[parquet\]"):
        Result(History(0)).save(tmp_path / "rows.parquet")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtraError, match=r"bandmaster\[parquet\]"):
        Result.load(tmp_path / "rows.parquet")


def test_pandas_reads_csv_and_parquet(tmp_path: Path) -> None:
    """The columns have the types that one would want."""
    import pandas as pd

    result = Result(make_hyperband_history(3))
    for name, read in (("rows.csv", pd.read_csv), ("rows.parquet", pd.read_parquet)):
        result.save(tmp_path / name)
        frame = read(tmp_path / name)
        assert len(result.history) == len(frame)
        assert "float64" == frame["loss"].dtype == frame["config.svm:C"].dtype
        # Old versions of pandas read fifteen digits of a number in text.
        losses = list(result.to_dataframe()["loss"])
        assert pytest.approx(losses, rel=1e-14, abs=0) == list(frame["loss"])


def test_a_table_of_somebody_else_is_read(tmp_path: Path) -> None:
    """Parameters and a loss are enough; without a loss, or with NaN, it failed."""
    (tmp_path / "own.csv").write_bytes(
        "\ufeffconfig.x,config.k,loss\r\n0.5,a,2\r\n1,,\r\n2,,NaN\r\n".encode()
    )
    rows = Result.load(tmp_path / "own.csv").evaluations
    assert [{"x": 0.5, "k": "a"}, {"x": 1}, {"x": 2}] == [dict(e.config) for e in rows]
    assert [2, None, None] == [e.loss for e in rows]
    assert [Status.OK, Status.FAILED, Status.FAILED] == [e.status for e in rows]
    assert [(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0)] == [(e.job, e.trial, e.budget) for e in rows]


def test_names_that_mean_nothing_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A misspelt column is not silently ignored."""
    (tmp_path / "own.csv").write_text("config.x,loss,los\n1,0.5,2\n")
    (tmp_path / "own.jsonl").write_text('{"config": {"x": 1}, "los": 2}\n')
    for name in ("own.csv", "own.jsonl"):
        caplog.clear()
        assert 1 == len(Result.load(tmp_path / name).history)
        assert "los" in caplog.text


def test_no_temporary_file_is_readable_by_more_than_the_file(tmp_path: Path) -> None:
    """A new file has what the umask leaves."""
    old = os.umask(0o027)
    try:
        Result(make_history(make_evaluation(0))).save(tmp_path / "rows.csv")
    finally:
        os.umask(old)
    assert 0o640 == (tmp_path / "rows.csv").stat().st_mode & 0o777


@pytest.mark.parametrize("head", ["config.x;loss", "config.x,metric.error"])
def test_a_table_without_losses_is_refused(head: str, tmp_path: Path) -> None:
    """Its rows would all count as failures."""
    (tmp_path / "a.csv").write_text(f"{head}\n1,2\n")
    with pytest.raises(CodecError, match="no column is called loss"):
        Result.load(tmp_path / "a.csv")
