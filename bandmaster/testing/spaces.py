"""Random search spaces for property tests (needs hypothesis).

`spaces()` draws compiled spaces with every kind of parameter, conditions and forbidden clauses;
`automl_hdl()` is the conditional space of several classifiers that the examples search.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from bandmaster.errors import SpaceError
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

__all__ = ["automl_hdl", "parameters", "spaces"]

_CHOICES = (1, 2, "1", "2", "a", None, 0.5, 7.25, "", "x y", False, (1, 2), "None", -3)


@st.composite
def parameters(draw: st.DrawFn, name: str, *, finite: bool = False) -> Parameter:
    """Draw a parameter of any kind; with `finite`, one of at most a dozen values."""
    kinds = ["integer", "quantised", "categorical", "ordinal", "constant", "qinteger"]
    kind = draw(st.sampled_from(kinds if finite else [*kinds, "float", "float", "log"]))
    if kind == "constant":
        return Constant(name, draw(st.sampled_from(_CHOICES)))
    if kind in ("categorical", "ordinal"):
        values = draw(st.lists(st.sampled_from(_CHOICES), min_size=1, max_size=5, unique=True))
        default = draw(st.sampled_from(values))
        if kind == "ordinal":
            return Ordinal(name, values, default=default)
        weights = None
        if draw(st.booleans()):
            weights = [draw(st.integers(1, 9)) for _ in values]
        return Categorical(name, values, weights=weights, default=default)
    log = draw(st.booleans())
    if kind in {"float", "log"}:
        return draw(_floats(name, log))
    lower = draw(st.integers(1, 9) if log else st.integers(-9, 9))
    count = draw(st.integers(1, 10 if finite else 2000))
    if kind == "quantised":
        q = draw(st.sampled_from([0.1, 0.25, 0.5, 2.0]))
        return Float(name, lower, lower + q * count + draw(st.sampled_from([0.0, q / 2])), q=q)
    q = 1 if kind == "integer" else draw(st.integers(1, 7))
    rest = 0 if q == 1 else draw(st.integers(0, q - 1))
    distribution = draw(_distributions(lower, lower + count)) if q == 1 else None
    return Integer(name, lower, lower + q * count + rest, log=log, q=q, distribution=distribution)


@st.composite
def _floats(draw: st.DrawFn, name: str, log: bool) -> Float:
    lower = draw(st.sampled_from([1e-6, 0.01, 0.5, 3.0] if log else [-10.0, -0.5, 0.0, 1e-3, 7.0]))
    upper = lower + draw(st.sampled_from([1e-3, 0.1, 1.0, 250.0, 1e6]))
    return Float(name, lower, upper, log=log, distribution=draw(_distributions(lower, upper)))


@st.composite
def _distributions(draw: st.DrawFn, lower: float, upper: float) -> Distribution:
    kind = draw(st.sampled_from(["uniform", "uniform", "uniform", "normal", "beta"]))
    if kind == "normal":
        return Normal(round((lower + upper) / 2, 6), round((upper - lower) / 4, 6))
    return Beta(draw(st.integers(1, 4)), draw(st.integers(1, 4))) if kind == "beta" else None


def _values(parameter: Parameter) -> list[Any]:
    """Some legal values of a parameter."""
    if isinstance(parameter, Constant):
        return [parameter.value]
    if isinstance(parameter, Categorical):
        return list(parameter.choices)
    if isinstance(parameter, Ordinal):
        return list(parameter.values)
    if isinstance(parameter, Integer):
        last = (parameter.upper - parameter.lower) // parameter.q
        return [parameter.lower + parameter.q * k for k in {0, last // 3, last // 2, last}]
    if parameter.q is not None:
        from bandmaster.space.columns import Grid

        grid = Grid(parameter)
        return [grid.value(k) for k in {0, grid.n // 3, grid.n - 1}]
    return [
        round(parameter.lower + (parameter.upper - parameter.lower) * f, 9) for f in (0.25, 0.5)
    ]


@st.composite
def _predicates(draw: st.DrawFn, known: list[Parameter], depth: int, *, full: bool) -> Predicate:
    words = ["==", "in", "<", ">", *(["!=", "<=", ">="] if full else [])]
    word = draw(st.sampled_from(words if depth == 0 else [*words, "and", "or"]))
    if word in ("and", "or"):
        parts = [draw(_predicates(known, depth - 1, full=full)) for _ in range(2)]
        return And(*parts) if word == "and" else Or(*parts)
    parameter = draw(st.sampled_from(known))
    values = _values(parameter)
    value = draw(st.sampled_from(values))
    name = parameter.name
    ordered = not isinstance(parameter, (Categorical, Constant))
    if word == "in" or (word in ("<", ">", "<=", ">=") and not ordered):
        return In(name, tuple(draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))))
    kinds: dict[str, Any] = {
        "==": Equals,
        "!=": NotEquals,
        "<": LessThan,
        "<=": LessThanEquals,
        ">": GreaterThan,
        ">=": GreaterThanEquals,
    }
    predicate: Predicate = kinds[word](name, value)
    return predicate


@st.composite
def spaces(
    draw: st.DrawFn,
    *,
    max_parameters: int = 7,
    finite: bool = False,
    conditions: bool = True,
    forbidden: bool = True,
    full: bool = True,
) -> Space:
    """Draw a compiled space of which at least a twentieth (or so) is legal.

    Parameters
    ----------
    max_parameters : int
    finite : bool
        Only parameters with a few values.
    conditions, forbidden : bool
        Whether there may be any.
    full : bool
        False keeps to what ConfigSpace can say directly: no NotEquals, no relations.
    """
    count = draw(st.integers(1, max_parameters))
    made = [draw(parameters(f"p{i}", finite=finite)) for i in range(count)]
    rules = []
    for i in range(1, count) if conditions else ():
        if draw(st.booleans()):
            when = draw(_predicates(made[:i], draw(st.integers(0, 2)), full=full))
            rules.append(Condition(f"p{i}", when))
    clauses: list[Forbidden] = []
    if forbidden:
        for _ in range(draw(st.integers(0, 2))):
            parts = [draw(_predicates(made, 0, full=full)) for _ in range(2)]
            clauses.append(Forbidden(And(*parts)))
        numbers = [p.name for p in made if isinstance(p, (Float, Integer)) and p.q in (None, 1)]
        if full and len(numbers) > 1 and draw(st.booleans()):
            clauses.append(Forbidden(Relation(numbers[0], ">", numbers[1])))
    order = draw(st.permutations(made))
    bare = Space(order, conditions=rules)
    try:
        space = Space(order, conditions=rules, forbidden=clauses)
    except SpaceError:  # the clauses leave nothing that drawing finds
        return bare
    drawn = space.from_unit(np.random.default_rng(0).random((200, space.dim)))
    return space if space.legal(drawn).mean() > 0.05 else bare


def automl_hdl() -> dict[str, Any]:
    """Return an HDL of three classifiers, with 17 parameters below the choice."""

    def choice(*values: Any) -> dict[str, Any]:
        return {"_type": "choice", "_value": list(values)}

    return {
        "classifier(choice)": {
            "LinearSVC": {
                "max_iter": {"_type": "int_quniform", "_value": [300, 3000, 100], "_default": 600},
                "penalty": {**choice("l1", "l2"), "_default": "l2"},
                "dual": {**choice(True, False), "_default": False},
                "loss": {**choice("hinge", "squared_hinge"), "_default": "squared_hinge"},
                "C": {"_type": "loguniform", "_value": [0.01, 10000], "_default": 1.0},
                "multi_class": "ovr",
                "random_state": 42,
                "__forbidden": [
                    {"penalty": "l1", "loss": "hinge"},
                    {"penalty": "l2", "dual": False, "loss": "hinge"},
                    {"penalty": "l1", "dual": True, "loss": "squared_hinge"},
                ],
            },
            "RandomForestClassifier": {
                "n_estimators": {"_type": "int_quniform", "_value": [10, 200, 10]},
                "criterion": choice("gini", "entropy"),
                "max_features": choice("sqrt", "log2"),
                "min_samples_split": {"_type": "int_uniform", "_value": [2, 20]},
                "min_samples_leaf": {"_type": "int_uniform", "_value": [1, 20]},
                "bootstrap": choice(True, False),
                "random_state": 42,
            },
            "KNeighborsClassifier": {
                "n_neighbors": {"_type": "int_loguniform", "_value": [1, 100], "_default": 3},
                "weights": choice("uniform", "distance"),
                "p": choice(1, 2),
            },
        }
    }
