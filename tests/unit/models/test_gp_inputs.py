"""How a Gaussian process sees rows."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.models.gp_inputs import Inputs
from bandmaster.space import Categorical, Condition, Constant, Equals, Float, Ordinal, Space

SPACE = Space(
    [
        Constant("version", 1),
        Categorical("model", ("a", "b", "c")),
        Float("x", 1, 100, log=True),
        Ordinal("size", ("s", "m", "l", "xl")),
        Categorical("kind", (1, 2)),
    ],
    conditions=[Condition("x", Equals("model", "a")), Condition("kind", Equals("model", "b"))],
)


def _squared(one: dict[str, object], other: dict[str, object]) -> float:
    features = Inputs(SPACE).features(SPACE.encode([one, other]))
    return float(((features[0] - features[1]) ** 2).sum())


def test_distances() -> None:
    """Numbers differ on their own scale, ordinals in steps, choices by 1, constants never."""
    a = {"version": 1, "model": "a", "x": 10.0, "size": "s"}
    assert 0.25 == pytest.approx(_squared(a, {**a, "x": 100.0}))
    assert 1 / 16 == pytest.approx(_squared(a, {**a, "size": "m"}))
    b = {"version": 1, "model": "b", "size": "s", "kind": 1}
    assert 1.0 == pytest.approx(_squared(b, {**b, "kind": 2}))
    inputs = Inputs(SPACE)
    assert 4 == inputs.n_groups
    assert [2, 3] == inputs.numbers.tolist()
    assert [0, 1, 2, 2, 2, 3, 3] == inputs.groups.tolist()


def test_rows_that_lack_a_parameter_are_alike_in_it() -> None:
    """Two rows without a parameter do not differ in it; from all its values they are as far."""
    b = {"version": 1, "model": "b", "size": "s", "kind": 1}
    c = {"version": 1, "model": "c", "size": "s"}
    a = {"version": 1, "model": "a", "size": "s", "x": 10.0}
    assert 1 + 0.5 == pytest.approx(_squared(b, c))
    assert _squared({**b, "kind": 2}, c) == pytest.approx(_squared(b, c))
    assert 1.0 == pytest.approx(_squared(a, c))


def test_gradient_by_columns() -> None:
    """A gradient by features becomes one by the codes of numbers and ordinals."""
    gradient = Inputs(SPACE).by_numbers(np.ones((1, 7)))
    assert [[1.0, 0.25]] == gradient.tolist()
