"""Plays many runs over the cores, and keeps each as soon as it is there."""

from __future__ import annotations

import multiprocessing
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.quality.runs import play
from benchmarks.quality.store import Record, RunKey, Store

__all__ = ["commit_of_tree", "play_all"]


def play_all(
    keys: Sequence[RunKey],
    store: Store,
    *,
    jobs: int = 1,
    cap: float = float("inf"),
    commit: str | None = None,
    on_record: Callable[[Record, int, int], None] | None = None,
) -> None:
    """Play every run and append its record.

    Parameters
    ----------
    keys : sequence of RunKey
    store : Store
    jobs : int, default 1
        Processes; with 1 all happens in this one.
    cap : float
        Seconds of wall-clock time a run.
    commit : str, optional
        For the records; default: what git says.
    on_record : callable, optional
        ``on_record(record, how_many_are_done, of_how_many)``.
    """
    commit = commit_of_tree() if commit is None else commit
    for done, record in enumerate(_records(keys, jobs, cap, commit), start=1):
        store.append(record)
        if on_record is not None:
            on_record(record, done, len(keys))


def _records(keys: Sequence[RunKey], jobs: int, cap: float, commit: str) -> Iterator[Record]:
    if jobs == 1 or len(keys) < 2:
        for key in keys:
            yield play(key, cap=cap, commit=commit)
        return
    context = multiprocessing.get_context("spawn")  # nothing of a run reaches another process
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        runs = [pool.submit(play, key, cap=cap, commit=commit) for key in keys]
        try:
            for run in as_completed(runs):
                yield run.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def commit_of_tree() -> str:
    """Return the commit that is checked out, with a plus where files differ from it."""
    root = Path(__file__).parent
    commit = _git(root, "rev-parse", "--short", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", "../../bandmaster")
    return commit + "+" * bool(changed)


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
