"""The kinds of parameters: frozen values that check themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Union

from bandmaster.errors import SpaceError
from bandmaster.space.values import UNSET, native, value_key

__all__ = [
    "Beta",
    "Categorical",
    "Constant",
    "Distribution",
    "Float",
    "Integer",
    "Normal",
    "Ordinal",
    "Parameter",
]

_LARGEST_COUNT = 2**53  # beyond it a float column cannot tell two neighbours apart


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal distribution cut off at the parameter's bounds.

    Parameters
    ----------
    mu, sigma : float
        Mean and standard deviation in the parameter's own unit. With ``log=True`` the mean is
        taken to the log scale, and `sigma` with the scale of the logarithm (as ConfigSpace does).
    """

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mu", _number(self.mu, "Normal.mu"))
        object.__setattr__(self, "sigma", _number(self.sigma, "Normal.sigma"))
        if self.sigma <= 0:
            raise SpaceError(f"Normal.sigma is {self.sigma}; it must be above 0")


@dataclass(frozen=True, slots=True)
class Beta:
    """A beta distribution over the parameter's range (its log scale with ``log=True``).

    Parameters
    ----------
    alpha, beta : float
        The two shapes, each at least 1.
    """

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", _number(self.alpha, "Beta.alpha"))
        object.__setattr__(self, "beta", _number(self.beta, "Beta.beta"))
        if self.alpha < 1 or self.beta < 1:
            raise SpaceError(f"{self}: both shapes must be at least 1")


Distribution = Union[Normal, Beta, None]  # noqa: UP007 (evaluated at run time by get_type_hints)


