"""The configurations of evaluations as columns of numbers, also where no space is known."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.errors import ConfigurationError, IllegalConfigurationError, SpaceError
from bandmaster.space.columns import Column, make_column
from bandmaster.space.parameters import Categorical, Constant, Float, Integer, Parameter
from bandmaster.space.space import Space
from bandmaster.space.values import value_key

__all__ = ["ParameterTable"]

_WIDE: Final = 1000.0  # numbers that span more are taken for a parameter on a log scale


@dataclass(frozen=True, slots=True)
class ParameterTable:
    """The parameters of some evaluations, one column each.

    Parameters
    ----------
    columns : tuple of Column
        What each parameter is: its bounds, its scale, its choices.
    codes : float64 (n, d)
        Numbers in [0, 1] on the parameter's scale, indices of choices, NaN where a parameter is
        inactive.
    """

    columns: tuple[Column, ...]
    codes: npt.NDArray[np.float64]

    @classmethod
    def of(cls, evaluations: Sequence[Evaluation], space: Space | None) -> ParameterTable:
        """Read the configurations of evaluations.

        A parameter that the space does not have (or all, without a space) gets the bounds and the
        choices that occur, and a log scale if its values are positive and span three decades.
        """
        configs = [e.config for e in evaluations]
        known = () if space is None else space.columns
        names = {column.name for column in known}
        more = {name for config in configs for name in config if name not in names}
        columns = (*known, *(make_column(_guess(name, configs)) for name in sorted(more)))
        codes = np.full((len(configs), len(columns)), np.nan)
        for j, column in enumerate(columns):
            rows = [i for i, config in enumerate(configs) if column.name in config]
            if rows:
                codes[rows, j] = _encode(column, [configs[i][column.name] for i in rows])
        return cls(columns, codes)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names."""
        return tuple(column.name for column in self.columns)

    @property
    def searched(self) -> tuple[str, ...]:
        """Those that can have more than one value."""
        return tuple(column.name for column in self.columns if column.n_values > 1)

    def __getitem__(self, name: str) -> tuple[Column, npt.NDArray[np.float64]]:
        """Return a parameter's column and codes.

        Raises
        ------
        ConfigurationError
            If there is no such parameter.
        """
        if name not in self.names:
            close = difflib.get_close_matches(name, self.names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(self.names)}"
            raise ConfigurationError(f"there is no parameter {name!r}; {hint}")
        j = self.names.index(name)
        return self.columns[j], self.codes[:, j]


def _encode(column: Column, values: list[Any]) -> npt.NDArray[np.float64]:
    """Encode values; what is not legal in this space (any more) counts as inactive."""
    try:
        return column.encode_many(values)
    except IllegalConfigurationError:
        return np.array([_encode_one(column, value) for value in values])


def _encode_one(column: Column, value: Any) -> float:
    try:
        return column.encode(value)
    except IllegalConfigurationError:
        return math.nan


def _guess(name: str, configs: Sequence[Mapping[str, Any]]) -> Parameter:
    """Return the parameter that values which occur could be of."""
    values = {value_key(c[name]): c[name] for c in configs if name in c}
    found = list(values.values())
    if len(found) == 1:
        return Constant(name, found[0])
    kinds = {type(value) for value in found}
    if kinds <= {int, float}:
        lower, upper = min(found), max(found)
        try:
            log = lower > 0 and upper / lower >= _WIDE
            if kinds == {int}:
                return Integer(name, lower, upper, log=log)
            return Float(name, lower, upper, log=log)
        except (SpaceError, OverflowError):  # no finite floats, or equal ones: drawn as choices
            pass
    return Categorical(name, sorted(found, key=lambda value: (type(value).__name__, repr(value))))
