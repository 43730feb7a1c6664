"""The compiled search space: plain data outside, tables and functions inside."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from bandmaster.errors import IllegalConfigurationError, SpaceError
from bandmaster.space.codec import Codec, FloatArray, frozen
from bandmaster.space.parameters import (
    Categorical,
    Constant,
    Float,
    Integer,
    Ordinal,
    Parameter,
)
from bandmaster.space.predicates import Condition, Forbidden
from bandmaster.space.values import native

__all__ = ["Space"]


class Space(Codec):
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
        super().__init__(self.parameters, self.conditions, self.forbidden)
        self.default_row = frozen(self._find_default())

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
        for test, clause in zip(self._forbidden_row, self.forbidden, strict=True):
            if test(row):
                raise IllegalConfigurationError(
                    f"the configuration {dict(config)!r} is forbidden: {clause.when}"
                )

    # ------------------------------------------------------------------ defaults

    def default_config(self) -> dict[str, Any]:
        """Return the configuration of all defaults.

        Where a clause forbids it, the legal one that keeps most of the defaults among some drawn
        with a fixed seed.
        """
        config = self._decode_row(self.default_row.tolist())
        for name, x in zip(self.names, self.default_row.tolist(), strict=True):
            j = self.index[name]
            if name in config and x == self.defaults[j]:
                config[name] = self.columns[j].default_value()
        return config

    def complete(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Fill the active parameters that a partial configuration leaves out with their defaults.

        Raises
        ------
        IllegalConfigurationError
            When the result is not legal.
        """
        if not config:
            return self.default_config()
        unknown = [name for name in config if name not in self.index]
        if unknown:
            raise self._unknown(config)
        row = [
            encode(config[name]) if name in config else default
            for (name, encode), default in zip(self._encoders, self.defaults.tolist(), strict=True)
        ]
        for test, columns in self._tests:
            if not test(row):
                for j in columns:
                    if self.names[j] in config:
                        raise self._misplaced(j, config)
                    row[j] = math.nan
        full = {
            name: config[name] if name in config else self.columns[j].default_value()
            for j, name in enumerate(self.names)
            if row[j] == row[j]
        }
        self.validate(full)
        return full

    def _find_default(self) -> FloatArray:
        row = self.repair(np.full((1, self.dim), np.nan))
        if not self._forbids(row)[0]:
            first: FloatArray = row[0]
            return first
        rows = self.sample(256, np.random.default_rng(0))
        kept = (rows == row).sum(axis=1)
        best: FloatArray = rows[int(kept.argmax())]
        return best

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

        return space_from_dict(data, cls)

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

    def __deepcopy__(self, memo: dict[int, Any]) -> Space:
        return self  # it never changes

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
