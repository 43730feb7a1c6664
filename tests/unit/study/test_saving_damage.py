"""Files that were cut off, damaged, or made by somebody who means no good."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bandmaster import Result
from bandmaster.errors import CodecError, StorageError
from bandmaster.study.rows import own
from bandmaster.study.saving import hpbandster
from bandmaster.testing.histories import make_evaluation, make_history

ROWS = [
    make_evaluation(0, 0.5, config={"x": "é,日"}),
    make_evaluation(1, None, config={"x": '"q"'}, error='Traceback\n  "a", b\nValueError: ü\n'),
    make_evaluation(2, 12.25, config={"x": "c"}, metrics={"m": 1.5}, error="a,b"),
]


_TRAINED = (
    '{"bandmaster_result": 2, "space": null, "budgets": [], "objectives": [["loss", "optimize", '
    '"minimize", null]]}\n{"bandmaster_training": %s}\n'
)


def _segment(steps: str) -> str:
    return (
        '{"job": 3, "trial": 0, "config": {}, "checkpoint": null, "donor": null, "issued": 0.5, '
        f'"steps": [{steps}]}}'
    )


def written(tmp_path: Path, name: str) -> Path:
    """Save the rows."""
    path = tmp_path / name
    Result(make_history(*ROWS)).save(path)
    return path


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_wherever_a_file_is_cut_off_whole_rows_are_read(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Never half of a row, nor a number that lost its end; a warning names the line."""
    path = written(tmp_path, name)
    data = path.read_bytes()
    for cut in range(data.index(b"\n") + 1, len(data)):
        path.write_bytes(data[:cut])
        caplog.clear()
        loaded = Result.load(path).evaluations
        assert ROWS[: len(loaded)] == loaded, cut
        # Brackets tell that a line of JSON lacks only its line break; cells do not.
        end = cut if name == "rows.csv" else cut + 1
        whole = data[:cut].endswith(b"\n") or (end > cut and data[cut:end] == b"\n")
        whole = whole and data[:end].count(b'"') % 2 == 0  # not within a traceback
        assert whole != ("has no end" in caplog.text), cut
    path.write_bytes(data[:-1])
    assert (3 if name == "rows.jsonl" else 2) == len(Result.load(path).evaluations)