@dataclass(frozen=True, slots=True)
class Float:
    """A real number from `lower` to `upper`, both included.

    Parameters
    ----------
    name : str
    lower, upper : float
        The bounds; `lower` is above 0 with ``log=True``.
    log : bool
        Search on the logarithm of the value.
    q : float, optional
        Only ``lower + k q`` up to `upper` are legal. The multiples are exact in decimal
        (``0.1 * 3`` is ``0.3``).
    default : float, optional
        The middle of the scale when omitted.
    distribution : Normal or Beta, optional
        What is sampled from; uniform on the scale when omitted.
    meta : dict, optional
        Plain data that is kept and not read.
    """

    name: str
    lower: float
    upper: float
    log: bool = field(default=False, kw_only=True)
    q: float | None = field(default=None, kw_only=True)
    default: Any = field(default=UNSET, kw_only=True)
    distribution: Distribution = field(default=None, kw_only=True)
    meta: Mapping[str, Any] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_name(self.name)
        for bound in ("lower", "upper"):
            value = _number(getattr(self, bound), f"parameter {self.name!r}: {bound}")
            object.__setattr__(self, bound, value)
        _check_range(self)
        if self.q is not None:
            q = _number(self.q, f"parameter {self.name!r}: q")
            object.__setattr__(self, "q", q)
            if q <= 0 or self.n_values < 2:
                raise SpaceError(
                    f"parameter {self.name!r}: q is {q}; it must be above 0 and at most "
                    f"upper - lower = {self.upper - self.lower}"
                )
            if self.n_values > _LARGEST_COUNT:
                raise SpaceError(f"parameter {self.name!r}: q = {q} makes more than 2**53 values")
        if self.default is not UNSET:
            default = _number(self.default, f"parameter {self.name!r}: the default")
            object.__setattr__(self, "default", default)
        object.__setattr__(self, "meta", _plain_meta(self.meta, self.name))

    @property
    def n_values(self) -> int | float:
        """How many values there are: ``math.inf`` without `q`."""
        if self.q is None:
            return math.inf
        lower, upper, q = (Fraction(repr(v)) for v in (self.lower, self.upper, self.q))
        return int((upper - lower) / q) + 1


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from `lower` to `upper`, both included.

    Parameters
    ----------
    name : str
    lower, upper : int
        The bounds; `lower` is at least 1 with ``log=True``.
    log : bool
        Search on the logarithm of the value.
    q : int
        Only ``lower + k q`` up to `upper` are legal; 1 by default.
    default : int, optional
        The middle of the scale when omitted.
    distribution, meta
        As for `Float`.
    """

    name: str
    lower: int
    upper: int
    log: bool = field(default=False, kw_only=True)
    q: int = field(default=1, kw_only=True)
    default: Any = field(default=UNSET, kw_only=True)
    distribution: Distribution = field(default=None, kw_only=True)
    meta: Mapping[str, Any] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_name(self.name)
        for part in ("lower", "upper", "q"):
            value = _whole(getattr(self, part), f"parameter {self.name!r}: {part}")
            object.__setattr__(self, part, value)
        _check_range(self)
        if not 1 <= self.q <= self.upper - self.lower:
            raise SpaceError(
                f"parameter {self.name!r}: q is {self.q}; it must be from 1 to "
                f"upper - lower = {self.upper - self.lower}"
            )
        if self.n_values > _LARGEST_COUNT or max(abs(self.lower), abs(self.upper)) >= 2**63:
            raise SpaceError(
                f"parameter {self.name!r}: bounds are 64-bit integers with at most 2**53 values "
                "between them"
            )
        if self.default is not UNSET:
            default = _whole(self.default, f"parameter {self.name!r}: the default")
            object.__setattr__(self, "default", default)
        object.__setattr__(self, "meta", _plain_meta(self.meta, self.name))

    @property
    def n_values(self) -> int:
        """How many values there are."""
        return (self.upper - self.lower) // self.q + 1


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of several values without an order.

    Parameters
    ----------
    name : str
    choices : sequence
        Plain values; ``1``, ``1.0`` and ``True`` are three different choices, and what is handed
        out is the choice as it was given.
    weights : sequence of float, optional
        How often each is sampled, in proportion; equally often when omitted.
    default
        The heaviest choice, or the first of these, when omitted. ``None`` is a value.
    meta : dict, optional
    """

    name: str
    choices: Sequence[Any]  # a tuple, whatever was given
    weights: Sequence[float] | None = field(default=None, kw_only=True)
    default: Any = field(default=UNSET, kw_only=True)
    meta: Mapping[str, Any] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_name(self.name)
        object.__setattr__(self, "choices", _choices(self.choices, self.name, "choices"))
        if self.weights is not None:
            object.__setattr__(self, "weights", self._checked_weights())
        if self.default is not UNSET:
            object.__setattr__(self, "default", _choice(self.default, self.choices, self.name))
        object.__setattr__(self, "meta", _plain_meta(self.meta, self.name))

    def _checked_weights(self) -> tuple[float, ...]:
        assert self.weights is not None
        weights = tuple(
            _number(w, f"parameter {self.name!r}: a weight") for w in tuple(self.weights)
        )
        if len(weights) != len(self.choices):
            raise SpaceError(
                f"parameter {self.name!r}: {len(weights)} weights for {len(self.choices)} choices"
            )
        if min(weights) < 0 or not sum(weights) > 0:
            raise SpaceError(
                f"parameter {self.name!r}: the weights {list(weights)} must be 0 or more, and "
                "one above 0"
            )
        return weights

    @property
    def n_values(self) -> int:
        """How many choices there are."""
        return len(self.choices)


