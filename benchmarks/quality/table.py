"""Records as tables of regrets, and these as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from benchmarks.quality import statistics as st
from benchmarks.quality import suites
from benchmarks.quality.bench import Reference
from benchmarks.quality.store import Record

__all__ = ["Results", "markdown"]

FloatArray = npt.NDArray[np.float64]
SHARES = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Results:
    """Runs of one setting (workers, length, or the defaults of the suites), complete ones only.

    Parameters
    ----------
    records : sequence of Record
        Without errors.
    problems, engines : tuple of str
        Every engine has every problem.
    seeds : tuple of int
        Those that every engine has on every problem.
    """

    records: dict[tuple[str, str, int], Record]
    problems: tuple[str, ...]
    engines: tuple[str, ...]
    seeds: tuple[int, ...]

    @classmethod
    def of(
        cls, records: Iterable[Record], problems: Sequence[str], engines: Sequence[str]
    ) -> Results:
        """Keep what all engines have in common; an engine without a run is left out."""
        found = {(r.problem, r.engine, r.seed): r for r in records if not r.error}
        has = {(p, e) for p, e, _ in found}
        kept_problems = [p for p in problems if any((p, e) in has for e in engines)]
        kept = [e for e in engines if all((p, e) in has for p in kept_problems)]
        seeds = {
            frozenset(s for q, f, s in found if (q, f) == (p, e))
            for p in kept_problems
            for e in kept
        }
        common = frozenset.intersection(*seeds) if seeds else frozenset()
        return cls(found, tuple(kept_problems), tuple(kept), tuple(sorted(common)))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.problems and self.engines and self.seeds)

    def losses(self, problem: str, engine: str, share: float = 1.0) -> FloatArray:
        """Return the incumbents' true losses after a share of the run, shape (seeds,)."""
        runs = [self.records[problem, engine, seed] for seed in self.seeds]
        return np.array([run.at(share * run.length) for run in runs])

    def reference(self, problem: str) -> Reference:
        """Return best and median; where nobody knows them, from all runs there are."""
        known = _reference(problem)
        best, median = known.best, known.median
        runs = [r for (p, _, _), r in self.records.items() if p == problem]
        if math.isnan(best):
            best = min(min(r.y, default=math.inf) for r in runs)
        if math.isnan(median):
            seen = [loss for r in runs for loss in r.losses if math.isfinite(loss)]
            median = float(np.median(seen)) if seen else best + 1.0
        return Reference(best, median)

    def table(self, engine: str, share: float = 1.0) -> dict[str, FloatArray]:
        """Return the normalised regrets of an engine, by problem."""
        result = {}
        for problem in self.problems:
            reference = self.reference(problem)
            result[problem] = st.normalise(
                self.losses(problem, engine, share), reference.best, reference.median
            )
        return result

    def regret_rows(self) -> list[list[str]]:
        """Return the mean simple regret in each problem's own unit, a problem a row."""
        return [
            [
                problem,
                *(
                    f"{(self.losses(problem, name) - self.reference(problem).best).mean():.3g}"
                    for name in self.engines
                ),
            ]
            for problem in self.problems
        ]

    def summary_rows(self, first: str | None = None) -> list[list[str]]:
        """Return rank, normalised regret at 25, 50 and 100 %, wins and ratio; best rank first.

        Parameters
        ----------
        first : str, optional
            Against which engine wins and ratios are told; default: the first of the engines.
        """
        first = self.engines[0] if first is None else first
        tables = [self.table(name) for name in self.engines]
        own = tables[self.engines.index(first)]
        rows = []
        for name, rank, table in zip(self.engines, st.mean_rank(tables), tables, strict=True):
            cells = [str(st.bootstrap_mean(self.table(name, share))) for share in SHARES]
            against = ["", ""]
            if name != first:
                against = [str(st.win_tie_loss(own, table)), str(st.regret_ratio(own, table))]
            rows.append((rank.value, [name, f"{rank.value:.2f}", *cells, *against, self.ask(name)]))
        return [cells for _, cells in sorted(rows, key=lambda row: row[0])]

    def ask(self, engine: str) -> str:
        """Return the median over the runs of p50 and p99 of an ask, in milliseconds of CPU."""
        quantiles = [r.ask_ms for (_, e, _), r in self.records.items() if e == engine and r.ask_ms]
        if not quantiles:
            return ""
        _, p50, p99, _, _ = np.median(quantiles, axis=0)
        return f"{p50:.3g} / {p99:.3g}"


@lru_cache(maxsize=256)
def _reference(problem: str) -> Reference:
    return suites.load(problem).reference()


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
