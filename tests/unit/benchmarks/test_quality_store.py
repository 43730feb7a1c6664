"""The file of runs: what is kept is found again, what is torn is left out."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

from benchmarks.quality import pool
from benchmarks.quality.pool import play_all
from benchmarks.quality.store import Record, RunKey, Store


def record(seed: int, *, error: str = "") -> Record:
    """Return a record of a made-up run."""
    return Record("branin", "Random", seed, 1, 3.0, [1.0, 3.0], [2.0, 0.5], error=error)


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    """Every record comes back as it was, by its key; of two with one key the last counts."""
    store = Store(tmp_path / "new" / "runs.jsonl")
    for one in (record(0, error="broke"), record(1), record(0)):
        store.append(one)
    assert {record(0).key: record(0), record(1).key: record(1)} == store.read()


def test_nothing_there_is_nothing_known(tmp_path: Path) -> None:
    """A file that does not exist has no records."""
    assert {} == Store(tmp_path / "none.jsonl").read()


def test_a_torn_last_line_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that died while writing: earlier lines are read, and the next starts a new line."""
    path = tmp_path / "runs.jsonl"
    store = Store(path)
    store.append(record(0))
    store.append(record(1))
    path.write_bytes(path.read_bytes()[:-20])
    with caplog.at_level(logging.WARNING):
        assert [record(0).key] == list(store.read())
    assert "line 2 is torn" in caplog.text
    store.append(record(2))
    assert [record(0).key, record(2).key] == list(store.read())


def test_only_what_is_missing_or_failed_is_run() -> None:
    """Resuming runs what was never played, what failed, and what is asked for anew."""
    wanted: list[RunKey] = [record(seed).key for seed in range(4)]

    class Known(Store):
        def read(self) -> dict[RunKey, Record]:
            return {r.key: r for r in (record(0), record(1, error="broke"), record(2))}

    store = Known(Path("unused"))
    assert [wanted[1], wanted[3]] == store.missing(wanted)
    assert wanted == store.missing(wanted, fresh=["Random"])


def test_an_interrupted_round_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round that is stopped keeps the runs it finished; the next plays only the others."""
    store = Store(tmp_path / "runs.jsonl")
    wanted = [record(seed).key for seed in range(4)]
    played: list[int] = []

    def play(key: RunKey, *, cap: float, commit: str) -> Record:
        played.append(key[2])
        return record(key[2])

    def stop(made: Record, done: int, n: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(pool, "play", play)
    with pytest.raises(KeyboardInterrupt):
        play_all(store.missing(wanted), store, on_record=stop)
    play_all(store.missing(wanted), store)
    assert [0, 1, 2, 3] == played
    assert set(wanted) == set(store.read())


def test_the_incumbent_at_a_moment() -> None:
    """Before the first evaluation nothing is known; later the last change counts."""
    assert [math.inf, 2.0, 2.0, 0.5, 0.5] == [record(0).at(x) for x in (0, 1, 2.9, 3, 9)]
