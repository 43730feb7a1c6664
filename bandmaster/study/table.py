"""The table of a result: a column a budget, as text and as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.formatting import format_budget
from bandmaster.core.objectives import Objectives
from bandmaster.study.formatting import escape, format_loss, format_value

__all__ = ["ResultTable"]

_NAME_WIDTH = 80
_MOST_BUDGETS = 12
_LEFT = "style='text-align:left;padding:0 1em 0 0'"


@dataclass(frozen=True, slots=True)
class ResultTable:
    """What the table shows.

    Parameters
    ----------
    parameters : sequence of str
        The rows; one that the best configuration of a budget lacks (inactive) shows ``-``.
    budgets : sequence of float
        The columns, ascending; at least one. Of many the largest are shown, and a note says so.
    best : Mapping of budget to Evaluation
        The incumbents; a budget where nothing succeeded is absent.
    n_configs : Mapping of budget to int
        How many configurations finished there.
    notes : sequence of str
        Lines below the table.
    objectives : Objectives, optional
        Names what is optimised. Default: minimise ``loss``.
    """

    parameters: Sequence[str]
    budgets: Sequence[float]
    best: Mapping[float, Evaluation]
    n_configs: Mapping[float, int]
    notes: Sequence[str] = ()
    objectives: Objectives = field(default_factory=Objectives)

    @property
    def _shown(self) -> Sequence[float]:
        return self.budgets[-_MOST_BUDGETS:]

    @property
    def _notes(self) -> list[str]:
        left_out = len(self.budgets) - len(self._shown)
        return [f"{left_out} smaller budgets are not shown."] * (left_out > 0) + [*self.notes]

    def _sections(self) -> list[list[list[str]]]:
        """The groups of rows below the header; each row begins with its name."""
        top = self.budgets[-1]
        configs = [self.best[b].config if b in self.best else {} for b in self._shown]
        metric = self.objectives.primary.name
        optimal = f"Optimal {'Loss' if metric == 'loss' else metric}"
        values = [self._value(self.best.get(b)) for b in self._shown]
        return [
            [
                [
                    _cut(_one_line(name)),
                    *(format_value(c[name]) if name in c else "-" for c in configs),
                ]
                for name in self.parameters
            ],
            [["Budgets", *(format_budget(b) + " (max)" * (b == top) for b in self._shown)]],
            [[_cut(_one_line(optimal)), *map(format_loss, values)], *self._others()],
            [["Num Configs", *(str(self.n_configs.get(b, 0)) for b in self._shown)]],
        ]

    def _others(self) -> list[list[str]]:
        """The other metrics that count, of the same evaluations."""
        bests = [self.best.get(budget) for budget in self._shown]
        return [
            [
                _cut(_one_line(m.name)),
                *(format_loss(None if e is None else e.metrics.get(m.name)) for e in bests),
            ]
            for m in (*self.objectives.optimized, *self.objectives.constraints)
            if m != self.objectives.primary
        ]

    def _value(self, best: Evaluation | None) -> float | None:
        return None if best is None or best.loss is None else self.objectives.value(best.loss)

    def to_text(self) -> str:
        """Draw it with characters, without a final line break."""
        names, values = "HyperParameters", "Optimal Value"
        sections = [section for section in self._sections() if section]
        columns = list(zip(*(row for section in sections for row in section), strict=True))
        widths = [max(map(len, column)) for column in columns]
        widths[0] = max(widths[0], len(names))
        # The title of the values spans their columns; if they are narrower, the last one grows.
        span = sum(widths[1:]) + 3 * (len(widths) - 2)
        widths[-1] += max(0, len(values) - span)
        span = max(span, len(values))
        border = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
        lines = [
            "+" + "-" * (len(border) - 2) + "+",
            f"| {names:<{widths[0]}} | {values:<{span}} |",
            border,
        ]
        for section in sections:
            for row in section:
                cells = (f" {cell:<{width}} " for cell, width in zip(row, widths, strict=True))
                lines.append("|" + "|".join(cells) + "|")
            lines.append(border)
        return "\n".join([*lines, *self._notes])

    def to_html(self) -> str:
        """Draw it for a notebook."""
        head = (
            f"<tr><th {_LEFT}>HyperParameters</th>"
            f"<th {_LEFT} colspan='{len(self._shown)}'>Optimal Value</th></tr>"
        )
        body = []
        for number, section in enumerate(self._sections()):
            strong = number > 0
            for name, *cells in section:
                tag = "th" if strong else "td"
                inner = "".join(f"<td {_LEFT}>{escape(c)}</td>" for c in cells)
                body.append(f"<tr><{tag} {_LEFT}>{escape(name)}</{tag}>{inner}</tr>")
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes)
        return f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>{notes}"


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)


def _cut(text: str) -> str:
    """Leave out the middle of a long name: its ends tell parameters apart."""
    if len(text) <= _NAME_WIDTH:
        return text
    half = (_NAME_WIDTH - 3) // 2
    return text[:half] + "..." + text[-half:]
