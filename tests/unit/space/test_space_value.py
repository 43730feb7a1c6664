"""Rules of the space as a value: stored form, equality, counting, listing, lazy imports."""

from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from itertools import islice
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bandmaster.space as package
from bandmaster.errors import SpaceError
from bandmaster.space import (
    And,
    Beta,
    Categorical,
    Condition,
    Constant,
    Equals,
    Float,
    Forbidden,
    GreaterThan,
    In,
    Integer,
    NotEquals,
    Or,
    Ordinal,
    Relation,
    Space,
)
from bandmaster.testing.spaces import spaces

GOLDEN = Path(__file__).parents[2] / "golden" / "space" / "space_v1.json"
few = settings(max_examples=40, deadline=None)


def golden_space():
    """Everything that the stored form can say."""
    return Space(
        [
            Categorical("c", [1, "1", True, None, 0.5], weights=[1, 2, 0, 1, 1], default=None),
            Ordinal("o", ["s", (1, 2), [3], {"a": 1}, {"__tuple__": []}, float("inf")]),
            Float("f", 1e-3, 10, log=True, default=0.5, meta={"unit": "m"}),
            Float("q", -1, 1, q=0.1, default=0.0),
            Float("b", 0, 1, distribution=Beta(2, 3)),
            Integer("i", 0, 2**40, default=0),
            Integer("l", 1, 64, q=3, log=True),
            Constant("k", False),
        ],
        conditions=[
            Condition("f", And(In("c", (1, "1")), Or(NotEquals("o", [3]), GreaterThan("i", 5)))),
            Condition("q", Equals("k", False)),
        ],
        forbidden=[Forbidden(Relation("f", "<", "q")), Forbidden(Equals("l", 4))],
        name="golden",
        meta={"a": [1, None]},
    )


def test_golden_dict():
    """The stored form of version 1 does not change, and neither does the fingerprint."""
    stored = json.loads(GOLDEN.read_text())
    space = golden_space()
    assert stored["space"] == space.to_dict()
    assert stored["fingerprint"] == space.fingerprint()
    assert space == Space.from_dict(stored["space"])


@given(spaces())
@few
def test_stored_spaces_come_back(space):
    """A space survives JSON, msgpack and pickling, with its hash, fingerprint and values."""
    data = space.to_dict()
    for copy in (
        Space.from_dict(json.loads(json.dumps(data, allow_nan=False))),
        Space.from_dict(msgpack.unpackb(msgpack.packb(data))),
        pickle.loads(pickle.dumps(space)),
    ):
        assert (space, hash(space)) == (copy, hash(copy))
        assert repr(space.parameters) == repr(copy.parameters)
        assert space.default_config() == copy.default_config()


def test_equality_tells_types_apart():
    """Spaces with 1 and with True as a choice are two spaces, though Python calls these equal."""
    assert Space([Categorical("c", [1, 2])]) != Space([Categorical("c", [True, 2])])
    assert Space([Constant("c", 1)]) != Space([Constant("c", 1.0)])
    assert Space([Constant("c", 1)]) != 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "x"}, "not a stored space"),
        ({"version": 2}, "stored in version 2; this release reads version 1"),
        ({"parameters": [{"type": "odd", "name": "x"}]}, "unknown type 'odd'"),
        ({"parameters": [{"type": "float"}]}, "damaged: KeyError"),
        ({"conditions": [{"child": "i", "when": ["xor"]}]}, "unknown word"),
        ({"parameters": 3}, "damaged"),
    ],
)
def test_damaged_data_is_refused(change, message):
    """Data that are no space of this version raise a SpaceError that says why."""
    data = Space([Integer("i", 0, 1)]).to_dict()
    with pytest.raises(SpaceError, match=message):
        Space.from_dict({**data, **change})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"parameters": []}, "at least one parameter"),
        ({"parameters": [3]}, "3 is a int, not a parameter"),
        ({"parameters": [Integer("i", 0, 1)] * 2}, "two parameters are called 'i'"),
        ({"conditions": [Condition("x", Equals("i", 0))]}, "no parameter 'x'"),
        ({"conditions": [Condition("i", Equals("x", 0))]}, "no parameter 'x'"),
        ({"conditions": [Condition("i", Equals("i", 0))]}, "of i form a cycle"),
        ({"forbidden": [Forbidden(Equals("x", 0))]}, "x == 0: there is no parameter 'x'"),
        ({"forbidden": [Forbidden(Equals("i", 7))]}, "i == 7: parameter 'i': 7 .int. is not legal"),
        ({"forbidden": [Equals("i", 0)]}, "not a Forbidden clause"),
    ],
)
def test_malformed_spaces_are_refused(parts, message):
    """A space that contradicts itself raises when it is made."""
    with pytest.raises(SpaceError, match=message):
        Space(**{"parameters": [Integer("i", 0, 1)], **parts})


