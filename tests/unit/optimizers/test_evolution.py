"""Differential and regularized evolution: the rules beyond the suite's."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers import DEOptimizer, RegularizedEvolutionOptimizer, de
from bandmaster.optimizers.population import Units, fitness, populated_budget
from bandmaster.optimizers.targets import Targets
from bandmaster.space import Categorical, Condition, Equals, Float, Ordinal, Space
from bandmaster.testing.driver import Driver
from bandmaster.testing.histories import make_evaluation

PLANE = Space([Float("x", 0, 1), Float("y", 0, 1)])
BRANCHES = Space(
    [Categorical("kind", ("a", "b")), Float("u", 0, 1), Float("v", 0, 1)],
    conditions=[Condition("u", Equals("kind", "a")), Condition("v", Equals("kind", "b"))],
)


def history_of(metrics: list[dict[str, float] | None], objectives: Objectives) -> History:
    history = History(1)
    history.objectives = objectives
    for i, row in enumerate(metrics):
        loss = None if row is None else row["a"]
        history.append(make_evaluation(i, loss, metrics=row))
    return history


def test_fitness_is_the_loss_where_it_says_all() -> None:
    """With one objective and no constraint losses are compared, and failures are worst."""
    history = history_of([{"a": 3.0}, None, {"a": -1.0}], Objectives(["a"]))
    assert [3.0, np.inf, -1.0] == fitness(Targets(history), np.arange(3)).tolist()


def test_fitness_puts_the_feasible_first() -> None:
    """Any feasible evaluation is better than any that violates; these go by how much they do."""
    objectives = Objectives(["a", Metric("c", "constraint", threshold=1.0)])
    rows = [{"a": 0.0, "c": 3.0}, {"a": 9.0, "c": 1.0}, {"a": 5.0, "c": 2.0}, None]
    places = fitness(Targets(history_of([*rows, {"a": 8.0, "c": 0.0}], objectives)), np.arange(5))
    assert [4, 1, 2, 0, 3] == np.argsort(places, kind="stable").tolist()


def test_fitness_of_several_objectives() -> None:
    """What is dominated is worse than what dominates it."""
    rows = [{"a": 2.0, "b": 2.0}, {"a": 1.0, "b": 1.0}, {"a": 0.0, "b": 3.0}, {"a": 3.0, "b": 3.0}]
    places = fitness(Targets(history_of(list(rows), Objectives(["a", "b"]))), np.arange(4))
    assert places[1] < places[0] < places[3]
    assert places[2] < places[3]


def test_populated_budget() -> None:
    """It is the largest with enough successes, else the one with most; none without any."""
    history = History(1)
    assert populated_budget(history, 1.0, 2) is None
    for i, (budget, loss) in enumerate(
        [(1.0, 0.5), (3.0, None), (3.0, None), (1.0, 0.1), (3.0, 1)]
    ):
        history.append(make_evaluation(i, loss, budget=budget))
    assert 1.0 == populated_budget(history, 1.0, 2)
    assert 3.0 == populated_budget(history, 1.0, 1)
    assert 1.0 == populated_budget(history, 1.0, 3)


def test_units_undo_themselves() -> None:
    """Rows become points and rows again, ordinals and inactive columns included."""
    space = Space(
        [*BRANCHES.parameters, Ordinal("size", ("s", "m", "l"))], conditions=BRANCHES.conditions
    )
    rows = space.sample(50, np.random.default_rng(0))
    units = Units(space)
    points = units.of(rows)
    assert np.nanmax(points[:, 3]) <= 1.0
    np.testing.assert_array_equal(rows, units.rows(points))


def test_inactive_columns_are_filled_from_those_who_know() -> None:
    """A column that a point lacks gets a value that some member has, or one of the prior."""
    units, rng = Units(BRANCHES), np.random.default_rng(0)
    pool = np.array([[0.0, 0.25, np.nan], [0.0, 0.75, np.nan]])
    points = units.fill(np.array([[1.0, np.nan, 0.5]] * 30), pool, rng)
    assert {0.25, 0.75} == set(points[:, 1].tolist())
    assert {0.5} == set(points[:, 2].tolist())
    empty = units.fill(pool, pool, rng)
    assert np.isfinite(empty).all()


def test_a_slot_keeps_its_best_trial() -> None:
    """Trial t competes for slot t modulo the population's size, in whatever order it finishes."""
    driver = Driver(DEOptimizer(population_size=4), PLANE)
    jobs = [driver.start() for _ in range(9)]
    losses = [3.0, 3.0, None, 3.0, 2.0, 4.0, None, 3.0, 2.0]
    for job, loss in reversed(list(zip(jobs, losses, strict=True))):
        driver.finish(job, loss)
    optimizer = driver.optimizer
    assert isinstance(optimizer, DEOptimizer)
    members = optimizer.members(1.0)
    trials = driver.optimizer.history.column("trial")
    # Trials 4 and 8 are equal, as are 3 and 7: the one that finished later replaces the other.
    assert {0: 4, 1: 1, 3: 3} == {slot: int(trials[row]) for slot, row in members.items()}


