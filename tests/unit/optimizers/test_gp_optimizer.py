"""The Gaussian process optimizer's rules beyond the suite's."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers import ETPEOptimizer, GPOptimizer
from bandmaster.optimizers.prior import Prior
from bandmaster.space import Categorical, Float, Integer, Space
from bandmaster.testing.driver import Driver

PLANE = Space([Float("x", 0, 1), Float("y", 0, 1)])


def _bowl(config: object) -> float:
    return (config["x"] - 0.3) ** 2 + (config["y"] - 0.8) ** 2  # type: ignore[index]


def test_finds_the_bottom_of_a_bowl() -> None:
    """After 25 evaluations of a bowl the best is next to its bottom."""
    driver = Driver(GPOptimizer(), PLANE)
    losses = []
    for _ in range(25):
        job = driver.start()
        losses.append(_bowl(job.config))
        driver.finish(job, losses[-1])
    assert min(losses) < 1e-5


def test_one_huge_loss_does_not_matter() -> None:
    """A penalty of 1e300 for some evaluations leaves the search where it was going."""
    driver = Driver(GPOptimizer(), PLANE)
    losses = []
    for i in range(30):
        job = driver.start()
        losses.append(1e300 if i % 5 == 2 else _bowl(job.config))
        driver.finish(job, losses[-1])
    assert min(losses) < 0.01


def test_says_when_a_model_proposed() -> None:
    """Proposals are model based from the moment on that ten evaluations finished."""
    driver = Driver(GPOptimizer(), PLANE)
    picks = [driver.step(float(i)).config_info["model_based_pick"] for i in range(12)]
    assert [False] * 10 + [True] * 2 == picks


def test_hands_over_when_there_is_too_much_to_model() -> None:
    """With more evaluations than it may model, the proposals are those of ETPE."""
    driver = Driver(GPOptimizer(max_points=20), PLANE)
    for i in range(21):
        driver.step(float(i % 7))
    etpe = ETPEOptimizer()
    etpe.initialize(PLANE, history=driver.optimizer.history)
    assert dict(etpe.ask(1.0, (), driver.key).config) == dict(driver.ask().config)


def test_evaluations_of_another_study_are_not_too_much() -> None:
    """However many were imported, a model proposes."""
    driver = Driver(GPOptimizer(max_points=20), PLANE)
    for config in PLANE.sample_configs(30, np.random.default_rng(0)):
        driver.borrow(config, _bowl(config))
    assert driver.ask().info["model_based_pick"]
    driver.step(1.0)
    assert driver.ask().info["model_based_pick"]


def test_pending_trials_keep_apart() -> None:
    """Eight proposals at once are no clump: each is away from the others."""
    driver = Driver(GPOptimizer(), PLANE)
    for _ in range(12):
        job = driver.start()
        driver.finish(job, _bowl(job.config))
    rows = np.array([driver.start().vector for _ in range(8)])
    gaps = np.abs(rows[:, None] - rows).max(axis=2)[np.triu_indices(8, 1)]
    assert gaps.min() > 1e-3


@pytest.mark.parametrize("option", ["_APART", "_DOUBTING"])
def test_what_is_out_changes_proposals(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """How pending trials are kept away from, and doubted, matters while there are some only."""
    proposals = []
    for value in (0.0, 1.0):
        monkeypatch.setattr("bandmaster.optimizers.gp._DOUBTING", 0.0)
        monkeypatch.setattr(f"bandmaster.optimizers.gp.{option}", value)
        driver = Driver(GPOptimizer(), PLANE)
        for _ in range(12):
            job = driver.start()
            driver.finish(job, _bowl(job.config))
        proposals.append([dict(driver.start().config) for _ in range(8)])
    assert proposals[0][0] == proposals[1][0]
    assert proposals[0] != proposals[1]


def test_what_finished_elsewhere_is_known() -> None:
    """Integers whose neighbours are known are proposed where the optimum is: at a whole number."""
    driver = Driver(GPOptimizer(n_startup=4), Space([Integer("n", 1, 400), Integer("m", 1, 9)]))
    best = np.inf
    for _ in range(22):
        job = driver.start()
        loss = (np.log(job.config["n"]) - np.log(170)) ** 2 + (job.config["m"] - 7) ** 2
        best = min(best, loss)
        driver.finish(job, float(loss))
    assert best < 1e-3


def test_choices_are_learnt() -> None:
    """A categorical that matters is proposed as it should be."""
    space = Space([Categorical("c", tuple("abcdef")), Float("x", 0, 1)])
    driver = Driver(GPOptimizer(), space)
    for _ in range(40):
        job = driver.start()
        driver.finish(job, abs(job.config["x"] - 0.5) + (job.config["c"] != "d"))
    chosen = [e.config["c"] for e in driver.optimizer.history]
    assert chosen[20:].count("d") > 10


def test_lower_budgets_are_learnt_from() -> None:
    """What a lower budget says about good regions guides proposals when the largest has little."""
    driver = Driver(GPOptimizer(), PLANE, budgets=(1.0, 3.0))
    for _ in range(40):
        job = driver.start(1.0)
        driver.finish(job, _bowl(job.config))
    rng = np.random.default_rng(0)
    for config in PLANE.sample_configs(10, rng):
        driver.finish(driver.enqueue(config, budget=3.0), 5 + _bowl(config))
    assert _bowl(driver.ask(3.0).config) < 1e-3


def test_few_results_at_a_larger_budget_count() -> None:
    """Nine results at the largest budget, beside twelve lower ones, change what is proposed."""
    driver, rng = Driver(GPOptimizer(), PLANE, budgets=(1.0, 9.0)), np.random.default_rng(0)
    for config in PLANE.sample_configs(12, rng):
        driver.finish(driver.enqueue(config, budget=1.0), rng.normal())
    before, key = driver.ask(9.0), driver.key
    for config in PLANE.sample_configs(9, rng):
        driver.finish(driver.enqueue(config, budget=9.0), -100 + _bowl(config))
    after = driver.optimizer.ask(9.0, (), key)
    assert dict(before.config) != dict(after.config)
    assert _bowl(after.config) < 0.05


def test_failures_are_learnt_from() -> None:
    """Where evaluations fail, even around the optimum, the best beside it is found."""
    driver = Driver(GPOptimizer(), PLANE)
    losses = []
    for _ in range(35):
        job = driver.start()
        if job.config["x"] < 0.35:
            driver.finish(job, None)
        else:
            losses.append(_bowl(job.config))
            driver.finish(job, losses[-1])
    assert min(losses) < 0.05**2 + 1e-3


def test_a_metric_that_nobody_told() -> None:
    """An objective that no evaluation returned plays no part."""
    driver = Driver(GPOptimizer(), PLANE, objectives=Objectives(["loss", "b"]))
    for _ in range(11):
        job = driver.start()
        driver.finish(job, _bowl(job.config))
    assert driver.ask().info["model_based_pick"]


def test_another_studys_evaluations_guide() -> None:
    """What another study found, on quite another scale, leads to the optimum at once."""
    driver = Driver(GPOptimizer(), PLANE)
    for config in PLANE.sample_configs(40, np.random.default_rng(0)):
        driver.borrow(config, 1e6 * _bowl(config) - 5e5)
    losses = []
    for _ in range(8):
        job = driver.start()
        losses.append(_bowl(job.config))
        driver.finish(job, losses[-1])
    assert min(losses) < 1e-3


def test_a_constraint_is_kept() -> None:
    """The best that meets a constraint is found though the best without it does not."""
    objectives = Objectives(["loss", Metric("c", "constraint", threshold=0.5)])
    driver = Driver(GPOptimizer(), PLANE, objectives=objectives)
    found = []
    for _ in range(35):
        job = driver.start()
        x, y = job.config["x"], job.config["y"]
        driver.finish(job, x + y, metrics={"c": 1.5 - x - 0.5 * y})
        if 1.5 - x - 0.5 * y <= 0.5:
            found.append(x + y)
    assert 1.0 <= min(found) < 1.01


def test_something_feasible_is_found() -> None:
    """Where all that is known violates a constraint, proposals go where it is violated least."""
    objectives = Objectives(["loss", Metric("c", "constraint", threshold=0.02)])
    driver = Driver(GPOptimizer(), PLANE, objectives=objectives)
    violated = []
    for _ in range(25):
        job = driver.start()
        violated.append(_bowl(job.config))
        driver.finish(job, 1.0, metrics={"c": violated[-1]})
    assert sum(v <= 0.02 for v in violated) > 5


def test_several_objectives() -> None:
    """Of two objectives that pull apart the whole front is found, not one end."""
    driver = Driver(GPOptimizer(), PLANE, objectives=Objectives(["loss", "b"]))
    for _ in range(40):
        job = driver.start()
        x, y = job.config["x"], job.config["y"]
        driver.finish(job, x + (y - 0.5) ** 2, metrics={"b": (1 - x) + (y - 0.5) ** 2})
    late = driver.optimizer.history[15:]
    near = [e.config["x"] for e in late if abs(e.config["y"] - 0.5) < 0.1]
    assert len(near) > 12
    assert min(near) < 0.25
    assert max(near) > 0.75


@pytest.mark.parametrize("late", [0.0, -1.0])
def test_a_metric_that_reaches_zero_late(late: float) -> None:
    """When logarithms of a metric end, a study that goes on proposes what one loaded anew does."""
    objectives = Objectives(["loss", "errors"])
    driver = Driver(GPOptimizer(growth=2.0), PLANE, objectives=objectives)
    for i in range(17):
        job = driver.start()
        errors = late if i == 14 else 10.0 ** (5 * _bowl(job.config))
        driver.finish(job, job.config["x"], metrics={"errors": errors})
        if i > 12:
            assert driver.replay(GPOptimizer(growth=2.0)).ask().config == driver.ask().config, i


def test_many_objectives() -> None:
    """With more objectives than hypervolumes are affordable for it still gets near the front."""
    names = ["loss", "b", "c", "d", "e"]
    driver = Driver(GPOptimizer(), PLANE, objectives=Objectives(names))
    for _ in range(25):
        job = driver.start()
        x, y = job.config["x"], job.config["y"]
        found = [abs(x - k / 4) + (y - 0.5) ** 2 for k in range(5)]
        driver.finish(job, found[0], metrics=dict(zip(names, found, strict=True)))
    late = [abs(e.config["y"] - 0.5) for e in driver.optimizer.history[15:]]
    assert sum(gap < 0.15 for gap in late) > 5


def test_beliefs_weigh() -> None:
    """A user's belief pulls proposals to where it is."""
    prior = Prior({"x": ("normal", 0.9, 0.02)}, confidence=100)
    driver = Driver(GPOptimizer(prior=prior), PLANE)
    for config in PLANE.sample_configs(12, np.random.default_rng(0)):
        driver.finish(driver.enqueue(config), 0.01 * config["y"])
    assert 0.8 < driver.ask().config["x"] < 1.0


def test_options_are_checked() -> None:
    """Options out of their range are refused with what is allowed."""
    for options, message in (
        ({"n_startup": 1}, "n_startup must be at least 2"),
        ({"n_candidates": 0}, "n_candidates must be at least 3"),
        ({"n_steps": -1}, "n_steps must be at least 0"),
        ({"max_points": 9}, "max_points must be at least n_startup = 10"),
        ({"growth": 1.0}, "growth must be above 1"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            GPOptimizer(**options)  # type: ignore[arg-type]  # mixed on purpose


def test_proposals_need_no_scipy_optimize() -> None:
    """Its import takes as long as that of the rest of SciPy."""
    program = (
        "import sys\n"
        "from bandmaster import fmin\n"
        "space = {'x': {'_type': 'uniform', '_value': [0, 1]}}\n"
        "fmin(lambda c: c['x'], space, optimizer='GP', n_trials=13, show_progressbar=False)\n"
        "assert 'scipy.linalg' in sys.modules\n"
        "assert 'scipy.optimize' not in sys.modules\n"
    )
    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode
