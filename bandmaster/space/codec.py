"""The numerical half of a space: its float matrix, compiled once, for one row and for many."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bandmaster.errors import IllegalConfigurationError, SpaceError
from bandmaster.space.batches import Batches
from bandmaster.space.columns import Choice, Column, make_column
from bandmaster.space.evaluate import RowsTest, RowTest, compile_predicate
from bandmaster.space.parameters import (
    Categorical,
    Constant,
    Float,
    Integer,
    Ordinal,
    Parameter,
)
from bandmaster.space.predicates import Condition, Forbidden
from bandmaster.space.structure import Group, make_groups

__all__ = ["Codec", "FloatArray", "frozen"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_MISSING: Final = object()
_TRIES: Final = 10_000  # rejected rows in a row before a space is taken for empty


def frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array, made read-only."""
    array.setflags(write=False)
    return array


class Codec:
    """Between configurations and rows of a float matrix; `Space` describes the encoding."""

    def __init__(
        self,
        parameters: tuple[Parameter, ...],
        conditions: tuple[Condition, ...],
        forbidden: tuple[Forbidden, ...],
    ) -> None:
        self.names: tuple[str, ...] = tuple(p.name for p in parameters)
        self.dim = len(parameters)
        self.index: Mapping[str, int] = {n: j for j, n in enumerate(self.names)}
        if len(self.index) < self.dim:
            double = next(n for j, n in enumerate(self.names) if self.index[n] != j)
            raise SpaceError(f"two parameters are called {double!r}")
        self.columns: tuple[Column, ...] = tuple(make_column(p) for p in parameters)
        self._batches = Batches(self.columns)
        self._describe(parameters)
        self.groups: tuple[Group, ...]
        self.groups, self._conditional = make_groups(self.columns, self.index, conditions)
        self._compile(forbidden)

    def _describe(self, parameters: tuple[Parameter, ...]) -> None:
        def mask(*kinds: type) -> BoolArray:
            return frozen(np.array([isinstance(p, kinds) for p in parameters]))

        columns = self.columns
        self.is_categorical = mask(Categorical)
        self.is_ordinal = mask(Ordinal)
        self.is_constant = mask(Constant)
        self.is_integer = mask(Integer)
        self.is_numeric = mask(Float, Integer)
        self.is_log = frozen(np.array([getattr(p, "log", False) for p in parameters]))
        self.n_values: FloatArray = frozen(np.array([float(c.n_values) for c in columns]))
        self.n_choices: npt.NDArray[np.int64] = frozen(
            np.array([c.n_values if c.is_choice else 0 for c in columns], dtype=np.int64)
        )
        self.step: FloatArray = frozen(np.where(self.is_numeric, 1.0 / self.n_values, 0.0))
        self.weights = tuple(c.weights if isinstance(c, Choice) else None for c in columns)
        self.defaults: FloatArray = frozen(np.array([c.default() for c in columns]))

    def _compile(self, forbidden: tuple[Forbidden, ...]) -> None:
        conditional = np.zeros(self.dim, dtype=np.bool_)
        for compiled in self._conditional:
            conditional[list(compiled.group.columns)] = True
        self.is_conditional = frozen(conditional)
        self._always = tuple(np.flatnonzero(~conditional).tolist())
        self._tests: tuple[tuple[RowTest, tuple[int, ...]], ...] = tuple(
            (compiled.row, compiled.group.columns) for compiled in self._conditional
        )
        pairs = [compile_predicate(f.when, self.columns, self.index) for f in forbidden]
        self._forbidden_row: tuple[RowTest, ...] = tuple(pair[0] for pair in pairs)
        self._forbidden_rows: tuple[RowsTest, ...] = tuple(pair[1] for pair in pairs)
        self._encoders = tuple((c.name, c.encode) for c in self.columns)
        self._decoders = tuple((c.name, c.decode) for c in self.columns)
        self._from_unit = tuple(c.from_unit for c in self.columns)
        self._quantiles = {}
        for j, column in enumerate(self.columns):
            if getattr(column.parameter, "distribution", None) is not None:
                from bandmaster.space.distributions import quantiles

                self._quantiles[j] = quantiles(column)
        self._clauses = "; ".join(str(clause.when) for clause in forbidden[:5])

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw `n` legal configurations, independently of one another.

        Parameters
        ----------
        n : int
        rng : numpy.random.Generator

        Returns
        -------
        float64 (n, dim)

        Raises
        ------
        SpaceError
            When the forbidden clauses leave too little to be found by drawing.
        """
        if n == 1 and not self._quantiles:
            return np.array([self._sample_row(rng)])
        if not self._forbidden_rows:
            return self.from_unit(rng.random((n, self.dim)))
        result = np.empty((n, self.dim))
        done = drawn = 0
        while done < n:
            rate = max(done / drawn, 0.01) if drawn else 1.0
            rows = self.from_unit(rng.random((int((n - done) / rate) + 8, self.dim)))
            drawn += len(rows)
            rows = rows[~self._forbids(rows)][: n - done]
            result[done : done + len(rows)] = rows
            done += len(rows)
            if not done and drawn > _TRIES:
                raise self._empty(drawn)
        return result

    def _sample_row(self, rng: np.random.Generator) -> list[float]:
        for _ in range(_TRIES):
            row = [
                f(u) for f, u in zip(self._from_unit, rng.random(self.dim).tolist(), strict=True)
            ]
            for test, columns in self._tests:
                if not test(row):
                    for j in columns:
                        row[j] = math.nan
            for test in self._forbidden_row:
                if test(row):
                    break
            else:
                return row
        raise self._empty(_TRIES)

    def _empty(self, tries: int) -> SpaceError:
        return SpaceError(
            f"none of {tries} random configurations is legal: the forbidden clauses leave (almost) "
            f"nothing of the space; check {self._clauses}"
        )

    def sample_configs(self, n: int, rng: np.random.Generator) -> list[dict[str, Any]]:
        """As `sample`, decoded."""
        if n == 1 and not self._quantiles:
            return [self._decode_row(self._sample_row(rng))]
        return self.decode(self.sample(n, rng))

    def from_unit(self, U: npt.ArrayLike) -> FloatArray:
        """Map points of the unit cube to encoded rows, by the parameters' distributions.

        Parameters
        ----------
        U : (n, dim), in [0, 1)

        Returns
        -------
        float64 (n, dim)
            On the grid, NaN where inactive. Forbidden rows are among them: see `legal`.
        """
        X = self.fill(U)
        for compiled in self._conditional:
            off = ~compiled.rows(X)
            for j in compiled.group.columns:
                X[off, j] = np.nan
        return X

    def fill(self, U: npt.ArrayLike) -> FloatArray:
        """As `from_unit`, with the codes of inactive parameters too; `repair` blanks them."""
        units = self._matrix(U)
        if self._quantiles:
            units = units.copy()
            for j, quantile in self._quantiles.items():
                units[:, j] = quantile(units[:, j])
        return self._batches.from_unit(units)

    def encode(self, configs: Sequence[Mapping[str, Any]]) -> FloatArray:
        """Encode configurations.

        Returns
        -------
        float64 (n, dim)

        Raises
        ------
        IllegalConfigurationError
            As `encode_one`, which says what is checked.
        """
        if not configs:
            return np.empty((0, self.dim))
        if not self._tests and all(len(config) == self.dim for config in configs):
            result = np.empty((len(configs), self.dim))
            try:
                for j, column in enumerate(self.columns):
                    name = column.name
                    result[:, j] = column.encode_many([config[name] for config in configs])
                return result
            except KeyError:
                pass  # said below, for the first configuration that has it
        return np.array([self._encode_row(config) for config in configs])

    def encode_one(self, config: Mapping[str, Any]) -> FloatArray:
        """Encode a configuration.

        Returns
        -------
        float64 (dim,)

        Raises
        ------
        IllegalConfigurationError
            When a name is unknown, a value is not legal, an active parameter is missing or an
            inactive one is given. Forbidden clauses are not looked at (`validate` does).
        """
        return np.array(self._encode_row(config))

    def _encode_row(self, config: Mapping[str, Any]) -> list[float]:
        if len(config) == self.dim and not self._tests:  # the common case, made fast
            try:
                return [encode(config[name]) for name, encode in self._encoders]
            except KeyError:
                raise self._unknown(config) from None
        row = []
        found = 0
        nan = math.nan
        for name, encode in self._encoders:
            value = config.get(name, _MISSING)
            if value is _MISSING:
                row.append(nan)
            else:
                row.append(encode(value))
                found += 1
        if found != len(config):
            raise self._unknown(config)
        if found < self.dim or self._tests:
            for j in self._always:
                if row[j] != row[j]:
                    raise self._misplaced(j, config)
            for test, columns in self._tests:
                active = test(row)
                for j in columns:
                    if (row[j] == row[j]) is not active:
                        raise self._misplaced(j, config)
        return row

    def decode(self, X: npt.ArrayLike) -> list[dict[str, Any]]:
        """Decode rows to configurations with native Python values, without inactive parameters.

        Parameters
        ----------
        X : float64 (n, dim)

        Returns
        -------
        list of dict
            Keys in declaration order.
        """
        matrix = self._matrix(X)
        lists: list[list[Any]] = []
        complete = True
        for j, column in enumerate(self.columns):
            x = matrix[:, j]
            known = ~np.isnan(x)
            if known.all():
                lists.append(column.decode_many(x))
                continue
            complete = False
            values = np.full(len(x), _MISSING, dtype=object)
            decoded = np.empty(int(known.sum()), dtype=object)
            decoded[:] = column.decode_many(x[known])
            values[known] = decoded
            lists.append(values.tolist())
        names = self.names
        if complete:
            return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]
        missing = _MISSING
        return [
            {n: v for n, v in zip(names, row, strict=True) if v is not missing}
            for row in zip(*lists, strict=True)
        ]

    def decode_one(self, x: npt.ArrayLike) -> dict[str, Any]:
        """Decode a row of shape (dim,)."""
        row: list[float] = np.asarray(x, dtype=np.float64).tolist()
        if len(row) != self.dim:
            raise SpaceError(f"a row has {len(row)} columns; the space has {self.dim}")
        return self._decode_row(row)

    def _decode_row(self, row: list[float]) -> dict[str, Any]:
        return {
            name: decode(x)
            for (name, decode), x in zip(self._decoders, row, strict=True)
            if x == x  # noqa: PLR0124 (not NaN)
        }

    def active(self, X: npt.ArrayLike) -> BoolArray:
        """Say which parameters are active, whatever stands in the inactive columns.

        Parameters
        ----------
        X : float64 (n, dim)

        Returns
        -------
        bool (n, dim)
        """
        matrix = self._matrix(X)
        result = np.ones(matrix.shape, dtype=np.bool_)
        if self._conditional:
            blanked = matrix.copy()
            for compiled in self._conditional:
                columns = list(compiled.group.columns)
                on = compiled.rows(blanked)
                result[:, columns] = on[:, None]
                off = ~on
                for j in columns:
                    blanked[off, j] = np.nan
        return result

    def legal(self, X: npt.ArrayLike) -> BoolArray:
        """Say which rows are encoded legal configurations.

        A row is legal when exactly its active columns are not NaN, every code is one that `encode`
        gives (discrete numbers exactly at the centre of their cell), and no forbidden clause holds.

        Parameters
        ----------
        X : float64 (n, dim)

        Returns
        -------
        bool (n,)
        """
        matrix = self._matrix(X)
        known = ~np.isnan(matrix)
        result: BoolArray = (known == self.active(matrix)).all(axis=1)
        for j, column in enumerate(self.columns):
            x = matrix[:, j]
            result &= ~known[:, j] | (column.snap_many(x) == x)
        return result & ~self._forbids(matrix)

    def _forbids(self, X: FloatArray) -> BoolArray:
        result = np.zeros(len(X), dtype=np.bool_)
        for test in self._forbidden_rows:
            result |= test(X)
        return result

    def repair(self, X: npt.ArrayLike) -> FloatArray:
        """Make encoded rows of what an optimizer computed.

        Codes are clipped and snapped to the nearest legal one, inactive columns are blanked with
        NaN, active columns that are NaN get their default. Rows that a clause forbids stay so: ask
        `legal`.

        Parameters
        ----------
        X : float64 (n, dim)
            Any numbers; NaN allowed.

        Returns
        -------
        float64 (n, dim)
            A new matrix.
        """
        result = self._batches.snap(self._matrix(X))
        lacking = np.isnan(result)
        if lacking.any():
            result = np.where(lacking & ~self.is_conditional, self.defaults, result)
        for compiled in self._conditional:
            on = compiled.rows(result)
            for j in compiled.group.columns:
                x = result[:, j]
                x[~on] = np.nan
                x[on & np.isnan(x)] = self.defaults[j]
        return result

    def _unknown(self, config: Mapping[str, Any]) -> IllegalConfigurationError:
        name = next(n for n in config if n not in self.index)
        close = difflib.get_close_matches(str(name), self.names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(self.names)}"
        return IllegalConfigurationError(f"there is no parameter {name!r} in this space{hint}")

    def _misplaced(self, j: int, config: Mapping[str, Any]) -> IllegalConfigurationError:
        name = self.names[j]
        when = next(group.when for group in self.groups if j in group.columns)
        if name in config:
            return IllegalConfigurationError(
                f"parameter {name!r} is {config[name]!r} but inactive here: it is active only "
                f"when {when}; leave it out"
            )
        why = "it is always active" if when is None else f"it is active, since {when}"
        return IllegalConfigurationError(
            f"parameter {name!r} is missing: {why}; legal is {self.columns[j].legal_text()}"
        )

    def _matrix(self, X: npt.ArrayLike) -> FloatArray:
        matrix = np.asarray(X, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != self.dim:
            raise SpaceError(
                f"an array of shape (n, {self.dim}) is expected, not {np.shape(matrix)}"
            )
        return matrix
