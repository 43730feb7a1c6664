"""What a generator is given is looked at when it is made: nothing of the wrong type goes in."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

from bandmaster import multifidelity
from bandmaster.checkpoints import Keep
from bandmaster.errors import ConfigurationError, SpaceError
from bandmaster.multifidelity import ASHAIterGenerator, PBTIterGenerator, grid_search, uniform

GIVEN: dict[str, Any] = {
    "min_budget": 1, "max_budget": 9, "budget": 9, "num_configs_list": [3, 1],
    "budgets_list": [1, 3], "perturbation_interval": 4, "hyperparam_mutations": {"x": [1, 2]},
}  # fmt: skip
WRONG: dict[str, Any] = {
    "text": "x", "empty": "", "bytes": b"x", "negative": -1, "nan": float("nan"),
    "infinite": float("inf"), "huge": 10**400, "complex": 1j, "list": [1, "a"], "dict": {"a": None},
    "number keys": {1: 2}, "object": object(), "class": int, "function": print,
    "array": np.array([1, 2]), "set": {1}, "grid": grid_search([1, 2]),
    "HDL": {"x": {"_type": "nope", "_value": [1]}}, "bad stop": {"training_iteration": "x"},
}  # fmt: skip
CLASSES = [
    getattr(multifidelity, name)
    for name in multifidelity.__all__
    if name.endswith("IterGenerator") and name != "IterGenerator"
]


@pytest.mark.parametrize("cls", CLASSES)
def test_options_of_any_type_are_taken_or_refused(cls: Any) -> None:
    """No TypeError, no AttributeError, no OverflowError: an error of ours, or a generator."""
    parameters = inspect.signature(cls).parameters
    given = {
        name: GIVEN[name]
        for name, p in parameters.items()
        if p.default is p.empty or name == "hyperparam_mutations"
    }
    cls(**given)
    refused: list[str] = []
    for name in parameters:
        for value in WRONG.values():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of intervals, which are none of this
                    generator = cls(**{**given, name: value})
                repr(generator)
                generator.get_table()
                generator.search_space()
            except (ConfigurationError, SpaceError) as error:
                refused.append(str(error))
    assert all(len(text) > 15 for text in refused)
    assert len(refused) > 8 * len(parameters)


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (PBTIterGenerator, "synch"),
        (PBTIterGenerator, "clip"),
        (PBTIterGenerator, "require_attrs"),
        (ASHAIterGenerator, "delayed"),
        (multifidelity.HyperBandIterGenerator, "SH_only"),
    ],
)
def test_a_flag_is_true_or_false(cls: Any, name: str) -> None:
    """Text would count as True, whatever it says; numpy's flags will do."""
    given = {"min_budget": 1, "max_budget": 9}
    if cls is PBTIterGenerator:
        given = {"perturbation_interval": 4}
    with pytest.raises(ConfigurationError, match=f"{name} is True or False, got 'no'"):
        cls(**given, **{name: "no"})
    assert repr(cls(**given, **{name: True})) == repr(cls(**given, **{name: np.True_}))


@pytest.mark.parametrize("factors", [None, 1.2, "12", {"up": 1.2}, (), (1.2, "x"), (0,)])
def test_factors_are_a_sequence_of_numbers(factors: Any) -> None:
    """One number is none."""
    with pytest.raises(ConfigurationError, match="perturbation_factors"):
        PBTIterGenerator(4, hyperparam_mutations={"x": uniform(0, 1)}, perturbation_factors=factors)


def test_what_is_kept_is_said_in_the_right_types() -> None:
    """Whole numbers and a flag; nothing at all may be kept, too."""
    assert (0, 0, False) == (Keep(best=0).best, Keep(best=0).last, Keep(best=0).all)
    for wrong in ({"all": 1}, {"all": "no"}, {"best": True}, {"last": None}, {"best": np.int64(2)}):
        with pytest.raises(ConfigurationError, match=r"whole number|True or False"):
            Keep(**wrong)  # type: ignore[arg-type]  # what a user may do
