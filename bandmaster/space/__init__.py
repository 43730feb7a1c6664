"""The compiled search space: parameters, conditions, forbidden clauses, and float matrices.

Importing this package loads nothing else: every name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bandmaster.space.compiling import compile_space as compile_space
    from bandmaster.space.cs_export import hdl2cs as hdl2cs
    from bandmaster.space.cs_export import to_configspace as to_configspace
    from bandmaster.space.hdl import compile_hdl as compile_hdl
    from bandmaster.space.hdl_files import load_hdl as load_hdl
    from bandmaster.space.layering import layering_config as layering_config
    from bandmaster.space.parameters import Beta as Beta
    from bandmaster.space.parameters import Categorical as Categorical
    from bandmaster.space.parameters import Constant as Constant
    from bandmaster.space.parameters import Float as Float
    from bandmaster.space.parameters import Integer as Integer
    from bandmaster.space.parameters import Normal as Normal
    from bandmaster.space.parameters import Ordinal as Ordinal
    from bandmaster.space.parameters import Parameter as Parameter
    from bandmaster.space.predicates import And as And
    from bandmaster.space.predicates import Condition as Condition
    from bandmaster.space.predicates import Equals as Equals
    from bandmaster.space.predicates import Forbidden as Forbidden
    from bandmaster.space.predicates import GreaterThan as GreaterThan
    from bandmaster.space.predicates import GreaterThanEquals as GreaterThanEquals
    from bandmaster.space.predicates import In as In
    from bandmaster.space.predicates import LessThan as LessThan
    from bandmaster.space.predicates import LessThanEquals as LessThanEquals
    from bandmaster.space.predicates import NotEquals as NotEquals
    from bandmaster.space.predicates import Or as Or
    from bandmaster.space.predicates import Relation as Relation
    from bandmaster.space.space import Space as Space
    from bandmaster.space.structure import Group as Group

_HOMES = {
    "And": "predicates",
    "Beta": "parameters",
    "Categorical": "parameters",
    "Condition": "predicates",
    "Constant": "parameters",
    "Equals": "predicates",
    "Float": "parameters",
    "Forbidden": "predicates",
    "GreaterThan": "predicates",
    "GreaterThanEquals": "predicates",
    "Group": "structure",
    "In": "predicates",
    "Integer": "parameters",
    "LessThan": "predicates",
    "LessThanEquals": "predicates",
    "Normal": "parameters",
    "NotEquals": "predicates",
    "Or": "predicates",
    "Ordinal": "parameters",
    "Parameter": "parameters",
    "Relation": "predicates",
    "Space": "space",
    "compile_hdl": "hdl",
    "compile_space": "compiling",
    "hdl2cs": "cs_export",
    "layering_config": "layering",
    "load_hdl": "hdl_files",
    "to_configspace": "cs_export",
}

__all__ = [
    "And",
    "Beta",
    "Categorical",
    "Condition",
    "Constant",
    "Equals",
    "Float",
    "Forbidden",
    "GreaterThan",
    "GreaterThanEquals",
    "Group",
    "In",
    "Integer",
    "LessThan",
    "LessThanEquals",
    "Normal",
    "NotEquals",
    "Or",
    "Ordinal",
    "Parameter",
    "Relation",
    "Space",
    "compile_hdl",
    "compile_space",
    "hdl2cs",
    "layering_config",
    "load_hdl",
    "to_configspace",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
