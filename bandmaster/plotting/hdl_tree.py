"""A search space drawn as a tree: options below their choice, parameters below their option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

from bandmaster.core.formatting import cut_end
from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import plain
from bandmaster.space.compiling import compile_space
from bandmaster.space.layering import CHOICE, SEPARATOR
from bandmaster.space.parameters import Categorical, Constant, Ordinal, Parameter
from bandmaster.space.predicates import Equals, Forbidden, names_in
from bandmaster.space.table import describe

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.space.space import Space

__all__ = ["plot_hdl"]

_ROW: Final = 0.27  # inches a line
_LETTER: Final = 0.068  # inches a letter at the font size below
_FONT: Final = 9
_COLOURS: Final = {
    "space": "#4a5568",
    "choice": "#b7791f",
    "option": "#2b6cb0",
    "number": "#2f855a",
    "category": "#805ad5",
    "constant": "#718096",
}
_LONGEST: Final = 60


@dataclass(slots=True)
class _Node:
    label: str
    kind: str
    detail: str = ""
    children: dict[str, _Node] = field(default_factory=dict)
    row: float = 0.0
    depth: int = 0


def plot_hdl(space_or_hdl: Space | Mapping[str, Any] | Any, *, ax: Axes | None = None) -> Axes:
    """Draw a search space as a tree that grows to the right.

    Choices and their options are drawn as boxes, parameters as a name with its values; conditions
    other than "this option was taken" stand behind the parameter, forbidden clauses below the tree.

    Parameters
    ----------
    space_or_hdl : Space, ConfigurationSpace or dict
        Whatever `bandmaster.space.compile_space` takes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure of a fitting size when omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SpaceError
        When the space is malformed.
    ConfigurationError
        When `ax` is no Axes.
    """
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    if ax is not None and not isinstance(ax, Axes):
        raise ConfigurationError(f"ax is {ax!r}; a matplotlib Axes is expected")
    space = compile_space(space_or_hdl)
    root = _tree(space)
    lines = _place(root, 0, 0.0)
    columns = _columns(root)
    notes = [_note(clause) for clause in space.forbidden]
    if ax is None:
        width = max(columns[-1], max(map(len, notes), default=0) * _LETTER) + 0.4
        height = (lines + 1 + len(notes)) * _ROW + 0.3
        import matplotlib.pyplot as plt

        figure: Figure = plt.figure(figsize=(width, height), layout="constrained")
        ax = figure.add_subplot()
    ax.set_axis_off()
    _draw(ax, root, columns)
    for i, note in enumerate(notes):
        ax.text(0.0, lines + 0.6 + i, plain(note), fontsize=_FONT - 1, color="#9b2c2c", va="center")
    ax.set_xlim(-0.1, max(columns[-1], max(map(len, notes), default=0) * _LETTER))
    ax.set_ylim(lines + 0.5 + len(notes), -0.8)
    return ax


def _tree(space: Space) -> _Node:
    """Return the nodes by the parts of the parameters' names."""
    title = "search space" if space.name is None else space.name
    root = _Node(title, "space", _plural(space.dim))
    when = {j: group.when for group in space.groups for j in group.columns}
    for j, parameter in enumerate(space.parameters):
        *path, last = parameter.name.split(SEPARATOR)
        node = root
        for part in path:
            node = node.children.setdefault(part, _Node(part, "space"))
        condition = when[j]
        own_option = (
            isinstance(condition, Equals)
            and condition.parameter.endswith(CHOICE)
            and parameter.name.startswith(
                condition.parameter.removesuffix(CHOICE) + str(condition.value) + SEPARATOR
            )
        )
        detail = "" if condition is None or own_option else f"   if {_local(str(condition), path)}"
        if last == CHOICE and isinstance(parameter, Categorical):
            node.kind = "choice" if node.kind == "space" else node.kind
            node.detail += detail
            for option in parameter.choices:
                child = node.children.setdefault(str(option), _Node(str(option), "option"))
                child.kind = "option"
            continue
        text = cut_end(describe(parameter), 2 * _LONGEST)
        node.children[last] = _Node(last, _kind(parameter), f"{text}{detail}")
    return root


def _local(text: str, path: list[str]) -> str:
    """Return a condition with the names of the same level shortened."""
    prefix = SEPARATOR.join(path) + SEPARATOR if path else ""
    return cut_end(text.replace(prefix, "") if prefix else text, 2 * _LONGEST)


def _note(clause: Forbidden) -> str:
    """Return a forbidden clause, with what all its names begin with said once."""
    paths = [name.split(SEPARATOR)[:-1] for name in names_in(clause.when)]
    levels = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    common = [parts[0] for parts in levels]
    place = f" in {' → '.join(common)}" if common else ""
    return cut_end(f"forbidden{place}: {_local(str(clause.when), common)}", 2 * _LONGEST)


def _kind(parameter: Parameter) -> str:
    if isinstance(parameter, Constant):
        return "constant"
    return "category" if isinstance(parameter, (Categorical, Ordinal)) else "number"


def _plural(count: int) -> str:
    return f"{count} parameter{'' if count == 1 else 's'}"


def _place(node: _Node, depth: int, row: float) -> float:
    """Give every leaf a line and every inner node the middle of its own; return the next line."""
    node.depth = depth
    if not node.children:
        node.row = row
        return row + 1
    for child in node.children.values():
        row = _place(child, depth + 1, row)
    rows = [child.row for child in node.children.values()]
    node.row = (rows[0] + rows[-1]) / 2
    return row


def _walk(node: _Node) -> list[_Node]:
    return [node, *(below for child in node.children.values() for below in _walk(child))]


def _columns(root: _Node) -> list[float]:
    """Return where each depth begins, in inches, and at the end the whole width."""
    widths: dict[int, float] = {}
    ends: list[float] = []
    for node in _walk(root):
        inner = len(node.label) * _LETTER + 0.2
        if node.children:
            widths[node.depth] = max(widths.get(node.depth, 0.0), inner)
    columns = [0.0]
    for depth in range(max(node.depth for node in _walk(root))):
        columns.append(columns[-1] + widths.get(depth, 0.3) + 0.55)
    for node in _walk(root):
        text = node.label + ("  " + node.detail if node.detail and not node.children else "")
        ends.append(columns[node.depth] + len(text) * _LETTER + 0.4)
    return [*columns, max(ends)]


def _draw(ax: Axes, node: _Node, columns: list[float]) -> None:
    x, colour = columns[node.depth], _COLOURS[node.kind]
    boxed = node.kind in ("space", "choice", "option")
    box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": colour, "linewidth": 1}
    label = ax.text(
        x,
        node.row,
        plain(node.label),
        fontsize=_FONT,
        color=colour,
        va="center",
        fontweight="bold" if node.kind in ("space", "choice") else "normal",
        bbox=box if boxed else None,
        zorder=2,
    )
    if node.detail:
        below = bool(node.children)
        ax.annotate(
            plain(node.detail.strip()),
            xy=(0, 0) if below else (1, 0.5),
            xycoords=label,
            xytext=(0, -11) if below else (8, 0),
            textcoords="offset points",
            fontsize=_FONT - 1,
            color="#4a5568",
            va="center",
        )
    for child in node.children.values():
        right = columns[child.depth] - 0.09
        bend = right - 0.2
        ax.plot(
            [x, bend, bend, right],  # the box hides the beginning
            [node.row, node.row, child.row, child.row],
            color="#cbd5e0",
            linewidth=1,
            zorder=1,
            solid_joinstyle="round",
        )
        _draw(ax, child, columns)
