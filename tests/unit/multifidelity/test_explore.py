"""What exploring makes of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity import (
    choice,
    int_quniform,
    int_uniform,
    loguniform,
    ordinal,
    qloguniform,
    quniform,
    uniform,
)
from bandmaster.multifidelity.explore import Explorer
from bandmaster.multifidelity.mutations import read_mutations
from bandmaster.space import Space, compile_space


def explore(
    mutations: Mapping[str, Any] | None,
    config: Mapping[str, Any],
    *,
    resample: float = 0.0,
    clip: bool = True,
    space: Space | None = None,
    custom: Any = None,
    factors: tuple[float, ...] = (1.2, 0.8),
    n: int = 40,
) -> list[dict[str, Any]]:
    """Return `n` explored configurations."""
    explorer = Explorer(
        None if mutations is None else read_mutations(mutations), resample_probability=resample,
        factors=factors, custom=custom, clip=clip, space=space,
    )  # fmt: skip
    return [explorer(config, np.random.default_rng(seed)) for seed in range(n)]


def values(configs: list[dict[str, Any]], name: str = "x") -> set[Any]:
    return {config[name] for config in configs}


EVERYTHING = {
    "u": uniform(-1, 2),
    "l": loguniform(1e-4, 1),
    "q": quniform(0.1, 0.75, 0.05),
    "ql": qloguniform(5e-3, 1e-1, 5e-4),
    "i": int_uniform(1, 9),
    "iq": int_quniform(8, 64, 8),
    "c": choice(["a", 1, None, [1, 2]]),
    "o": ordinal([1, 10, 100]),
    "deep": {"er": uniform(0, 1)},
}


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**31), resample=st.sampled_from([0.0, 0.3, 1.0]))
def test_values_stay_legal_and_of_their_type(seed: int, resample: float) -> None:
    """Whatever is explored, over and over, every value is one of its parameter, and a whole number
    stays a whole number."""
    space = compile_space(EVERYTHING)
    for mutations in (EVERYTHING, None):
        rng = np.random.default_rng(seed)
        explorer = Explorer(
            None if mutations is None else read_mutations(mutations),
            resample_probability=resample, factors=(1.2, 0.8, 3.0), custom=None, clip=True,
            space=space,
        )  # fmt: skip
        config = space.sample_configs(1, rng)[0]
        for _ in range(20):
            explored = explorer(config, rng)
            space.validate(explored)
            assert list(config) == list(explored)
            assert [type(config[n]) for n in "ulqi"] == [type(explored[n]) for n in "ulqi"]
            config = explored


def test_numbers_take_a_factor() -> None:
    """Continuous values times 1.2 or 0.8, cut off at the bounds."""
    assert {0.6, 0.4} == values(explore({"x": uniform(0, 1)}, {"x": 0.5}))
    assert {1.0, 0.75} == values(explore({"x": uniform(0, 1)}, {"x": 0.9375}))
    assert {1.0} == values(explore({"x": uniform(0, 1)}, {"x": 0.5}, factors=(2.0,)))


def test_on_a_grid_a_step_is_at_least_the_neighbour() -> None:
    """So small whole numbers do not stay what they are for ever; at a bound they may."""
    assert {1, 3} == values(explore({"x": int_uniform(1, 9)}, {"x": 2}))
    assert {1, 2} == values(explore({"x": int_uniform(1, 9)}, {"x": 1}))
    assert {8, 24} == values(explore({"x": int_quniform(8, 64, 8)}, {"x": 16}))
    assert {0.1, 0.3} == values(explore({"x": quniform(0.1, 0.7, 0.1)}, {"x": 0.2}))


def test_lists_go_to_a_neighbour() -> None:
    """At an end they may stay; what is not in the list is drawn."""
    powers = {"x": [16, 32, 64, 128]}
    assert {16, 64} == values(explore(powers, {"x": 32}))
    assert {64, 128} == values(explore(powers, {"x": 128}))
    assert {16, 64} == values(explore(powers, {"x": 32.0}))
    assert {16, 32, 64, 128} == values(explore(powers, {"x": 5}))
    assert {1, 100} == values(explore({"x": ordinal([1, 10, 100])}, {"x": 10}))


def test_choices_without_an_order_stay_or_are_drawn() -> None:
    """There is no neighbour to go to."""
    assert {"b"} == values(explore({"x": choice("abc")}, {"x": "b"}))
    assert {"a", "b", "c"} == values(explore({"x": choice("abc")}, {"x": "b"}, resample=1.0))


def test_functions_are_called_to_draw() -> None:
    """Numbers that came from a function take a factor otherwise; other values are drawn."""
    assert {7} == values(explore({"x": lambda: 7}, {"x": 10}, resample=1.0))
    assert {12, 8} == values(explore({"x": lambda: 7}, {"x": 10}))
    assert {"z"} == values(explore({"x": lambda: "z"}, {"x": "y"}))
    assert {7} == values(explore({"x": lambda: np.int64(7)}, {"x": 10}, resample=1.0))


def test_a_function_keeps_the_bounds_of_the_space() -> None:
    """What it returns, and what is stepped to, is cut off where the study's space ends."""
    space = compile_space({"x": int_uniform(1, 11)})
    assert {11} == values(explore({"x": lambda: 99}, {"x": 10}, resample=1.0, space=space))
    assert {11, 8} == values(explore({"x": lambda: 99}, {"x": 10}, space=space))