@given(spaces(finite=True, max_parameters=5))
@few
def test_counting_equals_listing(space):
    """A finite space lists every legal configuration once, and counts as many."""
    bare = Space(space.parameters, conditions=space.conditions)
    assume(bare.n_configurations <= 4000)
    rows = list(space.enumerate())
    assert len(rows) == space.n_configurations
    listed = space.decode(np.array(rows))
    assert len({repr(config) for config in listed}) == len(rows)
    assert space.legal(np.array(rows)).all()
    assert len(list(bare.enumerate())) == bare.n_configurations
    drawn = space.sample_configs(20, np.random.default_rng(0))
    assert {repr(config) for config in drawn} <= {repr(config) for config in listed}


def test_counts():
    """Conditions count: options are added, what is independent is multiplied."""
    model = Categorical("m", ["a", "b", "c"])
    inner = [Condition("x", Equals("m", "a")), Condition("y", In("m", ("b", "c")))]
    space = Space(
        [model, Integer("x", 1, 10), Integer("y", 1, 5), Integer("z", 1, 4)], conditions=inner
    )
    assert (10 + 5 + 5) * 4 == space.n_configurations
    many = Space([Integer(f"i{j}", 0, 9) for j in range(30)])
    assert 10**30 == many.n_configurations
    assert math.inf == Space([Float("f", 0, 1)]).n_configurations
    never = [Condition("f", And(Equals("m", "a"), Equals("m", "b")))]
    assert 3 == Space([model, Float("f", 0, 1)], conditions=never).n_configurations


def test_a_large_space_lists_lazily():
    """Listing starts at once, however many there are, and stops at the limit."""
    space = Space([Integer(f"i{j}", 0, 999) for j in range(10)])
    assert 5 == len(list(space.enumerate(5)))
    assert [0, 1, 2] == [space.decode_one(r)["i9"] for r in islice(space.enumerate(), 3)]


def test_listing_with_a_resolution():
    """A resolution lists evenly spread values of every number, and all choices."""
    space = Space([Float("f", 0, 1), Integer("i", 0, 100), Categorical("c", ["a", "b", "c", "d"])])
    with pytest.raises(SpaceError, match="'f' is continuous"):
        space.enumerate()
    configs = space.decode(list(space.enumerate(resolution=3)))
    assert 3 * 3 * 4 == len(configs)
    assert {0.0, 0.5, 1.0} == {c["f"] for c in configs}
    assert {0, 50, 100} == {c["i"] for c in configs}
    assert [{"f": 0.5, "i": 50, "c": "a"}] == space.decode(list(space.enumerate(1, resolution=1)))


@given(spaces())
@few
def test_arrays_describe_the_columns(space):
    """The arrays that optimizers read agree with the parameters, and cannot be written."""
    for j, parameter in enumerate(space.parameters):
        assert isinstance(parameter, Categorical) == space.is_categorical[j]
        assert isinstance(parameter, Integer) == space.is_integer[j]
        assert isinstance(parameter, (Integer, Float)) == (space.n_choices[j] == 0)
        assert float(parameter.n_values) == space.n_values[j]
        assert getattr(parameter, "log", False) == space.is_log[j]
        assert any(c.child == parameter.name for c in space.conditions) == space.is_conditional[j]
    with pytest.raises(ValueError, match="read-only"):
        space.defaults[0] = 1


def test_repr_is_a_table():
    """The repr shows kinds, ranges, defaults and conditions."""
    text = repr(golden_space())
    assert text.startswith("Space 'golden' of 8 parameters")
    assert "0.001 .. 10.0, log" in text
    assert "forbidden: f < q" in text
    assert all(line == line.rstrip() for line in text.splitlines())


@given(st.sampled_from(package.__all__))
def test_every_public_name_is_there(name):
    """The package gives every name it lists, and lists them sorted."""
    assert getattr(package, name) is not None
    assert sorted(package.__all__) == package.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import bandmaster.space", ["numpy", "scipy", "ConfigSpace", "pandas"]),
        ("from bandmaster.space import layering_config as f; f({})", ["numpy", "ConfigSpace"]),
        (
            "from bandmaster.space import compile_space as f; f({'a': 1}).to_dict()",
            ["scipy", "ConfigSpace", "pandas", "yaml"],
        ),
    ],
)
def test_imports_are_light(code, absent):
    """The package loads only what is used: no ConfigSpace, SciPy or pandas for an HDL."""
    check = f"{code}\nimport sys\nprint([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
