"""A result as HTML, for notebooks: incumbent, table by budget, charts, workers, failures."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.formatting import cut_end, format_budget
from bandmaster.core.objectives import Objectives
from bandmaster.study.chart import StepChart, Trace
from bandmaster.study.formatting import escape, format_loss, format_seconds, format_value
from bandmaster.study.incumbent import find_trajectory
from bandmaster.study.notes import reason_of
from bandmaster.study.pareto import find_front
from bandmaster.study.rows import own, stamps_of
from bandmaster.study.table import ResultTable
from bandmaster.study.utilization import Utilization, measure_utilization

__all__ = ["HtmlView"]

_MOST_GROUPS = 12  # kinds of failures that are shown
_MOST_JOBS = 10  # evaluations that a kind names
_MOST_TEXT = 6_000  # characters of a traceback
_MOST_WORKERS = 12
_MOST_BUDGETS = 24  # lines in a chart
_LEFT = "style='text-align:left;padding:0 1em 0 0'"
_WRAPPED = "style='white-space:pre-wrap;overflow-wrap:anywhere'"
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


@dataclass(frozen=True, slots=True)
class HtmlView:
    """What the view shows. Every word of a user is escaped; nothing in it runs.

    Parameters
    ----------
    rows : sequence of Evaluation
        At least one.
    failures : sequence of Evaluation
        Those of them that raised, timed out or crashed.
    best : Evaluation or None
    table : ResultTable
    objectives : Objectives
    optimizer_time : float or None
        Seconds that proposals took, if that is known.
    """

    rows: Sequence[Evaluation]
    failures: Sequence[Evaluation]
    best: Evaluation | None
    table: ResultTable
    objectives: Objectives
    optimizer_time: float | None = None

    def to_html(self) -> str:
        """Draw it."""
        use = measure_utilization(self.rows)
        anchor = f"bandmaster-failures-{secrets.token_hex(4)}"  # one page may show many results
        parts = [
            self._summary(use, anchor),
            self._incumbent(),
            self._front(),
            f"<div style='overflow:auto;max-height:40em'>{self.table.to_html()}</div>",
            f"<div>{''.join(chart.to_img() for chart in self._charts())}</div>",
            self._undrawn(),
            _workers(use),
            self._failed(anchor),
        ]
        # The other classes keep Jupyter's MathJax from typesetting what is between dollar signs.
        classes = "bandmaster-result tex2jax_ignore mathjax_ignore"
        return f"<div class='{classes}'>{''.join(parts)}</div>"

    def _summary(self, use: Utilization, anchor: str) -> str:
        trials = len({e.trial for e in self.rows})
        words = [f"{_count(len(self.rows), 'evaluation')} of {_count(trials, 'configuration')}"]
        borrowed = sum(not own(e) for e in self.rows)
        if borrowed:
            words.append(f"{borrowed:,} of them of a previous result")
        if use.workers:
            words.append(f"{_count(len(use.workers), 'worker')}, {use.share:.0%} busy")
        _, end = self._span()
        words.append(format_seconds(end))
        if self.optimizer_time:
            words.append(f"{format_seconds(self.optimizer_time)} for proposals")
        text = " · ".join(map(escape, words))
        if self.failures:
            text += f" · <a href='#{anchor}'>{len(self.failures):,} failed</a>"
        return f"<p>{text}</p>"

    def _incumbent(self) -> str:
        best = self.best
        if best is None or best.loss is None:
            broken = any(e.ok for e in self.rows)
            why = "Each success breaks a constraint" if broken else "No evaluation has succeeded"
            return f"<p><b>{why}.</b></p>"
        start, _ = self._span()
        words = [
            f"Best {self.objectives.primary.name}: "
            f"{format_loss(self.objectives.value(best.loss))} at budget "
            f"{format_budget(best.budget)}",
            f"trial {best.trial}",
        ]
        if own(best):
            after = format_seconds(max(0.0, stamps_of(best)["finished"] - start))
            words += [f"after {after}", *([f"on {best.worker}"] if best.worker else [])]
        lines = [
            f"{format_value(name, quote=True, width=200)}: "
            f"{format_value(value, quote=True, width=200, digits=17)},"
            for name, value in best.config.items()
        ]
        config = "\n".join(["{", *(f"    {line}" for line in lines), "}"])
        return (
            f"<p><b>{escape(words[0])}</b> ({escape(', '.join(words[1:]))})</p>"
            "<details><summary>its configuration</summary>"
            f"<pre {_WRAPPED}>{escape(config)}</pre></details>"
        )

    def _front(self) -> str:
        """Say how many evaluations the Pareto front has, where several metrics are optimised."""
        metrics = [m for m in self.objectives.metrics if m.strategy == "optimize"]
        if len(metrics) < 2:
            return ""
        front = find_front(self.rows, self.objectives, metrics)
        names = escape(" and ".join(metric.name for metric in metrics))
        return f"<p>Pareto front of {names}: {_count(len(front), 'evaluation')}</p>"

    def _span(self) -> tuple[float, float]:
        """When the search's own evaluations began, and how many seconds later they ended."""
        stamps = [stamps_of(e) for e in self.rows if own(e)] or [stamps_of(e) for e in self.rows]
        start = min(s["started"] for s in stamps)
        return start, max(s["finished"] for s in stamps) - start

    def _charts(self) -> list[StepChart]:
        rows = [e for e in self.rows if own(e)]
        start, seconds = self._span()
        unit, per = next(((u, s) for s, u in _UNITS if seconds >= 2 * s), ("s", 1.0))
        label, end = f"[{unit}]", seconds / per
        best, finished = [], []
        known = np.maximum.accumulate(
            [stamps_of(e)["finished"] for e in rows] or [start]
        )  # a study cannot have known an evaluation before those that it knew before
        groups: dict[float, list[int]] = {}
        for i, e in enumerate(rows):
            groups.setdefault(e.budget, []).append(i)
        for budget in sorted(groups)[-_MOST_BUDGETS:]:
            name, places = format_budget(budget), groups[budget]
            moments = (known[places] - start) / per
            counts = np.arange(1, len(moments) + 1)
            finished.append(Trace(name, np.append(0.0, moments), np.append(0, counts)))
            here = [rows[i] for i in places]
            trajectory = find_trajectory(here, objectives=self.objectives)
            if len(trajectory):
                moment = dict(zip(map(id, here), moments.tolist(), strict=True))
                x = np.array([moment[id(e)] for e in trajectory.evaluations])
                best.append(Trace(name, x, np.array(trajectory.values)))
        metric = self.objectives.primary.name
        shown = cut_end(metric, 24)
        none = "no evaluation of this study" if not rows else "none has succeeded"
        return [
            StepChart(f"Best {shown} by budget", label, best, end, empty=none),
            StepChart("Finished by budget", label, finished, end, from_zero=True, empty=none),
        ]

    def _undrawn(self) -> str:
        budgets = len({e.budget for e in self.rows if own(e)})
        if budgets <= _MOST_BUDGETS:
            return ""
        return f"<p>Drawn are the largest {_MOST_BUDGETS} of {budgets:,} budgets.</p>"

    def _failed(self, anchor: str) -> str:
        if not self.failures:
            return ""
        groups: dict[str, list[Evaluation]] = {}
        for e in self.failures:
            groups.setdefault(reason_of(e)[:160], []).append(e)
        ranked = sorted(groups.items(), key=lambda group: -len(group[1]))
        parts = [_group(reason, failed) for reason, failed in ranked[:_MOST_GROUPS]]
        rest = sum(len(failed) for _, failed in ranked[_MOST_GROUPS:])
        if rest:
            kinds = len(ranked) - _MOST_GROUPS
            parts.append(f"<p>and {rest:,} more of {kinds:,} other kinds: see .failures</p>")
        head = f"<p id='{anchor}'><b>{_count(len(self.failures), 'failed evaluation')}</b></p>"
        return head + "".join(parts)


