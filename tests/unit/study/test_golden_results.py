"""Files that earlier versions, and HpBandSter, have written: they open, with what was in them.

The files in tests/golden/results were made once, by ``golden_result().save(...)`` of format 1, by
``golden_training().save(...)`` of format 2, and by the logger of HpBandSter 0.7.4. They never
change; a new format gets new files beside them.
"""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

from bandmaster import Result
from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Status
from bandmaster.space import Categorical, Condition, Constant, Equals, Float, Integer, Space
from bandmaster.study.reported import Reported
from bandmaster.study.segments import ReportedStep, Segment

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "results"
SPACE = Space(
    [
        Float("lr", 1e-4, 1.0, log=True),
        Integer("layers", 1, 9, default=2),
        Categorical("act", ("relu", "2", 2, None, True, (1, "a"))),
        Constant("seed", 42),
    ],
    conditions=[Condition("layers", Equals("act", "relu"))],
)
CONFIGS = (
    {"lr": 0.1, "layers": 3, "act": "relu", "seed": 42},
    *({"lr": 1 / 3, "act": act, "seed": 42} for act in ("2", 2, None, True, (1, "a"))),
)


def golden_result() -> Result:
    """Return a result with every kind of value."""
    history = History(SPACE.dim)
    for i, config in enumerate(CONFIGS):
        status = (Status.OK, *Status)[i]
        history.append(
            Evaluation(
                job=i, attempt=i % 2, trial=i, config=config, budget=(1, 3.0, 1 / 3)[i % 3],
                status=status, loss=-0.1 * i if status is Status.OK else None,
                metrics={"accuracy": 0.1 * i, "cost": math.inf}, info={"t": (1, b"x"), 3: [None]},
                config_info={"model_based_pick": i > 2},
                error=None if status is Status.OK else "Traceback:\n  naïve, \"x\"\nValueError: 日",
                checkpoint="/a/b" if i == 2 else None, bracket=i // 3, rung=i % 3,
                submitted=1.7e9 + 0.1, started=1.7e9 + i / 7, finished=1.7e9 + i, worker=f"w,{i}",
                vector=SPACE.encode_one(config),
            )
        )  # fmt: skip
    objectives = Objectives([Metric("accuracy", "optimize", "maximize"), Metric("cost", "store")])
    return Result(history, SPACE, budgets=(1 / 3, 1, 9), objectives=objectives)


def golden_training() -> Result:
    """Return a result whose trials reported every kind of value, and one exploited another."""
    result = golden_result()
    second = {"lr": 0.05, "act": (1, "a"), "seed": 42}
    segments = [
        Segment(0, 0, CONFIGS[0], None, None, 1.7e9),
        Segment(1, 1, CONFIGS[5], None, None, 1.7e9 + 0.5),
        Segment(2, 1, second, "2-00ff00ff00ff00ff", 0, 1.7e9 + 9),
    ]
    steps = [
        ReportedStep(segments[0], 0, 1, 1.7e9 + 1, {"accuracy": 1 / 3}, -1 / 3, None),
        ReportedStep(segments[0], 1, 2, 1.7e9 + 2, {"cost": math.inf}, None, "2-00ff00ff00ff00ff"),
        ReportedStep(segments[1], 0, 1, 1.7e9 + 3, {"theta": [1, 2.0, None], "on": True}, 0.0, "x"),
        ReportedStep(segments[2], 0, 3, 1.7e9 + 10, {"accuracy": 10**30, "s": "日"}, 5e-324, None),
    ]
    result.history.reported = Reported(segments=segments, steps=steps)
    return result


@pytest.mark.parametrize("name", ["result-2.jsonl", "result-2.parquet", "result-2.pkl"])
def test_files_of_format_2_open(name: str) -> None:
    """They have what trials reported, too."""
    expected, loaded = golden_training(), Result.load(GOLDEN / name)
    assert [repr(e) for e in expected.history] == [repr(e) for e in loaded.history]
    assert repr(expected.reported.segments) == repr(loaded.reported.segments)
    assert repr(expected.reported.all_steps()) == repr(loaded.reported.all_steps())
    assert repr(expected.exploits()) == repr(loaded.exploits())
    assert 1 == len(loaded.exploits())


def test_what_is_written_today_with_steps_is_format_2(tmp_path: Path) -> None:
    """As without them."""
    golden_training().save(tmp_path / "result.jsonl")
    assert (GOLDEN / "result-2.jsonl").read_text() == (tmp_path / "result.jsonl").read_text()


@pytest.mark.parametrize("name", ["result-1.jsonl", "result-1.parquet", "result-1.pkl"])
def test_files_of_format_1_open(name: str) -> None:
    """All of it is there, value by value."""
    expected, loaded = golden_result(), Result.load(GOLDEN / name)
    assert [repr(e) for e in expected.history] == [repr(e) for e in loaded.history]
    assert expected.space == loaded.space
    assert repr(expected.budgets) == repr(loaded.budgets)
    assert expected.objectives == loaded.objectives
    if name.endswith("pkl"):
        np.testing.assert_allclose(expected.history.vectors, loaded.history.vectors, rtol=1e-15)


def test_a_csv_of_format_1_opens() -> None:
    """The evaluations are there."""
    expected, loaded = golden_result(), Result.load(GOLDEN / "result-1.csv")
    for e, found in zip(expected.history, loaded.history, strict=True):
        assert e == found
        assert {k: repr(v) for k, v in e.config.items()} == {
            k: repr(v) for k, v in found.config.items()
        }


def test_a_pickle_of_format_1_opens_with_pickle() -> None:
    """As one's own file may be read."""
    loaded = pickle.loads((GOLDEN / "result-1.pkl").read_bytes())
    assert repr(golden_result()) == repr(loaded)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_what_is_written_today_is_format_1(tmp_path: Path, suffix: str) -> None:
    """A change of what is written is a change of the format, or none."""
    path = tmp_path / f"result{suffix}"
    golden_result().save(path)
    assert (GOLDEN / f"result-1{suffix}").read_text() == path.read_text()


def test_what_hpbandster_wrote_opens() -> None:
    """Brackets, budgets, times, losses, info and tracebacks are those of its files."""
    folder = GOLDEN / "hpbandster-0.7.4"
    result = Result.load(folder)
    lines = [json.loads(line) for line in (folder / "results.json").read_text().splitlines()]
    assert [line[1] for line in lines] == [e.budget for e in result.history]
    assert [line[2]["finished"] for line in lines] == [e.finished for e in result.history]
    assert [(line[3] or {}).get("loss") for line in lines] == [e.loss for e in result.history]
    assert [line[0][0] for line in lines] == [e.bracket for e in result.history]
    assert {Status.OK, Status.FAILED} == {e.status for e in result.history}
    assert {"a": [1, 2]} == result.history[0].info
    assert "ValueError" in (result.failures[0].error or "")
    assert 8 == len({e.trial for e in result.history})
    assert {"x": 1.5, "n": 3, "c": "a"} == dict(result.failures[0].config)
    assert {"model_based_pick": True} == dict(result.failures[0].config_info)
    assert [(0, 1.0), (1, 3.0)] == [(e.rung, e.budget) for e in result.history if e.trial == 0]
    assert [(0, 3.0), (1, 9.0)] == [(e.rung, e.budget) for e in result.history if e.trial == 4]
