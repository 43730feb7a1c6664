"""What a user believes about where good configurations are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from bandmaster.errors import ConfigurationError, IllegalConfigurationError
from bandmaster.space import Space
from bandmaster.space.columns import Choice, Column

__all__ = ["Belief", "BoundPrior", "Prior"]

FloatArray = npt.NDArray[np.float64]
Belief: TypeAlias = tuple[str, float, float] | Mapping[Any, float]

_CELLS = 512  # of a number's scale; finer beliefs are rounded to them
_FLOOR = 0.01  # the share of every belief that is spread evenly: nothing is ruled out


class Prior:
    """Beliefs about good values of parameters, as weights on an optimizer's proposals.

    Every other start-up point is drawn from the beliefs; after that they count as
    ``confidence / n`` in the optimizer's score, where n is how many evaluations it has seen (πBO,
    Hvarfner et al. 2022). So a good guess saves evaluations, and a bad one is forgotten.

    Parameters
    ----------
    beliefs : mapping of str to (str, float, float) or mapping
        Of some of the space's parameters.

        - ``("normal", centre, width)``: a number, good around `centre`, with the standard
          deviation `width` in the parameter's own unit;
        - ``("lognormal", centre, factor)``: a positive number, good around `centre`, with one
          standard deviation from ``centre / factor`` to ``centre * factor``;
        - ``{choice: share, ...}``: a categorical, an ordinal or a constant. Choices that are not
          named share evenly what is left to 1.
    confidence : float, default 10
        How many evaluations a belief is worth; 0 for start-up points only.

    Raises
    ------
    ConfigurationError
        When a belief is of none of these forms. What does not fit the space is refused when the
        optimizer is bound to it.

    Examples
    --------
    >>> Prior({"lr": ("lognormal", 1e-3, 3), "kernel": {"rbf": 0.8}})
    Prior({'lr': ('lognormal', 0.001, 3.0), 'kernel': {'rbf': 0.8}}, confidence=10.0)
    """

    def __init__(self, beliefs: Mapping[str, Belief], *, confidence: float = 10.0) -> None:
        if not isinstance(beliefs, Mapping) or not beliefs:
            raise ConfigurationError(
                f"beliefs is a mapping from parameters to beliefs, got {beliefs!r}"
            )
        if not (isinstance(confidence, (int, float)) and 0 <= confidence < math.inf):
            raise ConfigurationError(f"confidence is a number from 0 on, got {confidence!r}")
        self.beliefs = {name: _checked(name, belief) for name, belief in beliefs.items()}
        self.confidence = float(confidence)

    def __repr__(self) -> str:
        return f"Prior({self.beliefs!r}, confidence={self.confidence!r})"

    def bind(self, space: Space) -> BoundPrior:
        """Return the prior on the encoded rows of a space.

        Raises
        ------
        ConfigurationError
            When the space has no such parameter, or it is of another kind or range.
        """
        return BoundPrior(self, space)


class BoundPrior:
    """A `Prior` on the encoded rows of a space.

    The density is relative to that of an even draw, so a parameter without a belief, or an inactive
    one, changes nothing.
    """

    def __init__(self, prior: Prior, space: Space) -> None:
        self._space = space
        self._confidence = prior.confidence
        self._beliefs: list[tuple[int, _Cells]] = []
        for name, belief in prior.beliefs.items():
            if name not in space.index:
                raise ConfigurationError(
                    f"the prior speaks of {name!r}, but the parameters are {list(space.names)}"
                )
            j = space.index[name]
            self._beliefs.append((j, _Cells(space.columns[j], belief)))

    def log_density(self, rows: FloatArray) -> FloatArray:
        """Return the log of the belief's density at encoded rows, float64 (n,)."""
        result = np.zeros(len(rows))
        for j, cells in self._beliefs:
            active = ~np.isnan(rows[:, j])
            result[active] += cells.log_density(rows[active, j])
        return result

    def weight(self, n: int) -> float:
        """Return what a belief's log density counts after `n` evaluations."""
        return self._confidence / max(n, 1)

    def from_unit(self, U: FloatArray) -> FloatArray:
        """Map points of the unit cube to encoded rows, as `Space.from_unit`, by the beliefs."""
        rows = self._space.fill(U)
        for j, cells in self._beliefs:
            rows[:, j] = cells.quantiles(U[:, j])
        repaired: FloatArray = self._space.repair(rows)
        return repaired