def test_members_by_several_objectives(monkeypatch: pytest.MonkeyPatch) -> None:
    """No trial of its slot dominates a member, few rows are ranked, and history alone decides."""
    objectives = Objectives(["loss", "b", "c", Metric("d", "constraint", threshold=0.9)])
    driver = Driver(DEOptimizer(population_size=4), PLANE, objectives=objectives)
    ranked: list[int] = []

    def count(targets: Targets, rows: np.ndarray, *, exact: bool) -> np.ndarray:
        ranked.append(len(rows))
        return fitness(targets, rows, exact=exact)

    monkeypatch.setattr(de, "fitness", count)
    optimizer = driver.optimizer
    assert isinstance(optimizer, DEOptimizer)
    # Slot 3 never meets the constraint.
    table = np.random.default_rng(1).random((160, 4))
    table[3::4, 3] = 1.0 + table[3::4, 3]
    for row in table.tolist():
        job = driver.enqueue({"x": row[0], "y": row[1]})
        driver.finish(job, row[0], metrics=dict(zip(["loss", "b", "c", "d"], row, strict=True)))
        members = optimizer.members(1.0)
    assert max(ranked) <= 3 * 8 + 40
    twin = driver.replay(DEOptimizer(population_size=4)).optimizer
    assert isinstance(twin, DEOptimizer)
    assert members == twin.members(1.0)
    for slot in range(3):
        mine = table[members[slot]]
        rivals = table[slot::4][table[slot::4, 3] <= 0.9]
        assert mine[3] <= 0.9
        assert not (rivals[:, :3] < mine[:3]).all(axis=1).any()
    assert table[3::4, 3].min() == table[members[3], 3]


def test_each_budget_breeds_by_itself() -> None:
    """Parents are of the budget that is asked for, else of the largest with four members."""
    driver = Driver(DEOptimizer(population_size=4), PLANE, budgets=(1.0, 3.0, 9.0))
    for budget, x in ((1.0, 0.75), (3.0, 0.25)):  # the same x: so has every child
        for y in (0.1, 0.4, 0.6, 0.7):
            driver.finish(driver.enqueue({"x": x, "y": y}, budget=budget), 1.0)
    driver.finish(driver.enqueue({"x": 0.5, "y": 0.5}, budget=9.0), 1.0)
    for budget, x in ((1.0, 0.75), (3.0, 0.25), (9.0, 0.25)):
        children = [driver.optimizer.ask(budget, (), Key(0, 9 + i)) for i in range(3)]
        # Slot 0 has a member of its own at the largest budget; trials 9 to 11 are of the others.
        assert [True] * 3 == [c.info["model_based_pick"] for c in children]
        assert [x] * 3 == pytest.approx([c.config["x"] for c in children])


def test_own_trials_displace_those_of_another_study() -> None:
    """A member of another study holds its slot only until one of this study competes for it."""
    driver = Driver(DEOptimizer(population_size=4), PLANE)
    driver.borrow({"x": 0.1, "y": 0.1}, -5.0)
    optimizer = driver.optimizer
    assert isinstance(optimizer, DEOptimizer)
    assert [0] == list(optimizer.members(1.0).values())
    for _ in range(4):
        driver.step(1.0)
    assert [1, 2, 3, 4] == sorted(optimizer.members(1.0).values())


def test_a_mutation_changes_one_parameter() -> None:
    """A child of regularized evolution differs from its parent in exactly one parameter."""
    space = Space([Float("x", 0, 1), Ordinal("o", (1, 2, 3, 4)), Categorical("c", tuple("abcd"))])
    optimizer = RegularizedEvolutionOptimizer(population_size=2, tournament_size=1)
    driver = Driver(optimizer, space)
    for _ in range(2):
        driver.finish(driver.enqueue({"x": 0.5, "o": 2, "c": "a"}), 1.0)
    for number in range(2, 30):
        config = optimizer.ask(1.0, (), Key(0, number)).config
        same = [config["x"] == 0.5, config["o"] == 2, config["c"] == "a"]
        assert 1 == same.count(False)


def test_members_die_of_age() -> None:
    """The best evaluation has no children any more once enough others finished."""
    optimizer = RegularizedEvolutionOptimizer(population_size=3, tournament_size=3)
    driver = Driver(optimizer, Space([Categorical(f"c{i}", (0, 1)) for i in range(12)]))
    best = driver.finish(driver.enqueue({f"c{i}": 0 for i in range(12)}), 0.0)
    others = [driver.finish(driver.enqueue({f"c{i}": 1 for i in range(12)}), 1.0) for _ in range(2)]
    assert sum(optimizer.ask(1.0, (), Key(0, 9)).config.values()) == sum(best.config.values()) + 1
    driver.finish(driver.enqueue(others[0].config), 1.0)
    assert 11 == sum(optimizer.ask(1.0, (), Key(0, 9)).config.values())


@pytest.mark.parametrize("make", [DEOptimizer, RegularizedEvolutionOptimizer])
def test_evolution_finds_a_minimum(make: type) -> None:
    """On a bowl it is closer to the minimum after 150 evaluations than its first ones were."""
    driver = Driver(make(), PLANE)
    losses = []
    for _ in range(150):
        job = driver.start()
        losses.append((job.config["x"] - 0.3) ** 2 + (job.config["y"] - 0.9) ** 2)
        driver.finish(job, losses[-1])
    assert min(losses) < min(losses[:20]) / 5


@pytest.mark.parametrize(
    "options",
    [{"population_size": 3}, {"mutation_factor": 0.0}, {"crossover_rate": 1.5}],
)
def test_wrong_options_of_de(options: dict[str, float]) -> None:
    """Options out of their range are refused by name."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        DEOptimizer(**options)  # type: ignore[arg-type]  # numbers of both kinds


@pytest.mark.parametrize("options", [{"population_size": 1}, {"tournament_size": 21}])
def test_wrong_options_of_regularized_evolution(options: dict[str, int]) -> None:
    """Options out of their range are refused by name."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        RegularizedEvolutionOptimizer(**options)