@pytest.mark.parametrize("name", ["configs.json", "results.json"])
def test_wherever_hpbandsters_files_are_cut_off_whole_results_are_read(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A result without its configuration is left out, and told."""
    folder = written(tmp_path, "folder")
    data = (folder / name).read_bytes()
    everything = [repr(e) for e in Result.load(folder).evaluations]
    for cut in range(0, len(data), 3):
        (folder / name).write_bytes(data[:cut])
        caplog.clear()
        loaded = [repr(e) for e in Result.load(folder).evaluations]
        assert everything[: len(loaded)] == loaded, cut
        assert "left out" in caplog.text or data[:cut].endswith(b"\n") or cut == 0 or loaded


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"config": {}\n{"config": {}}\n', r"a\.jsonl, line 1 is no JSON"),
        ("a.jsonl", '{"config": {}}\n[1]\n', "line 2: an evaluation is expected"),
        ("a.jsonl", '{"loss": 1}\n', "line 1: it has no 'config'; it has 'loss'"),
        ("a.jsonl", '{"config": {}, "loss": "1"}\n', "'loss' is '1'; a number is expected"),
        ("a.jsonl", '{"config": {}, "budget": 0}\n', "'budget' is 0; a number above 0"),
        ("a.jsonl", '{"config": {}, "status": "good"}\n', "one of 'ok', 'failed'"),
        ("a.jsonl", '{"config": {}, "status": "ok"}\n', "'ok', but it has no finite loss"),
        ("a.jsonl", '{"config": {}, "job": 1.5}\n', "'job' is 1.5; a whole number"),
        ("a.jsonl", '{"config": {}, "metrics": {"m": "1"}}\n', r"'metrics\.m' is '1'; a number"),
        ("a.jsonl", '{"config": {"__bytes__": "!"}}\n', "__bytes__ does not fit '!'"),
        ("a.jsonl", "[" * 100_000 + "\n\n", "line 1 is no JSON: it is nested too deep"),
        ("a.jsonl", '{"bandmaster_result": 3}\n', "reads up to format 2: update it"),
        ("a.jsonl", '{"bandmaster_result": 1}\n', "the header is damaged"),
        ("a.jsonl", _TRAINED % '{"job": 0}', "what job 0 reported is damaged: KeyError"),
        ("a.jsonl", _TRAINED % "[1]", "what job 0 reported is damaged: TypeError"),
        ("a.jsonl", _TRAINED % _segment("1, 2"), "what job 0 reported is damaged: TypeError"),
        ("a.jsonl", _TRAINED % _segment('[0, "1", 0.5, {}, null, null]'), "what job 3 reported"),
        ("a.jsonl", _TRAINED % _segment("[0, 1, 0.5, [], null, null]"), "what job 3 reported"),
        ("a.jsonl", '{"config": {"x": ' + "[" * 5000 + "]" * 5000 + "}}\n\n", "nested too deep"),
        ("a.csv", 'config.x,loss\n"' + "[" * 5000 + "]" * 5000 + '",1\n', "nested too deep"),
        ("a.csv", "", "it is empty"),
        ("a.csv", "a,loss\n1,2\n", r"no column of a parameter, such as 'config\.x', but a, loss"),
        ("a.csv", "config.x,loss\n1\n", "line 2 has 1 cells, the first one has 2"),
        ("a.csv", "config.x,config.x\n1,2\n", r"two columns are called 'config\.x'"),
        ("a.csv", 'config.x,loss\n"a"b,2\n', "line 2: something follows the quotes"),
        ("a.csv", "config.x,loss\n1,abc\n", "row 1: 'loss' is 'abc'; a number is expected"),
        ("a.csv", b"config.x,loss\n\xff,1\n", "it is no UTF-8 text"),
        ("a.parquet", b"PAR1", "is no Parquet file"),
        ("a.pkl", b"", "is no pickled result"),
        ("a.pkl", pickle.dumps([1]), "holds a pickled list"),
    ],
)
def test_damage_is_told_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    """File, line and what is expected there."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CodecError, match=said) as raised:
        Result.load(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("configs", "results", "said"),
    [
        ("{}\n", "", r"configs\.json, line 1 is \{\}; expected is \[\[i, j, k\]"),
        ('[[0, 0, "a"], {}, {}]\n', "", r"begins with \[i, j, k\]"),
        ("", "[[0, 0, 0], 1.0, {}, null]\n", r"results\.json, line 1"),
        ("[[0, 0, 0], {}, {}]\n", "[[0, 0, 0], -1, {}, null, null]\n", "line 1: 'budget' is -1"),
    ],
)
def test_damage_of_hpbandsters_files_is_told_with_its_place(
    tmp_path: Path, configs: str, results: str, said: str
) -> None:
    """File, line and what is expected there."""
    (tmp_path / "configs.json").write_text(configs)
    (tmp_path / "results.json").write_text(results)
    with pytest.raises(CodecError, match=said):
        Result.load(tmp_path)


def test_a_directory_of_something_else_is_told(tmp_path: Path) -> None:
    """The message names the files that are missing."""
    with pytest.raises(StorageError, match=r"no configs\.json and no results\.json"):
        Result.load(tmp_path)
    (tmp_path / "configs.json").write_text("")
    with pytest.raises(StorageError, match=r"there is no results\.json in it"):
        Result.load(tmp_path)


@pytest.mark.parametrize("name", [hpbandster.CONFIGS, hpbandster.RESULTS])
def test_files_of_somebody_else_are_not_replaced(tmp_path: Path, name: str) -> None:
    """A directory may well have a configs.json of another kind."""
    (tmp_path / name).write_text('{"port": 80}\n')
    with pytest.raises(StorageError, match=rf"there is a {name} in .* not HpBandSter's"):
        Result(make_history(*ROWS)).save(tmp_path)
    assert [name] == [p.name for p in tmp_path.glob("*.json")]
    assert '{"port": 80}\n' == (tmp_path / name).read_text()
    folder = written(tmp_path, "folder")
    Result(make_history(ROWS[0])).save(folder)
    assert 1 == len(Result.load(folder).history)


def test_hpbandsters_odd_lines_are_read(tmp_path: Path) -> None:
    """Old files have no config_info; a crashed worker leaves no times, NaN no loss."""
    (tmp_path / "configs.json").write_text(
        '[[0, 0, 0], {"x": 1}]\n[[1, 0, 0], {"x": 2}, "N/A"]\n\n'
    )
    (tmp_path / "results.json").write_text(
        '[[0, 0, 0], 1.0, {"submitted": 5.0}, null, "died"]\n'
        '[[0, 0, 0], 3, {}, {"loss": NaN, "info": null}, null]\n'
        '[[1, 0, 0], 3.0, {}, {"loss": 0.5, "info": {"a": 1}, "acc": 2, "tag": "t"}, null]\n'
        "[[1, 0, 0], 9.0, {}, 7, null]\n"
        '[[1, 0, 0], 27.0, {}, {"info": 1}, null]\n'
    )
    rows = Result.load(tmp_path).evaluations
    assert [None, None, 0.5, 7.0, None] == [e.loss for e in rows]
    assert [5.0, 0.0] == [e.submitted for e in rows[:2]]
    assert "died" == rows[0].error
    assert "nan" in (rows[1].error or "")
    assert {"acc": 2.0} == rows[2].metrics
    assert {"tag": "t", "info": {"a": 1}} == rows[2].info
    assert "loss" in (rows[4].error or "")
    assert [{}, {"note": "N/A"}] == [dict(rows[i].config_info) for i in (0, 2)]


def test_hpbandsters_files_keep_what_they_have_a_place_for(tmp_path: Path) -> None:
    """Configurations, budgets, times, losses, metrics, info and errors, in both directions."""
    result = Result(make_history(*ROWS))
    result.save(tmp_path / "folder")
    loaded = Result.load(tmp_path / "folder")
    for name in ("config", "budget", "loss", "info", "submitted", "started", "finished", "trial"):
        assert [repr(getattr(e, name)) for e in ROWS] == [
            repr(getattr(e, name)) for e in loaded.history
        ], name
    assert ROWS[1].error == loaded.history[1].error
    assert {"m": 1.5} == loaded.history[2].metrics
    loaded.save(tmp_path / "again")
    for name in (hpbandster.CONFIGS, hpbandster.RESULTS):
        assert (tmp_path / "folder" / name).read_text() == (tmp_path / "again" / name).read_text()


def test_a_failed_save_leaves_hpbandsters_files_as_they_were(tmp_path: Path) -> None:
    """Also where only the second file cannot be written; nothing is left beside them."""
    Result(make_history(*ROWS)).save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    broken = replace(make_evaluation(0, 0.1, config={"x": "new"}), info=object())
    with pytest.raises(CodecError, match="object"):
        Result(make_history(broken)).save(tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("lost", [hpbandster.CONFIGS, hpbandster.RESULTS])
def test_new_configurations_are_never_read_with_old_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Wherever a save ends between the two files, a load is refused."""
    Result(make_history(*ROWS)).save(tmp_path)
    rename = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if Path(target).name == lost:
            raise OSError(28, "no space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StorageError, match=f"^cannot write '[^']*{lost}': no space left"):
        Result(make_history(make_evaluation(0, 0.1, config={"x": "new"}))).save(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]
    with pytest.raises(StorageError, match=r"no results\.json"):
        Result.load(tmp_path)
    monkeypatch.undo()
    Result(make_history(*ROWS)).save(tmp_path)  # as if nothing had been
    assert len(ROWS) == len(Result.load(tmp_path).history)


@pytest.mark.parametrize("name", ["loss", "budget", "started"])
def test_a_number_beyond_the_floats_is_told_as_damage(tmp_path: Path, name: str) -> None:
    """Nothing of ours writes one there, and no column could hold it."""
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"config": {{"x": 1}}, "loss": 1, "{name}": 1{"0" * 400}}}\n')
    with pytest.raises(CodecError, match=f"line 1: '{name}' is 10.*a number that a float can hold"):
        Result.load(path)


def test_borrowed_evaluations_stay_borrowed_in_hpbandsters_files(tmp_path: Path) -> None:
    """They have trials and jobs below zero; the study's own keep theirs."""
    rows = [
        replace(make_evaluation(0, config={"x": t}), job=t, trial=t, bracket=min(t, 0) and -1)
        for t in (-1, -2, 0, 1)
    ]
    Result(make_history(*rows)).save(tmp_path)
    loaded = Result.load(tmp_path).history
    assert [-1, -2] == [e.job for e in loaded if not own(e)] == [e.trial for e in loaded][:2]
    assert 2 == sum(own(e) for e in loaded)


def test_a_trial_that_changes_its_configuration_has_two_names(tmp_path: Path) -> None:
    """As in population based training; HpBandSter's files know one configuration by name."""
    rows = [
        make_evaluation(i, float(i), trial=t, config={"x": x})
        for i, (t, x) in enumerate([(0, 1), (1, 2), (0, 3), (0, 1)])
    ]
    Result(make_history(*rows)).save(tmp_path / "folder")
    loaded = Result.load(tmp_path / "folder")
    assert [{"x": 1}, {"x": 2}, {"x": 3}, {"x": 1}] == [dict(e.config) for e in loaded.history]
    assert [0, 1, 2, 0] == [e.trial for e in loaded.history]


GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "results"
PIECES = [
    b"null",
    b"[",
    b"{",
    b'"',
    b",",
    b"\n",
    b"1e999",
    b"NaN",
    b"-",
    b"\x00",
    b"\xff",
    b"R",
    b"true",
]


@pytest.mark.parametrize(
    "name", ["result-1.jsonl", "result-1.csv", "result-1.pkl", "result-1.parquet", "results.json"]
)
@settings(max_examples=40)
@given(data=st.data())
def test_whatever_is_damaged_it_is_read_or_told_as_damage(name: str, data: st.DataObject) -> None:
    """No other error, and nothing that hangs."""
    with tempfile.TemporaryDirectory() as folder:
        if name == "results.json":
            source, target = GOLDEN / "hpbandster-0.7.4", Path(folder) / "folder"
            shutil.copytree(source, target)
            file = target / name
        else:
            target = file = Path(shutil.copy(GOLDEN / name, folder))
        content = file.read_bytes()
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(content) - 1))
            piece = data.draw(st.sampled_from(PIECES))
            content = content[:at] + piece + content[at + data.draw(st.integers(0, 9)) :]
        file.write_bytes(content)
        try:
            result = Result.load(target)
        except CodecError:
            return
        assert len(result.history) <= 12


class Bomb:
    """Makes a directory when it is unpickled by Python's own reader."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_a_strangers_pickle_runs_nothing(tmp_path: Path) -> None:
    """Whatever it names is refused before it is called, also inside of a result."""
    mark = tmp_path / "ran"
    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps(Bomb(mark)))
    inside = make_evaluation(0, config={"x": Bomb(mark)})
    (tmp_path / "inside.pkl").write_bytes(pickle.dumps(Result(make_history(inside))))
    for name in ("bomb.pkl", "inside.pkl"):
        with pytest.raises(CodecError, match=r"the pickle names \w+\.mkdir"):
            Result.load(tmp_path / name)
    assert not mark.exists()


def test_pickles_of_every_protocol_are_read(tmp_path: Path) -> None:
    """The oldest spell bytes as a call."""
    result = Result(make_history(*ROWS))
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps(result, protocol))
        assert ROWS == Result.load(path).evaluations
