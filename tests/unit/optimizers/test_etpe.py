"""ETPE's rules beyond the suite's."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers import ETPEOptimizer
from bandmaster.optimizers.prior import Prior
from bandmaster.optimizers.split import Evidence, Split, feasibility, gather, modelled_budget, split
from bandmaster.optimizers.targets import Targets
from bandmaster.optimizers.transfer import Transfer
from bandmaster.space import Float, Integer, Space
from bandmaster.testing.driver import Driver

PLANE = Space([Float("x", 0, 1), Float("y", 0, 1)])


def _played(losses: list[float | None], budget: float = 1.0) -> Driver:
    driver = Driver(ETPEOptimizer(), PLANE, budgets=(1.0, 3.0))
    for loss in losses:
        driver.finish(driver.start(budget), loss)
    return driver


def _gathered(driver: Driver) -> Evidence:
    history = driver.optimizer.history
    return gather(history, Targets(history), Transfer(driver.space))


def _split(driver: Driver, *, max_bad: int = 1000) -> Split:
    return split(
        _gathered(driver),
        driver.pending,
        gamma=0.15,
        max_good=25,
        max_bad=max_bad,
        rng=np.random.default_rng(0),
    )


def test_first_trials_are_a_latin_hypercube() -> None:
    """Of the first ten trials one lies in each tenth of every parameter."""
    driver = Driver(ETPEOptimizer(), PLANE)
    vectors = np.array([driver.start().vector for _ in range(10)])
    for column in vectors.T:
        assert list(range(10)) == sorted((column * 10).astype(int))


def test_while_trials_are_out_designs_follow_each_other() -> None:
    """Of thirty trials before any result, each ten in a row are a Latin hypercube."""
    driver = Driver(ETPEOptimizer(), PLANE)
    vectors = np.array([driver.start().vector for _ in range(30)]).reshape(3, 10, 2)
    for block in vectors:
        for column in block.T:
            assert list(range(10)) == sorted((column * 10).astype(int))


def test_a_crowd_is_left_now_and_then() -> None:
    """When the good ones have gathered, every fourth proposal goes elsewhere; the others stay."""
    driver = Driver(ETPEOptimizer(), PLANE, budgets=(1.0,))
    for _ in range(120):
        job = driver.start()
        driver.finish(job, float(np.abs(job.vector - 0.2).sum()))
    jobs = [driver.start() for _ in range(8)]
    away = {job.trial % 4 == 0: float(np.abs(job.vector - 0.2).max()) for job in jobs}
    assert away[True] > 0.1 > away[False]


def test_says_when_a_model_proposed() -> None:
    """Proposals are model based from the moment on that ten evaluations finished."""
    driver = Driver(ETPEOptimizer(), PLANE)
    picks = [driver.step(float(i)).config_info["model_based_pick"] for i in range(12)]
    assert [False] * 10 + [True] * 2 == picks


def test_models_the_largest_budget_with_enough() -> None:
    """The largest budget with enough evaluations, one of them successful, is modelled."""
    driver = _played([1.0] * 6)
    history = driver.optimizer.history
    assert 1.0 == modelled_budget(history, 5)
    assert modelled_budget(history, 7) is None
    for loss in (None, None, None, None, None):
        driver.finish(driver.start(3.0), loss)
    assert 1.0 == modelled_budget(history, 5)
    driver.finish(driver.start(3.0), 2.0)
    assert 3.0 == modelled_budget(history, 5)
    assert modelled_budget(History(2), 1) is None


def test_failed_evaluations_are_never_good() -> None:
    """With one success among many failures one observation is good, all others are bad."""
    driver = _played([None] * 20 + [5.0] + [None] * 9)
    data = _split(driver)
    assert (1, 29, 30) == (len(data.good), len(data.bad), data.n)
    assert [1.0] == data.weights.tolist()


def test_weights_grow_with_improvement() -> None:
    """Good observations weigh by how far they are below the best that is not good; mean 1."""
    driver = _played([10.0, 4.0, 2.0, *[10.0] * 17])
    data = _split(driver)
    assert (3, 17) == (len(data.good), len(data.bad))
    assert np.array([8, 6, 0]) / 14 * 3 == pytest.approx(data.weights, abs=1e-9)


def test_pending_trials_are_bad_until_they_finish() -> None:
    """A trial that is out counts as bad, but not one that finished here and runs on elsewhere."""
    driver = _played([float(i) for i in range(12)])
    first = driver.start()
    assert 10 + 1 == len(_split(driver).bad)
    driver.finish(first, -1.0)
    driver.promote(first, 3.0)
    assert 11 == len(_split(driver).bad)  # two of thirteen are good


def test_many_bad_ones_are_thinned() -> None:
    """More bad observations than allowed are thinned to a random part; the good ones stay."""
    driver = _played([float(i) for i in range(30)])
    data = _split(driver, max_bad=7)
    assert (5, 7, 30) == (len(data.good), len(data.bad), data.n)


def test_proposals_gather_where_losses_are_low() -> None:
    """After 60 evaluations of a bowl the proposals are closer to its bottom than random ones."""
    driver = Driver(ETPEOptimizer(), PLANE)
    distances = []
    for _ in range(60):
        job = driver.start()
        loss = (job.config["x"] - 0.3) ** 2 + (job.config["y"] - 0.8) ** 2
        distances.append(loss)
        driver.finish(job, loss)
    assert 0.2 * np.median(distances[:10]) > np.median(distances[-20:])


def test_options_are_checked() -> None:
    """Options out of their range are refused with what is allowed."""
    for options, message in (
        ({"n_startup": 1}, "n_startup must be at least 2"),
        ({"gamma": 1.0}, "gamma must be between 0 and 1"),
        ({"n_candidates": 0}, "n_candidates must be at least 1"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            ETPEOptimizer(**options)  # type: ignore[arg-type]  # mixed on purpose


def test_one_free_integer_is_used_up() -> None:
    """Where the model's candidates are all known, what is left is drawn, and said to be so."""
    driver = Driver(ETPEOptimizer(n_startup=2, n_candidates=1), Space([Integer("n", 1, 40)]))
    infos = [driver.step(float(i % 3)).config_info["model_based_pick"] for i in range(40)]
    assert False in infos[2:]
    assert True in infos[2:]


