"""Configurations become columns of numbers whatever they hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bandmaster.errors import ConfigurationError
from bandmaster.space import Categorical, Constant, Float, Integer, compile_space
from bandmaster.study.parameter_table import ParameterTable
from bandmaster.testing.histories import make_evaluation


def _table(*configs, space=None):
    return ParameterTable.of([make_evaluation(i, config=c) for i, c in enumerate(configs)], space)


def test_codes_are_the_spaces():
    """As `Space.encode` gives them, NaN where a parameter is inactive."""
    space = compile_space(
        {
            "rate": {"_type": "loguniform", "_value": [1e-4, 1.0]},
            "m(choice)": {"a": {"n": {"_type": "int_uniform", "_value": [1, 9]}}, "b": {}},
        }
    )
    configs = space.sample_configs(20, np.random.default_rng(0))
    np.testing.assert_array_equal(space.encode(configs), _table(*configs, space=space).codes)
    assert space.names == _table(space=space).names


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 5, 3], Integer("p", 1, 5)),
        ([1, 5000, 3], Integer("p", 1, 5000, log=True)),
        ([0.5, 2, 1], Float("p", 0.5, 2)),
        ([1e-4, 1.0], Float("p", 1e-4, 1.0, log=True)),
        ([-1e-4, 1.0], Float("p", -1e-4, 1.0)),
        ([True, False], Categorical("p", [False, True])),
        (["b", "a", "b"], Categorical("p", ["a", "b"])),
        ([None, "a", 1], Categorical("p", [None, 1, "a"])),
        ([[1, 2], [3]], Categorical("p", [[1, 2], [3]])),
        ([2.5, 2.5], Constant("p", 2.5)),
        ([1.0, math.inf], Categorical("p", [1.0, math.inf])),
        ([1, 10**400], Categorical("p", [1, 10**400])),
        ([-(10**400), 0.5], Categorical("p", [-(10**400), 0.5])),
        ([10**400], Constant("p", 10**400)),
    ],
)
def test_without_a_space_a_parameter_is_guessed(values, expected):
    """By the types and the range of its values."""
    table = _table(*({"p": value} for value in values), {})
    column, codes = table["p"]
    given = column.parameter
    if isinstance(expected, Categorical):
        assert sorted(map(repr, expected.choices)) == sorted(map(repr, given.choices))
    else:
        assert expected == given
    assert math.isnan(codes[-1])
    assert not np.isnan(codes[:-1]).any()
    assert (() if isinstance(expected, Constant) else ("p",)) == table.searched


def test_a_parameter_beyond_the_space_is_added():
    """And a value that is not legal in it counts as inactive."""
    space = compile_space({"x": {"_type": "uniform", "_value": [0, 1]}})
    table = _table({"x": 0.5, "y": 1}, {"x": 7.0, "y": 2}, space=space)
    assert ("x", "y") == table.names
    assert [0.5, pytest.approx(math.nan, nan_ok=True)] == table["x"][1].tolist()


def test_an_unknown_parameter_is_named():
    """With the one that was meant, or all."""
    with pytest.raises(ConfigurationError, match="did you mean 'rate'"):
        _table({"rate": 1, "x": 2})["rtae"]
    with pytest.raises(ConfigurationError, match="there are rate, x"):
        _table({"rate": 1, "x": 2})["?"]