@dataclass(frozen=True, slots=True)
class Ordinal:
    """One of several values in the order given.

    Parameters
    ----------
    name : str
    values : sequence
        Plain values, least first.
    default
        The first when omitted. ``None`` is a value.
    meta : dict, optional
    """

    name: str
    values: Sequence[Any]  # a tuple, whatever was given
    default: Any = field(default=UNSET, kw_only=True)
    meta: Mapping[str, Any] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_name(self.name)
        object.__setattr__(self, "values", _choices(self.values, self.name, "values"))
        if self.default is not UNSET:
            object.__setattr__(self, "default", _choice(self.default, self.values, self.name))
        object.__setattr__(self, "meta", _plain_meta(self.meta, self.name))

    @property
    def n_values(self) -> int:
        """How many values there are."""
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is handed out with every configuration and never searched."""

    name: str
    value: Any
    meta: Mapping[str, Any] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_name(self.name)
        object.__setattr__(self, "value", native(self.value, f"parameter {self.name!r}"))
        object.__setattr__(self, "meta", _plain_meta(self.meta, self.name))

    @property
    def n_values(self) -> int:
        """Always 1."""
        return 1


Parameter = Union[Float, Integer, Categorical, Ordinal, Constant]  # noqa: UP007 (isinstance on 3.10)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise SpaceError(f"a parameter's name is {name!r}; it must be a string that is not empty")


def _number(value: Any, where: str) -> float:
    value = native(value, where)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SpaceError(f"{where} is {value!r}, a {type(value).__name__}; a number is expected")
    if not math.isfinite(value):
        raise SpaceError(f"{where} is {value}; a finite number is expected")
    return float(value)


def _whole(value: Any, where: str) -> int:
    value = native(value, where)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpaceError(
            f"{where} is {value!r}, a {type(value).__name__}; a whole number is expected"
        )
    return value


def _check_range(parameter: Float | Integer) -> None:
    name, lower, upper = parameter.name, parameter.lower, parameter.upper
    if not lower < upper:
        raise SpaceError(
            f"parameter {name!r}: lower is {lower} and upper is {upper}; lower must be below upper "
            f"(what is fixed is a constant: {lower})"
        )
    if not math.isfinite(float(upper) - float(lower)):
        raise SpaceError(f"parameter {name!r}: the range from {lower} to {upper} is too wide")
    object.__setattr__(parameter, "log", bool(parameter.log))
    if parameter.log and lower <= 0:
        raise SpaceError(f"parameter {name!r}: lower is {lower}; a log scale needs it above 0")
    if not isinstance(parameter.distribution, (Normal, Beta, type(None))):
        raise SpaceError(
            f"parameter {name!r}: the distribution {parameter.distribution!r} is not a Normal "
            "or Beta"
        )
    if isinstance(parameter.distribution, Normal) and parameter.log:
        mu = parameter.distribution.mu
        if mu <= 0:
            raise SpaceError(f"parameter {name!r}: mu is {mu}; a log scale needs it above 0")


def _choices(values: Any, name: str, what: str) -> tuple[Any, ...]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Sequence):
        convert = getattr(values, "tolist", None)
        if convert is None:
            raise SpaceError(
                f"parameter {name!r}: {what} is {values!r}, a {type(values).__name__}; "
                "a list is expected"
            )
        values = convert()
    if not len(values):
        raise SpaceError(f"parameter {name!r}: {what} is empty; give at least one")
    result = tuple(native(value, f"parameter {name!r}: {what}") for value in values)
    seen = set()
    for value in result:
        key = value_key(value)
        if key in seen:
            raise SpaceError(f"parameter {name!r}: {value!r} is twice among the {what}")
        seen.add(key)
    return result


def _choice(value: Any, choices: Sequence[Any], name: str) -> Any:
    value = native(value, f"parameter {name!r}: the default")
    keys = [value_key(choice) for choice in choices]
    if value_key(value) in keys:
        return choices[keys.index(value_key(value))]
    equal = [choice for choice in choices if choice == value]
    if len(equal) == 1:
        return equal[0]
    raise SpaceError(
        f"parameter {name!r}: the default {value!r} is not among {', '.join(map(repr, choices))}"
    )


def _plain_meta(meta: Any, name: str) -> Mapping[str, Any] | None:
    if meta is None:
        return None
    if not isinstance(meta, Mapping):
        raise SpaceError(f"parameter {name!r}: meta is {meta!r}; a dict is expected")
    plain: Mapping[str, Any] = native(meta, f"parameter {name!r}: meta")
    return plain
