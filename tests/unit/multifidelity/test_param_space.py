"""With what members begin, and the search space of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from bandmaster.core.decisions import New
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity import (
    PBTIterGenerator,
    choice,
    grid_search,
    int_uniform,
    loguniform,
    ordinal,
    qloguniform,
    sample_from,
    uniform,
)
from bandmaster.multifidelity.mutations import read_mutations
from bandmaster.multifidelity.param_space import ParamSpace
from bandmaster.space import Categorical, Constant, Float, Integer, Ordinal, Space, compile_space


def members(
    entries: Mapping[str, Any],
    mutations: Mapping[str, Any] | None = None,
    seed: int = 0,
    n: int = 0,
) -> list[dict[str, Any]]:
    space = ParamSpace(entries, read_mutations(mutations) if mutations else {})
    return [space.config(number, Key(seed, number)) for number in range(n or space.size)]


def space_of(
    entries: Mapping[str, Any] | None, mutations: Mapping[str, Any] | None = None, **options: Any
) -> Space:
    generator = PBTIterGenerator(4, param_space=entries, hyperparam_mutations=mutations, **options)
    space = generator.search_space()
    assert space is not None
    return space


def test_the_population_of_the_guide() -> None:
    """Trial 0 has h = [0, 1] since the grid lists h0 = 0 first."""
    entries = {
        "lr": 0.05, "h0": grid_search([0.0, 1.0]),
        "h1": sample_from(lambda spec: 1.0 - spec.config["h0"]),
        "num_training_iterations": 100,
    }  # fmt: skip
    same = {"lr": 0.05, "num_training_iterations": 100}
    assert [{"h0": 0.0, "h1": 1.0, **same}, {"h0": 1.0, "h1": 0.0, **same}] == members(entries)
    mutations = {
        "lr": qloguniform(5e-3, 1e-1, 5e-4), "h0": uniform(0.0, 1.0), "h1": uniform(0.0, 1.0),
    }  # fmt: skip
    assert (
        Float("lr", 0.005, 0.1, log=True, q=0.0005), Float("h0", 0, 1), Float("h1", 0, 1),
        Constant("num_training_iterations", 100),
    ) == space_of(entries, mutations).parameters  # fmt: skip


def test_grids_are_crossed_the_last_one_fastest() -> None:
    """And run through again for more samples."""
    entries = {"a": grid_search([1, 2]), "b": grid_search("xy")}
    crossed = [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    assert crossed * 2 == [(m["a"], m["b"]) for m in members(entries, n=8)]


def test_what_is_drawn_is_named_by_seed_and_member() -> None:
    """Others do not change it, nor do entries that are not drawn."""
    entries = {"a": uniform(0, 1), "b": int_uniform(1, 9)}
    assert members(entries, n=5) == members(entries, n=9)[:5]
    assert members(entries, n=5) != members(entries, seed=1, n=5)
    assert 5 == len({m["a"] for m in members(entries, n=5)})


def test_functions_see_what_is_resolved_in_any_order() -> None:
    """Also each other, nested as the entries are; a value that is drawn is the member's."""
    entries = {
        "total": sample_from(lambda c: c["net"]["width"] * c["depth"]),
        "net": {"width": sample_from(lambda c: 2 * c["depth"]), "act": choice(["relu", "tanh"])},
        "depth": int_uniform(1, 9),
        "names": sample_from(lambda c: sorted(c["net"])),
    }
    for member in members(entries, n=10):
        depth = member["depth"]
        assert (2 * depth, 2 * depth * depth) == (member["net:width"], member["total"])
        assert ["act", "width"] == member["names"]
        assert list(member) == ["total", "net:width", "net:act", "depth", "names"]


def test_a_ring_of_functions_is_refused() -> None:
    """With its path."""
    entries = {"a": sample_from(lambda c: c["b"]), "b": sample_from(lambda c: c["a"])}
    with pytest.raises(ConfigurationError, match="a → b → a"):
        members(entries, n=1)


def test_what_is_mutated_and_not_there_is_drawn() -> None:
    """By its mutation, whatever that is."""
    mutations = {"a": uniform(5, 6), "b": [1, 2], "c": lambda: "called"}
    (member,) = members({"z": 1}, mutations)
    assert 5 <= member["a"] <= 6
    assert member["b"] in (1, 2)
    assert "called" == member["c"]


