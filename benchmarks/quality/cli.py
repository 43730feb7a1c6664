"""The command line: which runs, and which report of them."""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.quality import ablations, suites
from benchmarks.quality.asktime import ask_times
from benchmarks.quality.engines import parse
from benchmarks.quality.peers import why_missing
from benchmarks.quality.pool import play_all
from benchmarks.quality.report import (
    ask_time_section,
    parallel_rows,
    section,
    section_name,
    summary_head,
    write_report,
)
from benchmarks.quality.store import Record, RunKey, Store
from benchmarks.quality.table import Results, markdown

__all__ = ["main"]

RESULTS = Path("benchmarks/quality/results.jsonl")
REPORT = Path("docs/benchmarks.md")


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
    add(
        "--ablations",
        nargs="+",
        default=[],
        metavar="ENGINE",
        help=f"with and without each of an engine's choices: {', '.join(ablations.ABLATIONS)}",
    )
    add("--seeds", type=_seeds, default=range(10), help="how many, or FIRST-LAST")
    add("--workers", type=int, nargs="+", default=[1], help="how many at a time")
    add("--budget", type=float, default=None, help="evaluations a run; default: the suite's")
    add("--jobs", type=int, default=1, help="processes")
    add("--cap", type=float, default=math.inf, help="seconds after which a run is cut off")
    add("--results", type=Path, default=RESULTS, help="the file of JSON lines")
    add("--fresh", nargs="+", default=[], metavar="ENGINE", help="run these again")
    add("--ask-times", action="store_true", help="measure an ask against the evaluations known")
    add("--report", type=Path, nargs="?", const=REPORT, help="write tables and plots to this page")
    add("--title", default="", help="sets a section of the report apart, e.g. 'slow peers'")
    add("--commit", default=None, help="what is measured, where it is no checkout of git")
    add("--no-run", action="store_true", help="only show what there is")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it misses fonts that nobody wants
    options = parser().parse_args(arguments)
    store = Store(options.results)
    peers = options.peers if options.no_run else _present(options.peers)
    engines = [*options.engines, *peers]
    if options.ablations:
        engines = [name for engine in options.ablations for name in ablations.variants(engine)]
    sections: dict[str, str] = {}
    for workers in options.workers:
        wanted = {suite: list(_wanted(options, suite, engines, workers)) for suite in options.suite}
        keys = [key for of_suite in wanted.values() for key in of_suite]
        if not options.no_run:
            missing = store.missing(keys, fresh=options.fresh)
            print(f"{len(keys)} runs with {workers} at a time, {len(missing)} of them to do")
            play_all(
                missing, store, jobs=options.jobs, cap=options.cap, commit=options.commit,
                on_record=_Progress(),
            )  # fmt: skip
        known = store.read()
        for suite, of_suite in wanted.items():
            records = [known[key] for key in of_suite if key in known]
            _print_tables(suite, records, of_suite, engines)
            if options.report and not options.ablations:
                name = section_name(suite, workers, options.title)
                sections[name] = section(
                    suite, workers, records,
                    problems=list(dict.fromkeys(k[0] for k in of_suite)), engines=engines,
                    images=options.report.parent / "images", title=options.title,
                )  # fmt: skip
            for engine in options.ablations:
                text = _ablations(suite, engine, records, engines)
                print(text)
                sections[f"ablations-{engine}-{suite}"] = text
            if workers > 1 and not suite.startswith("mf-"):
                text = _parallel(suite, known.values(), of_suite, engines, workers)
                print(text)
                sections[f"parallel-{suite}-{workers}"] = text
    if options.ask_times:
        times = ask_times(engines, options.results.with_name("ask-times.json"))
        print(json.dumps(times))
        if options.report:
            sections["ask-time"] = ask_time_section(times, options.report.parent / "images")
    if options.report:
        write_report(options.report, sections)
    return 0


def _present(peers: Sequence[str]) -> list[str]:
    """Return the peers that can run here; say what the others lack."""
    kept = []
    for name in peers:
        reason = why_missing(parse(name).name)
        if reason:
            print(f"left out: {reason}")
        else:
            kept.append(name)
    return kept


def _wanted(
    options: argparse.Namespace, suite: str, engines: Sequence[str], workers: int
) -> Iterator[RunKey]:
    lacking = suites.why_missing(suite)
    if lacking:
        print(f"suite {suite} is left out: {lacking}")
        return
    length = options.budget or suites.default_length(suite, workers)
    for seed in options.seeds:
        for problem in suites.names(suite):
            if options.problems is None or problem in options.problems:
                for engine in engines:
                    yield (problem, engine, seed, workers, float(length))


def _ablations(suite: str, engine: str, records: Sequence[Record], engines: Sequence[str]) -> str:
    problems = list(dict.fromkeys(record.problem for record in records))
    results = Results.of(
        records, problems, [e for e in engines if e in {r.engine for r in records}]
    )
    rows = ablations.rows(results, engine)
    if not rows:
        return ""
    return (
        f"### With and without: {engine} on {suite}\n\n{len(results.problems)} problems, "
        f"{len(results.seeds)} seeds; below 1: it helps.\n\n{markdown(ablations.HEAD, rows)}"
    )


def _parallel(
    suite: str,
    records: Iterable[Record],
    keys: Sequence[RunKey],
    engines: Sequence[str],
    workers: int,
) -> str:
    problems = list(dict.fromkeys(key[0] for key in keys))
    rows = parallel_rows(records, engines, problems, workers)
    if not rows:
        return ""
    head = ["engine", *problems, "all [95 % interval]"]
    return (
        f"### {suite}: {workers} at a time against one at a time\n\nMean regret over that of one "
        f"at a time after as many evaluations (1: nothing lost):\n\n{markdown(head, rows)}"
    )


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


def _print_tables(
    suite: str, records: Sequence[Record], keys: Sequence[RunKey], engines: Sequence[str]
) -> None:
    results = Results.of(records, list(dict.fromkeys(key[0] for key in keys)), engines)
    if results.empty:
        print(f"{suite}: nothing to show")
        return
    n, first = len(results.seeds), results.engines[0]
    print(f"\n{suite}: mean simple regret, {n} seeds\n")
    print(markdown(["problem", *results.engines], results.regret_rows()))
    print(f"Normalised regret [95 % interval], {n} seeds; against: {first}\n")
    print(markdown(summary_head(first), results.summary_rows()))


def _seeds(text: str) -> range:
    first, dash, last = text.partition("-")
    return range(int(first), int(last) + 1) if dash else range(int(first))