def _workers(use: Utilization) -> str:
    if not use.workers:
        return ""
    lines = []
    for worker in sorted(use.workers, key=lambda w: -w.n_evaluations)[:_MOST_WORKERS]:
        failed = f", {worker.n_failed:,} failed" if worker.n_failed else ""
        name = worker.worker or "(no name)"
        lines.append(
            f"<tr><td {_LEFT}>{escape(name[:80])}</td>"
            f"<td><meter max='1' value='{worker.share:.4f}'></meter> {worker.share:.0%}</td>"
            f"<td {_LEFT}>"
            f"{_count(worker.n_evaluations, 'evaluation')}{failed}, "
            f"busy {format_seconds(worker.busy)}</td></tr>"
        )
    rest = len(use.workers) - len(lines)
    more = f"<p>and {_count(rest, 'more worker')}: see .utilization()</p>" if rest else ""
    return (
        f"<details><summary>{_count(len(use.workers), 'worker')}</summary>"
        f"<table><tbody>{''.join(lines)}</tbody></table>{more}</details>"
    )


def _group(reason: str, failed: Sequence[Evaluation]) -> str:
    named = ", ".join(
        f"job {e.job} (trial {e.trial}, budget {format_budget(e.budget)}"
        f"{', ' + e.worker[:80] if e.worker else ''})"
        for e in failed[:_MOST_JOBS]
    )
    more = f" and {len(failed) - _MOST_JOBS:,} more" if len(failed) > _MOST_JOBS else ""
    text = (failed[-1].error or "").strip("\n")
    if len(text) > _MOST_TEXT:
        half = _MOST_TEXT // 2
        text = f"{text[:half]}\n...\n{text[-half:]}"
    return (
        f"<details><summary>{len(failed):,} × {escape(reason)}</summary>"
        f"<p>{escape(named)}{more}</p><pre {_WRAPPED}>{escape(text)}</pre></details>"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