def test_values_have_the_type_of_their_parameter() -> None:
    """Also numpy's, and what functions compute."""
    entries = {"a": 1, "b": sample_from(lambda c: np.float64(3)), "c": grid_search(np.arange(2))}
    first, second = members(entries, {"a": uniform(0, 2), "b": int_uniform(1, 9)})
    assert {"a": 1.0, "b": 3, "c": 0} == first
    assert [float, int, int] == [type(second[name]) for name in "abc"]


@pytest.mark.parametrize(
    ("begins", "mutation", "expected"),
    [
        (0.5, uniform(0, 1), Float("x", 0, 1)),
        (2.0, uniform(0, 1), Float("x", 0, 2)),
        (grid_search([-1, 0.5]), loguniform(0.1, 1), Float("x", -1, 1)),
        (0.05, loguniform(0.1, 1), Float("x", 0.05, 1, log=True)),
        (uniform(0, 3), uniform(1, 2), Float("x", 0, 3)),
        (uniform(1, 2), uniform(0, 3), Float("x", 0, 3)),
        (int_uniform(1, 3), int_uniform(2, 9), Integer("x", 1, 9)),
        (12, int_uniform(2, 9), Integer("x", 2, 12)),
        (2.5, int_uniform(2, 9), Float("x", 2, 9)),
        (16, [16, 32], Ordinal("x", [16, 32])),
        (grid_search([8, 16]), [16, 32], Ordinal("x", [8, 16, 32])),
        ("a", choice("bc"), Categorical("x", ["b", "c", "a"])),
        (choice("ab"), choice("bc"), Categorical("x", ["b", "c", "a"])),
        (uniform(0, 1), lambda: 0.5, Float("x", 0, 1)),
        (sample_from(lambda c: 7.0), uniform(0, 1), Float("x", 0, 7)),
        (3, None, Constant("x", 3)),
        (grid_search([3]), None, Constant("x", 3)),
        (grid_search([3, 4, 3]), None, Categorical("x", [3, 4])),
        (ordinal([1, 2]), None, Ordinal("x", [1, 2])),
        (sample_from(lambda c: "s"), None, Constant("x", "s")),
    ],
)  # fmt: skip
def test_the_space_has_all_that_members_may_come_to(
    begins: Any, mutation: Any, expected: Any
) -> None:
    """The bounds are the mutation's, widened to what members begin with."""
    mutations = None if mutation is None else {"x": mutation}
    assert (expected,) == space_of({"x": begins}, mutations).parameters


def test_what_nothing_says_is_asked_for() -> None:
    """The range of a function's mutation, or of what is computed from what is drawn."""
    with pytest.raises(ConfigurationError, match="nothing says what values 'x'"):
        space_of({"x": 3}, {"x": lambda: 3})
    entries = {"a": uniform(0, 1), "x": sample_from(lambda c: 2 * c["a"])}
    with pytest.raises(ConfigurationError, match="domain=uniform"):
        space_of(entries)
    entries["x"] = sample_from(lambda c: 2 * c["a"], domain=uniform(0, 2))
    assert Float("x", 0, 2) == space_of(entries).parameters[1]
    with pytest.raises(ConfigurationError, match="its mutation has numbers"):
        space_of({"x": "a"}, {"x": uniform(0, 1)})


def test_a_space_of_mutations_alone() -> None:
    """Without param_space the optimizer proposes in it; without both there is none."""
    assert (Float("x", 0, 1),) == space_of(None, {"x": uniform(0, 1)}).parameters
    assert PBTIterGenerator(4).search_space() is None


def test_without_bounds_members_begin_by_their_mutations() -> None:
    """Where the space has no bounds no optimizer is asked; in one that has them it is."""
    unbounded = PBTIterGenerator(4, hyperparam_mutations={"x": uniform(0, 1)}, clip=False)
    unbounded.plan(1)
    unbounded.space = unbounded.search_space()
    action = unbounded.next()
    assert isinstance(action, New)
    assert isinstance(action.source, dict)
    assert 0 <= action.source["x"] <= 1
    unbounded.space = compile_space({"x": uniform(0, 1), "y": uniform(0, 1)})
    assert New(4, "model") == unbounded.next()


def test_without_clip_there_are_no_bounds() -> None:
    """The space takes what multiplying may come to; what is not mutated keeps its values."""
    entries = {"x": 0.5, "n": 3, "k": "kept"}
    space = space_of(entries, {"x": uniform(0, 1), "n": int_uniform(1, 9)}, clip=False)
    space.validate({"x": 1e30, "n": 10**6, "k": "kept"})
