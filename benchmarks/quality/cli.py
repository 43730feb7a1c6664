"""The command line: which runs, and which report of them."""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.quality import suites
from benchmarks.quality.pool import play_all
from benchmarks.quality.store import Record, RunKey, Store
from benchmarks.quality.table import Results, markdown

__all__ = ["main"]

RESULTS = Path(".bench/quality.jsonl")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.quality",
        description="Play engines on problems, keep every run, and show tables. What is kept "
        "already is not run again.",
    )
    add = made.add_argument
    add("--suite", nargs="+", default=["synthetic"], metavar="SUITE",
        help=f"any of {', '.join(suites.SUITES)}")  # fmt: skip
    add("--problems", nargs="+", default=None, help="only these of the suites")
    add("--engines", nargs="+", default=["ETPE", "Random"],
        help="NAME[:option=value,module._CONSTANT=value][+GENERATOR][@label]")  # fmt: skip
    add("--peers", nargs="*", default=[], help="others' optimizers, e.g. Optuna")
    add("--seeds", type=_seeds, default=range(10), help="how many, or FIRST-LAST")
    add("--workers", type=int, nargs="+", default=[1], help="how many at a time")
    add("--budget", type=float, default=None, help="evaluations a run; default: the suite's")
    add("--jobs", type=int, default=1, help="processes")
    add("--cap", type=float, default=math.inf, help="seconds after which a run is cut off")
    add("--results", type=Path, default=RESULTS, help="the file of JSON lines")
    add("--fresh", nargs="+", default=[], metavar="ENGINE", help="run these again")
    add("--no-run", action="store_true", help="only show what there is")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    logging.basicConfig(format="%(message)s")
    options = parser().parse_args(arguments)
    store = Store(options.results)
    engines = [*options.engines, *options.peers]
    for workers in options.workers:
        keys = list(_wanted(options, engines, workers))
        if not options.no_run:
            missing = store.missing(keys, fresh=options.fresh)
            print(f"{len(keys)} runs with {workers} at a time, {len(missing)} of them to do")
            play_all(missing, store, jobs=options.jobs, cap=options.cap, on_record=_Progress())
        _print_tables(store, keys, engines)
    return 0


def _wanted(options: argparse.Namespace, engines: Sequence[str], workers: int) -> Iterable[RunKey]:
    for suite in options.suite:
        lacking = suites.why_missing(suite)
        if lacking:
            print(f"suite {suite} is left out: {lacking}")
            continue
        length = options.budget or suites.default_length(suite, workers)
        for seed in options.seeds:
            for problem in suites.names(suite):
                if options.problems is None or problem in options.problems:
                    for engine in engines:
                        yield (problem, engine, seed, workers, float(length))


class _Progress:
    """Says how far it is, and the story of every new kind of failure once."""

    def __init__(self) -> None:
        self.told: set[str] = set()

    def __call__(self, record: Record, done: int, n: int) -> None:
        if record.error:
            reason = record.error.strip().rpartition("\n")[2]
            print(f"{record.problem} {record.engine} seed {record.seed} failed: {reason}")
            if reason not in self.told:
                print(record.error)
            self.told.add(reason)
        if done % 10 == 0 or done == n:
            print(f"{done} of {n} runs", flush=True)


def _print_tables(store: Store, keys: Sequence[RunKey], engines: Sequence[str]) -> None:
    known = store.read()
    records = [known[key] for key in keys if key in known]
    results = Results.of(records, list(dict.fromkeys(key[0] for key in keys)), engines)
    if results.empty:
        print("nothing to show")
        return
    n, first = len(results.seeds), results.engines[0]
    print(f"\nMean simple regret, {n} seeds\n")
    print(markdown(["problem", *results.engines], results.regret_rows()))
    print(f"Normalised regret [95 % interval], {n} seeds; against: {first}\n")
    print(markdown(["engine", "mean rank", "at 25 %", "at 50 %", "at 100 %",
                    f"win/tie/loss of {first}", f"regret of {first} over it",
                    "ask p50 / p99, ms"], results.summary_rows()))  # fmt: skip


def _seeds(text: str) -> range:
    first, dash, last = text.partition("-")
    return range(int(first), int(last) + 1) if dash else range(int(first))
