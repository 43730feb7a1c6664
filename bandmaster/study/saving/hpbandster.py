"""HpBandSter's live results: a directory with ``configs.json`` and ``results.json``.

Each line of ``configs.json`` is ``[[i, j, k], config, config_info]``, each of ``results.json``
``[[i, j, k], budget, {"submitted": s, "started": s, "finished": s}, result, exception]``: bracket,
stage of the first look, and a running number; the result is a dict with ``loss`` and ``info``, or
null.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bandmaster.core.codec import pack
from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import ConfigId
from bandmaster.core.outcome import Outcome
from bandmaster.core.verdict import outcome_of
from bandmaster.errors import CodecError, StorageError
from bandmaster.space import Space
from bandmaster.study.rows import config_id_of, stamps_of
from bandmaster.study.saving.atomic import replacing_both
from bandmaster.study.saving.lines import read_values
from bandmaster.study.saving.rows import make_row
from bandmaster.study.saving.saved import Saved, assemble
from bandmaster.study.saving.spelling import dumps

__all__ = ["CONFIGS", "RESULTS", "config_ids", "read", "write"]

logger = logging.getLogger(__name__)

CONFIGS, RESULTS = "configs.json", "results.json"


def config_ids(rows: Sequence[Evaluation]) -> list[ConfigId]:
    """Return HpBandSter's name of each row's configuration: bracket, 0, trial.

    The further configurations of a trial that changes on its way, as in population based
    training, get numbers that no trial has.
    """
    known: dict[int, dict[bytes, ConfigId]] = {}
    free = max((row.trial for row in rows), default=0)
    ids = []
    for row in rows:
        names = known.setdefault(row.trial, {})
        config = pack(dict(row.config))
        if config not in names:
            free += bool(names)
            names[config] = (row.bracket, 0, free) if names else config_id_of(row)
        ids.append(names[config])
    return ids


def write(saved: Saved, directory: Path) -> None:
    """Write the two files. What HpBandSter has no place for is left out.

    These are the space, the objectives, workers, attempts, checkpoints, and how an evaluation
    failed (its error is kept).

    Raises
    ------
    StorageError
        When the directory cannot be written, or has other files of these names.
    CodecError
        When a value is no plain data.
    """
    try:
        directory.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the directory {str(directory)!r}: {error.strerror}"
        ) from error
    _check_free(directory)
    rows = list(saved.history)  # which may grow meanwhile
    ids = config_ids(rows)
    first = dict(zip(reversed(ids), reversed(rows), strict=True))
    with replacing_both(directory / CONFIGS, directory / RESULTS) as (configs, results):
        for name in dict.fromkeys(ids):
            row = first[name]
            line: list[Any] = [list(name), dict(row.config), dict(row.config_info)]
            configs.write(dumps(line).encode() + b"\n")
        for name, row in zip(ids, rows, strict=True):
            line = [list(name), row.budget, stamps_of(row), *_result(row)]
            results.write(dumps(line).encode() + b"\n")


def _check_free(directory: Path) -> None:
    """Replace files of this kind only: others may have these names too."""
    there = [name for name in (CONFIGS, RESULTS) if (directory / name).exists()]
    if not there:
        return
    try:
        if there == [CONFIGS] and list(_configs(directory / CONFIGS)):
            return  # a save was interrupted
        read(directory, None)
    except (CodecError, StorageError) as error:
        raise StorageError(
            f"there is a {there[0]} in {str(directory)!r} that is not HpBandSter's, so nothing is "
            f"written there; choose another directory ({error})"
        ) from error


def read(directory: Path, space: Space | None) -> Saved:
    """Read the two files.

    A trial has the last number of its configuration's name where these differ, as in what `write`
    wrote; HpBandSter begins anew in each bracket, so there it is the place in ``configs.json``.

    Raises
    ------
    CodecError
        Names the line that is damaged. A last line that was cut off is left out with a warning,
        and so is a result whose configuration is not there.
    StorageError
        When a file is not there or cannot be read.
    """
    missing = [name for name in (CONFIGS, RESULTS) if not (directory / name).is_file()]
    if missing:
        raise StorageError(
            f"{os.fspath(directory)!r} is no directory of HpBandSter's results: there is no "
            f"{' and no '.join(missing)} in it"
        )
    configs = dict(_configs(directory / CONFIGS))
    unique = len({name[2] for name in configs}) == len(configs)
    trials = {name: name[2] if unique else number for number, name in enumerate(configs)}
    results = list(_results(directory / RESULTS))
    rungs = _rungs(results)
    rows: list[Evaluation] = []
    strangers = 0
    for number, name, budget, stamps, outcome in results:
        if name not in configs:
            strangers += 1
            continue
        config, info = configs[name]
        trial = trials[name]
        job = trial if name[0] < 0 and trial < 0 else len(rows)  # borrowed of a previous result
        values = {
            "job": job, "trial": trial, "config": config, "config_info": info,
            "budget": budget, "bracket": name[0], "rung": rungs[name[0]].index(budget),
            "status": outcome.status.value, "loss": outcome.loss, "metrics": outcome.metrics,
            "info": outcome.info, "error": outcome.error, **stamps,
        }  # fmt: skip
        try:
            rows.append(make_row(values, len(rows)))
        except CodecError as error:
            raise CodecError(f"{directory / RESULTS}, line {number}: {error}") from error
    if strangers:
        logger.warning(
            "%s: left out %d results whose configuration is not in %s",
            directory / RESULTS, strangers, CONFIGS,
        )  # fmt: skip
    return assemble(rows, None, space)


def _configs(path: Path) -> Iterator[tuple[ConfigId, tuple[Any, Any]]]:
    for number, line in read_values(path):
        if type(line) is not list or len(line) not in (2, 3) or type(line[1]) is not dict:
            raise _wrong(path, number, line, "[[i, j, k], config, config_info]")
        info = line[2] if len(line) == 3 else {}
        yield _id(path, number, line), (line[1], info if type(info) is dict else {"note": info})


def _results(path: Path) -> Iterator[tuple[int, ConfigId, float, dict[str, float], Outcome]]:
    for number, line in read_values(path):
        shape = type(line) is list and len(line) == 5
        if not shape or type(line[1]) not in (int, float) or type(line[2]) is not dict:
            raise _wrong(path, number, line, "[[i, j, k], budget, times, result, exception]")
        _, budget, times, result, exception = line
        stamps = {name: times.get(name) or 0.0 for name in ("submitted", "started", "finished")}
        yield number, _id(path, number, line), budget, stamps, _outcome(result, exception)


def _id(path: Path, number: int, line: list[Any]) -> ConfigId:
    name = line[0]
    if type(name) is not list or len(name) != 3 or not all(type(part) is int for part in name):
        raise _wrong(path, number, line, "a line that begins with [i, j, k]")
    return name[0], name[1], name[2]


def _outcome(result: Any, exception: Any) -> Outcome:
    if result is None:
        return Outcome.failed(str(exception or "there is no result, and no exception"))
    outcome = outcome_of(result)
    if outcome.ok and outcome.loss is None:
        return Outcome.failed("the result has no 'loss'")
    return outcome


def _rungs(results: list[tuple[int, ConfigId, float, dict[str, float], Outcome]]) -> dict[int, Any]:
    """The budgets of each bracket, by rung; a bracket that began at a later stage starts there."""
    budgets: dict[int, set[float]] = {}
    for _, name, budget, _, _ in results:
        budgets.setdefault(name[0], set()).add(budget)
    return {bracket: sorted(found) for bracket, found in budgets.items()}


def _result(row: Evaluation) -> tuple[Mapping[str, Any] | None, str | None]:
    if row.loss is None or not row.ok:
        return None, row.error or row.status.value
    metrics = {"metrics": dict(row.metrics)} if row.metrics else {}
    return {"loss": row.loss, "info": row.info, **metrics}, None


def _wrong(path: Path, number: int, line: Any, expected: str) -> CodecError:
    return CodecError(f"{path}, line {number} is {line!r:.80}; expected is {expected}")