class _Cells:
    """A belief about one column as masses of the cells of its scale.

    A cell is a choice, a number of a short grid, or one of 512 equal parts of the scale. `even` is
    the mass of each without a belief.
    """

    def __init__(self, column: Column, belief: Belief) -> None:
        self._column = column
        self._indexed = column.is_choice or column.n_values <= _CELLS
        n = int(column.n_values) if self._indexed else _CELLS
        self._codes = np.array([column.code(k) for k in range(n)]) if self._indexed else None
        even = np.full(n, 1.0 / n)
        if isinstance(column, Choice):
            shape = _shares(column, belief)
        else:
            if self._codes is not None:  # the codes are the middles of the cells
                edges = [0.0]
                for code in self._codes.tolist():
                    edges.append(2 * code - edges[-1])
                even = np.diff(edges)
            shape = _bell(column, belief, self._codes) * even
        mass = (1 - _FLOOR) * shape / shape.sum() + _FLOOR * even
        if isinstance(column, Choice) and column.weights is not None:
            mass = np.where(column.weights > 0.0, mass, 0.0)  # never drawn, whatever one believes
        mass /= mass.sum()
        self._log = np.log(np.maximum(mass / even, 1e-300))
        self._bounds = np.append(0.0, np.cumsum(mass))
        self._bounds /= self._bounds[-1]

    def log_density(self, x: FloatArray) -> FloatArray:
        n = len(self._log)
        if self._codes is None:
            cells = np.minimum(x * n, n - 1).astype(np.intp)
        else:
            # Codes rise: the nearest is the one whose neighbours' middles are around.
            cells = np.searchsorted((self._codes[1:] + self._codes[:-1]) / 2, x)
        density: FloatArray = self._log[cells]
        return density

    def quantiles(self, u: FloatArray) -> FloatArray:
        if self._codes is None:
            return np.interp(u, self._bounds, np.linspace(0.0, 1.0, len(self._bounds)))
        codes: FloatArray = self._codes[np.searchsorted(self._bounds[1:-1], u, side="right")]
        return codes


def _checked(name: str, belief: Belief) -> Belief:
    """Return a belief as plain data."""
    if isinstance(belief, Mapping):
        shares = {choice: _number(name, share) for choice, share in belief.items()}
        if not shares or min(shares.values()) < 0 or sum(shares.values()) > 1 + 1e-9:
            raise ConfigurationError(
                f"the belief about {name!r} needs shares from 0 on that sum to 1 at most, "
                f"got {dict(belief)!r}"
            )
        return shares
    if not isinstance(belief, (tuple, list)) or len(belief) != 3:
        raise ConfigurationError(
            f"the belief about {name!r} is ('normal', centre, width), ('lognormal', centre, "
            f"factor) or {{choice: share}}, got {belief!r}"
        )
    kind, centre, width = belief[0], _number(name, belief[1]), _number(name, belief[2])
    if kind not in ("normal", "lognormal"):
        raise ConfigurationError(
            f"the belief about {name!r} is 'normal' or 'lognormal', got {kind!r}"
        )
    if kind == "normal" and not width > 0:
        raise ConfigurationError(f"the width of the belief about {name!r} must be above 0")
    if kind == "lognormal" and not (centre > 0 and width > 1):
        raise ConfigurationError(
            f"the lognormal belief about {name!r} needs a centre above 0 and a factor above 1"
        )
    return kind, centre, width


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ConfigurationError(f"the belief about {name!r} holds {value!r}, which is no number")
    return float(value)


def _shares(column: Choice, belief: Belief) -> FloatArray:
    """Return every choice's share, their sum above 0."""
    if not isinstance(belief, Mapping):
        raise ConfigurationError(
            f"{column.name!r} has choices: believe {{choice: share}}, not {belief!r}"
        )
    shares = np.full(column.n, np.nan)
    for choice, share in belief.items():
        try:
            shares[int(column.encode(choice))] = share
        except IllegalConfigurationError as error:
            raise ConfigurationError(f"the prior does not fit: {error}") from error
    others = np.isnan(shares)
    shares[others] = max(0.0, 1.0 - float(shares[~others].sum())) / max(int(others.sum()), 1)
    return shares if shares.any() else np.ones(column.n)


def _bell(column: Column, belief: Belief, codes: FloatArray | None) -> FloatArray:
    """Return the height of a bell curve at every cell of a number; 1 in the cell of its centre."""
    if isinstance(belief, Mapping):
        raise ConfigurationError(
            f"{column.name!r} is a number: believe ('normal' or 'lognormal', centre, width), "
            f"not {belief!r}"
        )
    kind, centre, width = belief
    low, high = column.decode(0.0), column.decode(1.0)
    if not low <= centre <= high:
        raise ConfigurationError(
            f"the prior believes {column.name!r} to be good around {centre!r}, which is not from "
            f"{low!r} to {high!r}"
        )
    if kind == "lognormal" and not low > 0:
        raise ConfigurationError(
            f"{column.name!r} may be {low!r}: a lognormal belief needs positive numbers"
        )
    if codes is None:
        edges = column.decode_many(np.linspace(0.0, 1.0, _CELLS + 1))
        below, above = np.array(edges[:-1], dtype=float), np.array(edges[1:], dtype=float)
    else:
        below = above = np.array(column.decode_many(codes), dtype=float)
    if kind == "lognormal":
        below, above = np.log(below), np.log(above)
        centre, width = math.log(centre), math.log(width)
    # In halves, as bounds may be as far apart as floats get; a cell without the centre is as far
    # from it as its nearer edge.
    away = np.maximum(np.maximum(below / 2 - centre / 2, centre / 2 - above / 2), 0.0)
    away -= away.min()  # a centre between two numbers of a grid
    z = np.minimum(away / (width / 2), 30.0)
    bell: FloatArray = np.exp(-0.5 * z * z)
    return bell