def test_without_clip_nothing_is_cut_off() -> None:
    """Numbers are multiplied whatever comes out, whole ones cut to whole numbers."""
    assert {1.2, 0.8} == values(explore({"x": uniform(0, 1)}, {"x": 1.0}, clip=False))
    assert {2, 1} == values(explore({"x": int_uniform(1, 2)}, {"x": 2}, clip=False))
    assert {13, 8} == values(explore({"x": int_uniform(1, 11)}, {"x": 11}, clip=False))


def test_a_custom_function_has_the_last_word_within_the_bounds() -> None:
    """It gets what was explored; what it returns is brought into the space."""
    space = compile_space({"x": uniform(0, 1), "y": int_uniform(0, 5)})

    def custom(config: dict[str, Any]) -> dict[str, Any]:
        assert config["x"] in (0.6, 0.4)
        return {"x": config["x"] * 10, "y": 2.7}

    explored = explore({"x": uniform(0, 1)}, {"x": 0.5, "y": 3}, custom=custom, space=space)
    assert [{"x": 1.0, "y": 3}] * 40 == explored
    with pytest.raises(ConfigurationError, match="must return"):
        explore({"x": uniform(0, 1)}, {"x": 0.5}, custom=lambda config: None)


def test_a_custom_function_may_do_it_all() -> None:
    """With mutations that are empty it gets the donor's configuration as it is."""
    explored = explore({}, {"x": 0.5}, custom=lambda config: {"x": config["x"] / 2})
    assert [{"x": 0.25}] * 40 == explored


def test_a_new_choice_brings_its_parameters() -> None:
    """When a choice changes, what it makes active is drawn and what it makes inactive goes."""
    space = compile_space({
        "model(choice)": {
            "svm": {"C": loguniform(1e-3, 1e3)},
            "tree": {"depth": int_uniform(1, 20)},
        }
    })  # fmt: skip
    config = {"model:__choice__": "svm", "model:svm:C": 1.0}
    explored = explore(None, config, resample=1.0, space=space)
    for one in explored:
        space.validate(one)
    assert {"svm", "tree"} == values(explored, "model:__choice__")
    depths = [one["model:tree:depth"] for one in explored if "model:tree:depth" in one]
    assert len(set(depths)) > 3


def test_forbidden_configurations_are_not_explored() -> None:
    """Others are tried; where all are forbidden the configuration stays."""
    space = compile_space({
        "x": ordinal([1, 2, 3]), "y": ordinal([1, 2, 3]),
        "__forbidden": [{"x": 3}, {"x": 1, "y": 1}],
    })  # fmt: skip
    explored = explore(None, {"x": 2, "y": 2}, space=space)
    assert {(1, 3)} == {(one["x"], one["y"]) for one in explored}
    never = compile_space({"x": ordinal([1, 2, 3]), "__forbidden": [{"x": [1, 3]}]})
    assert {2} == values(explore(None, {"x": 2}, space=never, n=5))


def test_the_space_must_have_what_is_mutated() -> None:
    """A name that it has not is said, with those that it has."""
    with pytest.raises(ConfigurationError, match=r"names 'y'.* it has x"):
        explore({"y": uniform(0, 1)}, {"x": 1}, space=compile_space({"x": uniform(0, 1)}))
