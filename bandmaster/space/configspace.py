"""From and to ConfigSpace 1.2.

ConfigSpace has no quantised numbers: ours become a whole number that counts the steps, and
``meta["bandmaster"]`` of that hyperparameter says what it stands for, so that the way back is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import ConfigSpace as CS  # noqa: N817 (its own documentation's name)
import ConfigSpace.conditions as csc
import ConfigSpace.forbidden as csf
import ConfigSpace.hyperparameters as csh

from bandmaster.errors import SpaceError
from bandmaster.space.columns import Grid
from bandmaster.space.hdl import compile_hdl
from bandmaster.space.parameters import (
    Beta,
    Categorical,
    Constant,
    Distribution,
    Float,
    Integer,
    Normal,
    Ordinal,
    Parameter,
)
from bandmaster.space.predicates import (
    And,
    Condition,
    Equals,
    Forbidden,
    GreaterThan,
    GreaterThanEquals,
    In,
    LessThan,
    LessThanEquals,
    NotEquals,
    Or,
    Predicate,
    Relation,
)
from bandmaster.space.space import Space

if TYPE_CHECKING:
    from bandmaster.space.columns import Column