def test_lower_budgets_are_kept() -> None:
    """Every trial counts once, by its largest budget; unpromoted ones are worse than promoted."""
    driver = Driver(ETPEOptimizer(), PLANE, budgets=(1.0, 3.0))
    jobs = [driver.start(1.0) for _ in range(9)]
    for i, job in enumerate(jobs):
        driver.finish(job, float(i))
    for i, job in enumerate(jobs[:3]):
        driver.finish(driver.promote(job, 3.0), 10.0 + i)
    evidence = _gathered(driver)
    assert list(range(9)) == evidence.trials.tolist()
    assert list(range(10, 19)) == pytest.approx(evidence.values[:, 0].tolist())
    assert [1.0] * 9 == evidence.weights.tolist()


def test_constraints_order_the_infeasible_last() -> None:
    """Feasible trials are good first, by loss; then those that violate least; failed ones never."""
    objectives = Objectives(["loss", Metric("size", "constraint", threshold=5.0)])
    driver = Driver(ETPEOptimizer(), PLANE, objectives=objectives)
    for loss, size in ((1.0, 9.0), (3.0, 1.0), (2.0, 5.0), (0.0, 6.0), (None, 0.0)):
        job = driver.start()
        driver.finish(job, loss, metrics={"loss": loss, "size": size} if loss is not None else {})
    evidence = _gathered(driver)
    best = []
    for gamma in (0.2, 0.4, 0.6, 0.99):
        data = split(evidence, (), gamma=gamma, max_good=9, max_bad=9, rng=np.random.default_rng(0))
        new = [row for row in data.good.tolist() if row not in best]
        assert 1 == len(new)
        best += new
    rows = driver.optimizer.history.vectors
    assert rows[[2, 1, 3, 0]].tolist() == best
    ((share, met),) = feasibility(evidence, max_rows=9, rng=np.random.default_rng(0))
    assert 0.5 == share
    assert sorted(rows[[1, 2]].tolist()) == sorted(met.good.tolist())


@pytest.mark.parametrize("told", [5.0, 0.5])
def test_a_constraint_known_of_one_trial_is_left_out(told: float) -> None:
    """One evaluation tells nothing about where a constraint holds, violated or not."""
    objectives = Objectives(["loss", Metric("c", "constraint", threshold=1.0)])
    driver = Driver(ETPEOptimizer(), PLANE, objectives=objectives)
    for i in range(12):
        driver.finish(driver.start(), 1.0 if i == 4 else None, metrics={"c": told})
    assert [] == feasibility(_gathered(driver), max_rows=9, rng=np.random.default_rng(0))
    assert driver.ask().info["model_based_pick"]


def test_feasible_regions_are_learnt() -> None:
    """Where the unconstrained optimum is infeasible, late proposals keep the constraint mostly."""
    objectives = Objectives(["loss", Metric("sum", "constraint", threshold=0.6)])
    driver = Driver(ETPEOptimizer(), PLANE, objectives=objectives)
    kept = []
    for _ in range(70):
        job = driver.start()
        x, y = job.config["x"], job.config["y"]
        kept.append(x + y <= 0.6)
        driver.finish(job, -x - y, metrics={"loss": -x - y, "sum": x + y})
    assert 10 <= sum(kept[-20:])


def test_both_ends_of_a_front_are_found() -> None:
    """With two objectives that pull apart late proposals spread along the front."""
    driver = Driver(ETPEOptimizer(), PLANE, objectives=Objectives(["loss", "other"]))
    for _ in range(90):
        job = driver.start()
        x, y = job.config["x"], job.config["y"]
        a, b = x**2 + (y - 0.5) ** 2, (x - 1) ** 2 + (y - 0.5) ** 2
        driver.finish(job, a, metrics={"loss": a, "other": b})
    late = driver.optimizer.history.vectors[-40:]
    assert (np.abs(late[:, 1] - 0.5) < 0.15).mean() > 0.7
    assert late[:, 0].min() < 0.25
    assert late[:, 0].max() > 0.75


def test_optimum_on_the_bounds_is_reached() -> None:
    """An optimum in the corner is proposed exactly."""
    driver = Driver(ETPEOptimizer(), Space([Float(f"x{i}", -1, 3) for i in range(4)]))
    best = min(
        driver.finish(job := driver.start(), -sum(job.config.values())).loss or 0.0
        for _ in range(80)
    )
    assert best == pytest.approx(-12.0, abs=0.05)


def test_beliefs_draw_the_first_trials() -> None:
    """A user's belief about a parameter moves the start-up points there, and early proposals."""
    prior = Prior({"x": ("normal", 0.9, 0.02)}, confidence=50.0)
    driver = Driver(ETPEOptimizer(prior=prior), PLANE)
    x = [driver.step(1.0 + i % 3).config["x"] for i in range(20)]
    assert (np.abs(np.array(x) - 0.9) < 0.1).mean() > 0.7
