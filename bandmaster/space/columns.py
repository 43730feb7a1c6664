"""One parameter as one float column: the codec between values and ``[0, 1]`` or an index.

Every column has scalar functions for one row and vector functions for a matrix. The two agree to
the last bit: where NumPy and ``math`` could round differently (exp, log), both use ``math``.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Hashable
from fractions import Fraction
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from bandmaster.errors import IllegalConfigurationError
from bandmaster.space.parameters import Categorical, Constant, Float, Integer, Ordinal, Parameter
from bandmaster.space.values import UNSET, is_mutable, value_key

__all__ = ["Choice", "Column", "Grid", "LinearFloat", "LogFloat", "LogGrid", "make_column"]

FloatArray = npt.NDArray[np.float64]

_EXACT: Final = 2**53  # whole numbers below it are floats too
_TABLE: Final = 4096  # log grids up to this size are looked up, longer ones computed


class Column(ABC):
    """The codec of one parameter.

    ``x`` is the encoded value: in ``[0, 1]`` for numbers, an index as a float for choices.
    ``n_values`` is ``math.inf`` for continuous columns.
    """

    is_choice: ClassVar[bool] = False
    n_values: int | float

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        self.name = parameter.name
        self.n_values = parameter.n_values

    @abstractmethod
    def encode(self, value: Any) -> float:
        """Encode a value, or raise IllegalConfigurationError."""

    def encode_many(self, values: list[Any]) -> FloatArray:
        """As `encode` for many values."""
        return np.array([self.encode(value) for value in values])

    @abstractmethod
    def decode(self, x: float) -> Any:
        """Decode `x`, which must not be NaN, to the native value."""

    @abstractmethod
    def snap(self, x: float) -> float:
        """Return the nearest legal code to a finite number."""

    @abstractmethod
    def snap_many(self, x: FloatArray) -> FloatArray:
        """As `snap` for an array; NaN stays NaN, infinities go to the bounds."""

    @abstractmethod
    def decode_many(self, x: FloatArray) -> list[Any]:
        """As `decode` for an array without NaN."""

    def from_unit(self, u: float) -> float:
        """Return the code at the quantile `u` in [0, 1) of what is sampled from."""
        return self.snap(u)

    def from_unit_many(self, u: FloatArray) -> FloatArray:
        """As `from_unit` for an array."""
        return self.snap_many(u)

    @abstractmethod
    def code(self, index: int) -> float:
        """Return the code of the value number `index`, least first, of a discrete column."""

    def default(self) -> float:
        """Return the encoded default."""
        value = getattr(self.parameter, "default", UNSET)
        return self._implied_default() if value is UNSET else self.encode(value)

    def _implied_default(self) -> float:
        return self.snap(0.5)

    def default_value(self) -> Any:
        """Return the default exactly as it was given."""
        value = getattr(self.parameter, "default", UNSET)
        return self.decode(self.default()) if value is UNSET else value

    def illegal(self, value: Any) -> IllegalConfigurationError:
        """Return the error for a value that this column cannot hold."""
        return IllegalConfigurationError(
            f"parameter {self.name!r}: {value!r} ({type(value).__name__}) is not legal; "
            f"legal is {self.legal_text()}"
        )

    @abstractmethod
    def legal_text(self) -> str:
        """Say what is legal, for errors and tables."""

    def _as_number(self, value: Any) -> int | float:
        """Return a number that may be a NumPy scalar as a Python number, or raise."""
        if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.illegal(value)
        return value


class LinearFloat(Column):
    """A continuous column on a linear scale."""

    def __init__(self, parameter: Float) -> None:
        super().__init__(parameter)
        self.lower, self.upper = parameter.lower, parameter.upper
        self.span = self.upper - self.lower

    def encode(self, value: Any) -> float:
        if value.__class__ is not float:
            value = self._as_number(value)
        if not self.lower <= value <= self.upper:
            raise self.illegal(value)
        x: float = (value - self.lower) / self.span
        return x

    def encode_many(self, values: list[Any]) -> FloatArray:
        if set(map(type, values)) == {float}:
            array = np.array(values)
            if array.min() >= self.lower and array.max() <= self.upper:
                return (array - self.lower) / self.span
        return super().encode_many(values)

    def decode(self, x: float) -> float:
        value = self.lower + x * self.span
        return value if value <= self.upper else self.upper

    def snap(self, x: float) -> float:
        return 0.0 if x < 0.0 else 1.0 if x > 1.0 else x

    def snap_many(self, x: FloatArray) -> FloatArray:
        return np.clip(x, 0.0, 1.0)

    def numbers(self, x: FloatArray) -> FloatArray:
        """As `decode_many`, as an array."""
        return np.minimum(self.lower + x * self.span, self.upper)

    def decode_many(self, x: FloatArray) -> list[Any]:
        values: list[Any] = self.numbers(x).tolist()
        return values

    def code(self, index: int) -> float:
        raise TypeError(f"parameter {self.name!r} is continuous: its values have no numbers")

    def legal_text(self) -> str:
        return f"a number from {self.lower!r} to {self.upper!r}"


class LogFloat(LinearFloat):
    """A continuous column on a log scale."""

    def __init__(self, parameter: Float) -> None:
        super().__init__(parameter)
        self.log_lower = math.log(self.lower)
        self.log_span = math.log(self.upper) - self.log_lower

    def encode(self, value: Any) -> float:
        if value.__class__ is not float:
            value = self._as_number(value)
        if not self.lower <= value <= self.upper:
            raise self.illegal(value)
        return (math.log(value) - self.log_lower) / self.log_span

    def encode_many(self, values: list[Any]) -> FloatArray:
        return Column.encode_many(self, values)

    def decode(self, x: float) -> float:
        if x <= 0.0:
            return self.lower
        if x >= 1.0:
            return self.upper
        value = math.exp(self.log_lower + x * self.log_span)
        return min(max(value, self.lower), self.upper)

    def numbers(self, x: FloatArray) -> FloatArray:
        return np.array(self.decode_many(x))

    def decode_many(self, x: FloatArray) -> list[Any]:
        lower, upper = self.lower, self.upper
        log_lower, log_span, exp = self.log_lower, self.log_span, math.exp
        values = [exp(log_lower + v * log_span) for v in x.tolist()]
        for i in np.flatnonzero((x <= 0.0) | (x >= 1.0)).tolist():
            values[i] = lower if x[i] <= 0.0 else upper
        return [lower if v < lower else upper if v > upper else v for v in values]


class Grid(Column):
    """Equidistant numbers on a linear scale; the code is the centre of the value's cell."""

    def __init__(self, parameter: Float | Integer) -> None:
        super().__init__(parameter)
        self.n = int(parameter.n_values)
        self.whole = isinstance(parameter, Integer)
        # A value is (start + k step) / scale: exact in decimal, and division rounds correctly.
        self.start: float  # whole numbers are held as Python integers
        self.step: float
        self.scale: float
        if isinstance(parameter, Integer):
            self.start, self.step, self.scale = parameter.lower, parameter.q, 1
        else:
            assert parameter.q is not None
            lower, q = Fraction(repr(parameter.lower)), Fraction(repr(parameter.q))
            scale = math.lcm(lower.denominator, q.denominator)
            largest: Fraction = max(abs(lower), abs(lower + q * (self.n - 1)), q, Fraction(1))
            if largest * scale < 2**53:
                self.start, self.step, self.scale = float(lower * scale), float(q * scale), scale
            else:
                self.start, self.step, self.scale = parameter.lower, parameter.q, 1

    def value(self, k: int) -> Any:
        """Return the value number `k`."""
        if self.whole:
            return self.start + k * self.step
        return (self.start + k * self.step) / self.scale

    def encode(self, value: Any) -> float:
        return self.code(self.index_of(value))

    def encode_many(self, values: list[Any]) -> FloatArray:
        low, beyond = self.value(0), self.value(self.n)
        exact = self.whole and low > -_EXACT and beyond < _EXACT
        if exact and set(map(type, values)) == {int} and low <= min(values) <= max(values) < beyond:
            k, rest = np.divmod(np.array(values) - int(self.start), int(self.step))
            if not rest.any():
                return self.codes(k)
        return super().encode_many(values)

    def index_of(self, value: Any) -> int:
        """Return the number of a value, or raise IllegalConfigurationError."""
        kind = value.__class__
        if kind is not int and kind is not float:
            value = self._as_number(value)
        if self.whole:
            if value.__class__ is float:
                if not value.is_integer():
                    raise self.illegal(value)
                value = int(value)
            k, rest = divmod(value - self.start, self.step)
            if rest or not 0 <= k < self.n:
                raise self.illegal(value)
            return int(k)
        if not self.value(-1) < value < self.value(self.n):  # NaN and infinity stop here
            raise self.illegal(value)
        k = round((float(value) * self.scale - self.start) / self.step)
        if not 0 <= k < self.n or abs(self.value(k) - value) > 1e-9 * self.step / self.scale:
            raise self.illegal(value)
        return k

    def index(self, x: float) -> int:
        """Return the number of the cell that holds `x`."""
        k = int(x * self.n)
        return 0 if k < 0 else self.n - 1 if k >= self.n else k

    def index_many(self, x: FloatArray) -> npt.NDArray[np.int64]:
        """As `index` for an array without NaN."""
        return np.clip(x * self.n, 0, self.n - 1).astype(np.int64)

    def code(self, index: int) -> float:
        return (index + 0.5) / self.n

    def codes(self, index: npt.NDArray[np.int64]) -> FloatArray:
        """As `code` for an array."""
        return (index + 0.5) / self.n

    def decode(self, x: float) -> Any:
        k = self.index(x)
        return self.start + k * self.step if self.whole else self.value(k)

    def snap(self, x: float) -> float:
        return self.code(self.index(x))

    def snap_many(self, x: FloatArray) -> FloatArray:
        known = ~np.isnan(x)
        if known.all():
            return self.codes(self.index_many(x))
        result = np.full(x.shape, np.nan)
        result[known] = self.codes(self.index_many(x[known]))
        return result

    def numbers(self, x: FloatArray) -> FloatArray:
        """As `decode_many`, as an array of floats."""
        return np.asarray(self._values(self.index_many(x)), dtype=np.float64)

    def _values(self, k: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        if self.whole:
            return k * int(self.step) + int(self.start)
        return (self.start + k * self.step) / self.scale

    def decode_many(self, x: FloatArray) -> list[Any]:
        values: list[Any] = self._values(self.index_many(x)).tolist()
        return values

    def legal_text(self) -> str:
        low, high = self.value(0), self.value(self.n - 1)
        kind = "an integer" if self.whole else "a number"
        step = self.step / self.scale if self.scale != 1 else self.step
        steps = "" if self.whole and step == 1 else f" in steps of {step!r}"
        return f"{kind} from {low!r} to {high!r}{steps}"


class LogGrid(Grid):
    """Equidistant numbers searched on a log scale.

    A value's cell on the log scale reaches half a step to both sides (below the lowest value to
    no less than its half), its code is the middle of the cell.
    """

    def __init__(self, parameter: Float | Integer) -> None:
        super().__init__(parameter)
        low, high = float(self.value(0)), float(self.value(self.n - 1))
        self.low = low
        self.width = float(self.step / self.scale)
        self.log_lower = math.log(max(low - self.width / 2, low / 2))
        self.log_span = math.log(high + self.width / 2) - self.log_lower
        self._edges: list[float] = []  # upper edges of all cells but the last
        self._codes: FloatArray | None = None
        if self.n <= _TABLE:
            self._edges = [self._edge(k) for k in range(1, self.n)]
            self._codes = np.array([self._code(k) for k in range(self.n)])
            self._edge_array = np.array(self._edges)

    def _edge(self, k: int) -> float:
        """Return the lower edge of the cell `k`."""
        if k <= 0:
            return 0.0
        if k >= self.n:
            return 1.0
        return (math.log(self.value(k) - self.width / 2) - self.log_lower) / self.log_span

    def _code(self, k: int) -> float:
        return (self._edge(k) + self._edge(k + 1)) / 2

    def index(self, x: float) -> int:
        if self._codes is not None:
            return bisect_right(self._edges, x)
        if x <= 0.0:
            return 0
        if x >= 1.0:
            return self.n - 1
        value = math.exp(self.log_lower + x * self.log_span)
        k = round((value - self.low) / self.width)
        return 0 if k < 0 else self.n - 1 if k >= self.n else k

    def index_many(self, x: FloatArray) -> npt.NDArray[np.int64]:
        if self._codes is not None:
            return np.searchsorted(self._edge_array, x, side="right")
        return np.fromiter(map(self.index, x.tolist()), dtype=np.int64, count=len(x))

    def code(self, index: int) -> float:
        return self._code(index)

    def codes(self, index: npt.NDArray[np.int64]) -> FloatArray:
        if self._codes is not None:
            return self._codes[index]
        return np.fromiter(map(self._code, index.tolist()), dtype=np.float64, count=len(index))


class Choice(Column):
    """A categorical, an ordinal or a constant; the code is the index."""

    is_choice = True

    def __init__(self, parameter: Categorical | Ordinal | Constant) -> None:
        super().__init__(parameter)
        if isinstance(parameter, Constant):
            self.values: tuple[Any, ...] = (parameter.value,)
        elif isinstance(parameter, Ordinal):
            self.values = tuple(parameter.values)
        else:
            self.values = tuple(parameter.choices)
        self.n = len(self.values)
        self.mutable = any(map(is_mutable, self.values))
        self._codes: dict[Hashable, float] = {
            value_key(value): float(i) for i, value in enumerate(self.values)
        }
        self._objects = np.empty(self.n, dtype=object)
        self._objects[:] = self.values
        self.weights: FloatArray | None = None
        weights = parameter.weights if isinstance(parameter, Categorical) else None
        if weights is not None:
            self.weights = np.array(weights) / sum(weights)
            cumulated = np.cumsum(self.weights)
            # Beyond the last choice with a weight, rounding must not reach weightless ones.
            cumulated[int(np.flatnonzero(self.weights)[-1]) :] = 1.0
            self._cumulated = cumulated
            self._cumulated_list: list[float] = cumulated.tolist()

    def encode(self, value: Any) -> float:
        try:
            code = self._codes.get((value.__class__, value))
        except TypeError:  # not hashable: a list or a dict
            code = self._codes.get(value_key(value))
        return self._encode_slowly(value) if code is None else code

    def _encode_slowly(self, value: Any) -> float:
        """Find what is equal though of another type, as NumPy scalars are."""
        given = value
        if type(value).__module__ == "numpy":
            value = value.tolist()
        if (code := self._codes.get(value_key(value))) is not None:
            return code
        equal = [i for i, choice in enumerate(self.values) if choice == value]
        if len(equal) != 1:
            raise self.illegal(given)
        return float(equal[0])

    def code(self, index: int) -> float:
        return float(index)

    def decode(self, x: float) -> Any:
        value = self.values[int(x)]
        return copy.deepcopy(value) if self.mutable else value

    def snap(self, x: float) -> float:
        return float(min(max(round(x), 0), self.n - 1))

    def snap_many(self, x: FloatArray) -> FloatArray:
        return np.clip(np.rint(x), 0.0, self.n - 1.0)

    def decode_many(self, x: FloatArray) -> list[Any]:
        values: list[Any] = self._objects[x.astype(np.intp)].tolist()
        return copy.deepcopy(values) if self.mutable else values

    def from_unit(self, u: float) -> float:
        if self.weights is not None:
            return float(min(bisect_right(self._cumulated_list, u), self.n - 1))
        return float(min(int(u * self.n), self.n - 1))

    def from_unit_many(self, u: FloatArray) -> FloatArray:
        if self.weights is not None:
            index = np.searchsorted(self._cumulated, u, side="right")
            return np.minimum(index, self.n - 1).astype(np.float64)
        return np.minimum(np.floor(u * self.n), self.n - 1.0)

    def _implied_default(self) -> float:
        return 0.0 if self.weights is None else float(np.argmax(self.weights))

    def legal_text(self) -> str:
        return ("one of " if self.n > 1 else "only ") + ", ".join(map(repr, self.values))


def make_column(parameter: Parameter) -> Column:
    """Return the codec of a parameter."""
    if isinstance(parameter, (Categorical, Ordinal, Constant)):
        return Choice(parameter)
    column: Column
    if isinstance(parameter, Float) and parameter.q is None:
        column = LogFloat(parameter) if parameter.log else LinearFloat(parameter)
    else:
        column = LogGrid(parameter) if parameter.log else Grid(parameter)
    return column
