"""Other branches than the best configuration's are searched, each for its own best."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from bandmaster.optimizers import ETPEOptimizer, ForestOptimizer, GPOptimizer, Optimizer
from bandmaster.optimizers.branches import Branch, Branches
from bandmaster.space import Space, compile_space
from bandmaster.testing.driver import Driver

UNIT = {"_type": "uniform", "_value": [0, 1]}
NESTED = {
    "a(choice)": {
        "x": {"x": UNIT, "b(choice)": {"p": {"p": UNIT}, "q": {}}},
        "y": {"y": UNIT},
        "z": {},
    },
    "c": {"_type": "choice", "_value": ["1", "2", "3"]},
}
A, B = "a:__choice__", "a:x:b:__choice__"


def branches(space: Space, best: dict[str, Any], n: int = 400) -> Counter[tuple[str, Any] | None]:
    """Return how often which was chosen, of `n` times."""
    chooser, rng = Branches(space), np.random.default_rng(1)
    row = space.encode_one(best)
    found: Counter[tuple[str, Any] | None] = Counter()
    for _ in range(n):
        branch = chooser.another(row, 25, rng)
        if branch is None:
            found[None] += 1
        else:
            parameter = space.parameters[branch.column]
            found[parameter.name, parameter.choices[branch.value]] += 1
    return found


def test_other_values_of_choices_that_decide_have_the_same_chance() -> None:
    """A choice that switches nothing on or off is none of them."""
    space = compile_space(NESTED)
    found = branches(space, {A: "y", "a:y:y": 0.5, "c": "2"})
    assert {None, (A, "x"), (A, "z")} == set(found)
    assert 230 < found[None] < 300
    assert 45 < found[A, "x"] < 95


def test_choices_that_are_active_where_the_best_is_take_part() -> None:
    """A nested choice is one of them in its own branch only."""
    space = compile_space(NESTED)
    found = branches(space, {A: "x", "a:x:x": 0.5, B: "q", "c": "2"})
    assert {None, (A, "y"), (A, "z"), (B, "p")} == set(found)
    assert found[B, "p"] > found[A, "y"]


def test_values_without_weight_are_no_branches() -> None:
    """What can never be drawn is not searched."""
    space = compile_space(
        {"a(choice)": {"__weights": {"x": 1, "y": 1, "z": 0}, "x": {"x": UNIT}, "y": {}, "z": {}}}
    )
    assert {None, (A, "y")} == set(branches(space, {A: "x", "a:x:x": 0.5}))
    only = compile_space({"a(choice)": {"__weights": {"x": 1, "y": 0}, "x": {"x": UNIT}, "y": {}}})
    assert {None} == set(branches(only, {A: "x", "a:x:x": 0.5}))


def test_nothing_is_drawn_where_there_are_no_branches() -> None:
    """Proposals in a space without conditions are what they would be anyway."""
    space = compile_space({"x": UNIT, "c": NESTED["c"]})
    rng = np.random.default_rng(0)
    assert Branches(space).another(space.encode_one({"x": 0.5, "c": "1"}), 25, rng) is None
    assert np.random.default_rng(0).random() == rng.random()


def test_a_search_begins_without_branches() -> None:
    """While few trials are known no branch is chosen, and nothing is drawn."""
    space = compile_space(NESTED)
    best = space.encode_one({A: "y", "a:y:y": 0.5, "c": "2"})
    rng = np.random.default_rng(0)
    assert [None] * 50 == [Branches(space).another(best, 24, rng) for _ in range(50)]
    assert np.random.default_rng(0).random() == rng.random()


def test_a_branch_knows_its_rows() -> None:
    """A row in which the choice is not active is outside."""
    rows = np.array([[0.0, 1.0], [1.0, np.nan], [1.0, 0.0]])
    assert [False, True, True] == Branch(0, 1).holds(rows).tolist()
    assert [True, False, False] == Branch(1, 1).holds(rows).tolist()


TRAP = {
    "kind(choice)": {
        "easy": {"e": UNIT},
        "hard": {f"h{i}": UNIT for i in range(3)},
        "hopeless": {"o": UNIT},
    }
}
KIND = "kind:__choice__"


def trap(config: dict[str, Any]) -> float:
    """Almost every `easy` one is better than almost every `hard` one; the best is hard."""
    kind = config[KIND]
    if kind == "easy":
        return 0.3 + 0.1 * abs(config["kind:easy:e"] - 0.5)
    if kind == "hopeless":
        return 1.0 + float(config["kind:hopeless:o"])
    return float(sum(abs(config[f"kind:hard:h{i}"] - 0.2 - 0.3 * i) for i in range(3)))


@pytest.mark.parametrize("engine", [GPOptimizer, ForestOptimizer, ETPEOptimizer])
def test_a_trap_is_left(engine: type[Optimizer]) -> None:
    """The better branch is found, though its first configurations are worse."""
    ended = []
    for seed in range(3):
        driver = Driver(engine(), TRAP, seed=seed)
        for _ in range(70):
            job = driver.start()
            driver.finish(job, trap(job.config))
        history = driver.optimizer.history
        ended.append(history.losses.min())
        visited = Counter(job.config[KIND] for job in driver.events[::2])
        assert all(visited[kind] >= 5 for kind in ("easy", "hard", "hopeless"))
    assert sorted(ended)[1] < 0.25


@pytest.mark.parametrize("engine", [GPOptimizer, ForestOptimizer, ETPEOptimizer])
def test_branches_that_forbid_everything_are_survived(engine: type[Optimizer]) -> None:
    """Where no legal configuration is in a branch, proposals go elsewhere."""
    space = TRAP | {"__forbidden": [{KIND: "hard"}]}
    driver = Driver(engine(), space)
    for _ in range(45):  # from 25 on branches are chosen
        job = driver.start()
        assert "hard" != job.config[KIND]
        driver.finish(job, trap(job.config))
