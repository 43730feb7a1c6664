"""The compiled search space: plain data outside, tables and functions inside."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bandmaster.errors import IllegalConfigurationError, SpaceError
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
from bandmaster.space.values import native

__all__ = ["Space"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_MISSING: Final = object()
_TRIES: Final = 10_000  # rejected rows in a row before a space is taken for empty


class Space:
    """A search space: parameters, conditions and forbidden clauses.

    A space never changes. It can be pickled, compared and hashed; two spaces are equal when their
    plain data (`to_dict`) are.

    Encoded rows
    ------------
    Optimizers see configurations as rows of a float64 matrix of shape ``(n, dim)`` with one column
    a parameter, in declaration order: numbers in ``[0, 1]`` on their scale (linear or log; discrete
    numbers at the centre of equal cells), the index for categoricals and ordinals, ``0.0`` for
    constants, and NaN where a parameter is inactive.

    Parameters
    ----------
    parameters : iterable of Float, Integer, Categorical, Ordinal, Constant
    conditions : iterable of Condition
        A parameter without a condition is always active; one with several needs all of them.
    forbidden : iterable of Forbidden
    name : str, optional
    meta : dict, optional
        Plain data that is kept and not read.

    Raises
    ------
    SpaceError
        When names clash, a condition or clause speaks of what is not there, conditions form a
        cycle, or no legal configuration can be found.

    Attributes
    ----------
    names : tuple of str
    parameters : tuple of Parameter
    conditions, forbidden : tuple
    dim : int
        The number of parameters and columns.
    groups : tuple of Group
        The columns that are always active together, parents first; the first group with
        ``when=None``, if there is one, is always active.
    is_categorical, is_ordinal, is_constant, is_integer, is_log, is_conditional : bool (dim,)
        The kinds of the columns; `is_categorical` is for those without an order.
    n_choices : int64 (dim,)
        How many values a categorical, ordinal or constant has; 0 for numbers.
    n_values : float64 (dim,)
        How many values a column has; inf where continuous.
    step : float64 (dim,)
        Distance of two neighbouring codes of a discrete number on a linear scale, the mean distance
        on a log scale; 0 for everything else.
    weights : tuple of (float64 (k,) or None)
        The probabilities of a weighted categorical.
    defaults : float64 (dim,)
        The encoded default of every column, as if all were active.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        *,
        conditions: Iterable[Condition] = (),
        forbidden: Iterable[Forbidden] = (),
        name: str | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        self.parameters: tuple[Parameter, ...] = tuple(parameters)
        self.conditions: tuple[Condition, ...] = tuple(conditions)
        self.forbidden: tuple[Forbidden, ...] = tuple(forbidden)
        self.name = name
        self.meta: Mapping[str, Any] | None = None if meta is None else native(meta, "the meta")
        self._check_kinds()
        self.names: tuple[str, ...] = tuple(p.name for p in self.parameters)
        self.dim = len(self.parameters)
        self.index: Mapping[str, int] = {n: j for j, n in enumerate(self.names)}
        if len(self.index) < self.dim:
            double = next(n for j, n in enumerate(self.names) if self.index[n] != j)
            raise SpaceError(f"two parameters are called {double!r}")
        self._columns: tuple[Column, ...] = tuple(make_column(p) for p in self.parameters)
        self._compile_kinds()
        self.groups: tuple[Group, ...]
        self.groups, self._conditional = make_groups(self._columns, self.index, self.conditions)
        self._compile_rows()

    def _check_kinds(self) -> None:
        for items, kinds, what in (
            (self.parameters, (Float, Integer, Categorical, Ordinal, Constant), "a parameter"),
            (self.conditions, (Condition,), "a Condition"),
            (self.forbidden, (Forbidden,), "a Forbidden clause"),
        ):
            for item in items:
                if not isinstance(item, kinds):
                    raise SpaceError(f"{item!r} is a {type(item).__name__}, not {what}")
        if not self.parameters:
            raise SpaceError("a space needs at least one parameter")

    def _compile_kinds(self) -> None:
        def mask(*kinds: type) -> BoolArray:
            return _frozen(np.array([isinstance(p, kinds) for p in self.parameters]))

        columns = self._columns
        self.is_categorical = mask(Categorical)
        self.is_ordinal = mask(Ordinal)
        self.is_constant = mask(Constant)
        self.is_integer = mask(Integer)
        self.is_numeric = mask(Float, Integer)
        self.is_log = _frozen(np.array([getattr(p, "log", False) for p in self.parameters]))
        self.n_values: FloatArray = _frozen(np.array([float(c.n_values) for c in columns]))
        self.n_choices: npt.NDArray[np.int64] = _frozen(
            np.array([c.n_values if c.is_choice else 0 for c in columns], dtype=np.int64)
        )
        self.step: FloatArray = _frozen(np.where(self.is_numeric, 1.0 / self.n_values, 0.0))
        self.weights = tuple(c.weights if isinstance(c, Choice) else None for c in columns)
        self.defaults: FloatArray = _frozen(np.array([c.default() for c in columns]))

    def _compile_rows(self) -> None:
        conditional = np.zeros(self.dim, dtype=np.bool_)
        for compiled in self._conditional:
            conditional[list(compiled.group.columns)] = True
        self.is_conditional = _frozen(conditional)
        self._always = tuple(np.flatnonzero(~conditional).tolist())
        self._tests: tuple[tuple[RowTest, tuple[int, ...]], ...] = tuple(
            (compiled.row, compiled.group.columns) for compiled in self._conditional
        )
        pairs = [compile_predicate(f.when, self._columns, self.index) for f in self.forbidden]
        self._forbidden_row: tuple[RowTest, ...] = tuple(pair[0] for pair in pairs)
        self._forbidden_rows: tuple[RowsTest, ...] = tuple(pair[1] for pair in pairs)
        self._encoders = tuple((c.name, c.encode) for c in self._columns)
        self._decoders = tuple((c.name, c.decode) for c in self._columns)
        self._from_unit = tuple(c.from_unit for c in self._columns)
        self._quantiles = {}
        for j, parameter in enumerate(self.parameters):
            if getattr(parameter, "distribution", None) is not None:
                from bandmaster.space.distributions import quantiles

                self._quantiles[j] = quantiles(self._columns[j])
        self.default_row: FloatArray = _frozen(self._find_default())

    # ------------------------------------------------------------------ sampling

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
            row = [f(u) for f, u in zip(self._from_unit, rng.random(self.dim).tolist())]
            for test, columns in self._tests:
                if not test(row):
                    for j in columns:
                        row[j] = math.nan
            if not any(test(row) for test in self._forbidden_row):
                return row
        raise self._empty(_TRIES)

    def _empty(self, tries: int) -> SpaceError:
        return SpaceError(
            f"none of {tries} random configurations is legal: the forbidden clauses leave (almost) "
            "nothing of the space; check " + "; ".join(map(str, self.forbidden[:5]))
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
        units = self._matrix(U)
        X = np.empty(units.shape, order="F")
        for j, column in enumerate(self._columns):
            u = units[:, j]
            if j in self._quantiles:
                u = self._quantiles[j](u)
            X[:, j] = column.from_unit_many(u)
        for compiled in self._conditional:
            off = ~compiled.rows(X)
            for j in compiled.group.columns:
                X[off, j] = np.nan
        return np.ascontiguousarray(X)

    # ------------------------------------------------------------------ the codec

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
        rows = [self._encode_row(config) for config in configs]
        return np.array(rows) if rows else np.empty((0, self.dim))

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
        for j, column in enumerate(self._columns):
            x = matrix[:, j]
            known = x == x
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
            return [dict(zip(names, row)) for row in zip(*lists)]
        missing = _MISSING
        return [{n: v for n, v in zip(names, row) if v is not missing} for row in zip(*lists)]

    def decode_one(self, x: npt.ArrayLike) -> dict[str, Any]:
        """Decode a row of shape (dim,)."""
        row: list[float] = np.asarray(x, dtype=np.float64).tolist()
        if len(row) != self.dim:
            raise SpaceError(f"a row has {len(row)} columns; the space has {self.dim}")
        return self._decode_row(row)

    def _decode_row(self, row: list[float]) -> dict[str, Any]:
        return {name: decode(x) for (name, decode), x in zip(self._decoders, row) if x == x}

    # ------------------------------------------------------------------ activity and legality

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
                blanked[np.ix_(~on, columns)] = np.nan
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
        known = matrix == matrix
        result: BoolArray = (known == self.active(matrix)).all(axis=1)
        for j, column in enumerate(self._columns):
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
        raw = self._matrix(X)
        result = np.empty(raw.shape, order="F")
        for j, column in enumerate(self._columns):
            x = column.snap_many(raw[:, j])
            if not self.is_conditional[j]:
                x[x != x] = self.defaults[j]
            result[:, j] = x
        for compiled in self._conditional:
            on = compiled.rows(result)
            for j in compiled.group.columns:
                x = result[:, j]
                x[~on] = np.nan
                x[on & (x != x)] = self.defaults[j]
        return np.ascontiguousarray(result)

    def validate(self, config: Mapping[str, Any]) -> None:
        """Check one configuration.

        Raises
        ------
        IllegalConfigurationError
            Names the parameter, the value found and what is legal, or the clause that forbids it.
        """
        if not isinstance(config, Mapping):
            raise IllegalConfigurationError(
                f"a configuration is a dict from names to values, not {config!r}"
            )
        row = self._encode_row(config)
        for test, clause in zip(self._forbidden_row, self.forbidden):
            if test(row):
                raise IllegalConfigurationError(
                    f"the configuration {dict(config)!r} is forbidden: {clause.when}"
                )

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
            f"parameter {name!r} is missing: {why}; legal is {self._columns[j].legal_text()}"
        )

    # ------------------------------------------------------------------ defaults

    def default_config(self) -> dict[str, Any]:
        """Return the configuration of all defaults.

        Where a clause forbids it, the legal one that keeps most of the defaults among some drawn
        with a fixed seed.
        """
        config = self._decode_row(self.default_row.tolist())
        for name, x in zip(self.names, self.default_row.tolist()):
            j = self.index[name]
            if name in config and x == self.defaults[j]:
                config[name] = self._columns[j].default_value()
        return config

    def complete(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Fill the active parameters that a partial configuration leaves out with their defaults.

        Raises
        ------
        IllegalConfigurationError
            When the result is not legal.
        """
        unknown = [name for name in config if name not in self.index]
        if unknown:
            raise self._unknown(config)
        row = [
            encode(config[name]) if name in config else default
            for (name, encode), default in zip(self._encoders, self.defaults.tolist())
        ]
        for test, columns in self._tests:
            if not test(row):
                for j in columns:
                    if self.names[j] in config:
                        raise self._misplaced(j, config)
                    row[j] = math.nan
        full = {
            name: config[name] if name in config else self._columns[j].default_value()
            for j, name in enumerate(self.names)
            if row[j] == row[j]
        }
        self.validate(full)
        return full

    def _find_default(self) -> FloatArray:
        row = self.repair(np.full((1, self.dim), np.nan))
        if not self._forbids(row)[0]:
            return row[0]
        rows = self.sample(256, np.random.default_rng(0))
        kept = (rows == row).sum(axis=1)
        best: FloatArray = rows[int(kept.argmax())]
        return best

    def _matrix(self, X: npt.ArrayLike) -> FloatArray:
        matrix = np.asarray(X, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != self.dim:
            raise SpaceError(
                f"an array of shape (n, {self.dim}) is expected, not {np.shape(matrix)}"
            )
        return matrix

    # ------------------------------------------------------------------ finite spaces

    @cached_property
    def n_configurations(self) -> int | float:
        """How many different configurations there are; ``math.inf`` with continuous parameters.

        With forbidden clauses exact up to 100,000 configurations, an upper bound beyond.
        """
        from bandmaster.space.finite import count_configurations

        return count_configurations(self)

    def enumerate(
        self, limit: int | None = None, *, resolution: int | None = None
    ) -> Iterator[FloatArray]:
        """Yield the encoded rows of all legal configurations in a fixed order, one at a time.

        Parameters
        ----------
        limit : int, optional
            Stop after so many.
        resolution : int, optional
            Take at most so many values, evenly spread, of every number; needed for continuous ones.

        Yields
        ------
        float64 (dim,)

        Raises
        ------
        SpaceError
            When a parameter is continuous and no resolution is given.
        """
        from bandmaster.space.finite import enumerate_rows

        return enumerate_rows(self, limit, resolution)

    # ------------------------------------------------------------------ as a value

    def to_dict(self) -> dict[str, Any]:
        """Return the space as data that JSON and msgpack can hold; `from_dict` undoes it."""
        from bandmaster.space.serial import space_to_dict

        return space_to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Space:
        """Return the space that `to_dict` described.

        Raises
        ------
        SpaceError
            When the data are not of this format or of a version this release does not know.
        """
        from bandmaster.space.serial import space_from_dict

        return space_from_dict(data)

    def fingerprint(self) -> str:
        """Return a SHA-256 in hex that equal spaces share, on every machine and version."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        from bandmaster.space.serial import fingerprint

        return fingerprint(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return self is other or self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self.parameters, self.conditions, self.forbidden, self.name, self.meta)
        return _restore, state

    def __repr__(self) -> str:
        from bandmaster.space.table import space_table

        return space_table(self)


def _restore(
    parameters: tuple[Parameter, ...],
    conditions: tuple[Condition, ...],
    forbidden: tuple[Forbidden, ...],
    name: str | None,
    meta: Mapping[str, Any] | None,
) -> Space:
    return Space(parameters, conditions=conditions, forbidden=forbidden, name=name, meta=meta)


def _frozen(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.setflags(write=False)
    return array
