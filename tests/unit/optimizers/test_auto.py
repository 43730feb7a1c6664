"""Who proposes when."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers import AutoOptimizer, auto
from bandmaster.space import Float, Space
from bandmaster.testing.driver import Driver

PLANE = Space([Float("x", 0, 1), Float("y", 0, 1)])


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the limits be reached soon."""
    monkeypatch.setattr(auto, "_MOST_QUICK", 6)
    monkeypatch.setattr(auto, "_MOST_OUT", 3)


def _run(driver: Driver, n: int) -> list[str]:
    return [driver.step(i / 7 % 1).config_info["engine"] for i in range(n)]


@pytest.mark.usefixtures("hasty")
def test_it_switches(caplog: pytest.LogCaptureFixture) -> None:
    """ETPE begins, the GP models few evaluations, ETPE many; each change says why, once."""
    driver = Driver(AutoOptimizer(n_startup=4), PLANE)
    with caplog.at_level(logging.INFO, logger="bandmaster.optimizers.auto"):
        engines = _run(driver, 10)
    assert ["ETPE"] * 4 + ["GP"] * 3 + ["ETPE"] * 3 == engines
    reasons = [e.config_info.get("why") for e in driver.optimizer.history]
    assert [0, 4, 7] == [i for i, why in enumerate(reasons) if why]
    assert 3 == len(caplog.messages)
    assert "GP proposes: few evaluations are known" in caplog.messages


def test_many_at_a_time_need_a_quick_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """With many jobs out ETPE proposes; as soon as there are fewer, the GP does."""
    monkeypatch.setattr(auto, "_MOST_OUT", 3)
    driver = Driver(AutoOptimizer(n_startup=4), PLANE)
    _run(driver, 4)
    jobs = [driver.start() for _ in range(6)]
    assert ["GP"] * 4 + ["ETPE"] * 2 == [job.config_info["engine"] for job in jobs]
    assert "why" not in driver.ask().info
    for job in jobs[:3]:
        driver.finish(job, 0.5)
    again = driver.ask().info
    assert ("GP", "few evaluations are known") == (again["engine"], again["why"])


@pytest.mark.usefixtures("hasty")
def test_what_others_found_does_not_use_up_the_gp() -> None:
    """Evaluations of another study do not count as this one's."""
    driver = Driver(AutoOptimizer(n_startup=4), PLANE)
    for i in range(20):
        driver.borrow({"x": i / 20, "y": 0.5}, i / 7 % 1)
    assert "GP" == driver.ask().info["engine"]


@pytest.mark.usefixtures("hasty")
def test_each_objective_needs_a_model() -> None:
    """With several targets the GP hands over earlier."""
    metrics = Objectives([Metric("a"), Metric("b"), Metric("c", "constraint", threshold=1.0)])
    driver = Driver(AutoOptimizer(n_startup=2), PLANE, objectives=metrics)
    engines = []
    for i in range(6):
        job = driver.start()
        engines.append(job.config_info["engine"])
        driver.finish(job, i / 7, metrics={"a": i / 7, "b": -i / 7, "c": 0.5})
    assert ["ETPE"] * 2 + ["GP"] * 2 + ["ETPE"] * 2 == engines


@pytest.mark.usefixtures("hasty")
def test_slow_evaluations_leave_time_for_a_model() -> None:
    """Beyond the limit of quick evaluations the GP goes on if these take long enough for it."""
    fast, slow = (Driver(AutoOptimizer(n_startup=4), PLANE) for _ in range(2))
    for i in range(9):
        for driver, seconds in ((fast, 0.05), (slow, 0.25)):
            job = driver.start()
            driver.finish(job, i / 7 % 1, finished=seconds)
    assert "ETPE" == fast.ask().info["engine"]
    assert "GP" == slow.ask().info["engine"]
    slow.start()
    slow.start()  # two more are out: a proposal is wanted every 83 ms
    assert "ETPE" == slow.ask().info["engine"]


def test_many_dimensions_are_for_etpe() -> None:
    """A space of hundreds of dimensions is ETPE's from the beginning."""
    driver = Driver(AutoOptimizer(n_startup=3), Space([Float(f"x{i}", 0, 1) for i in range(201)]))
    assert {"ETPE"} == set(_run(driver, 6))


def test_a_few_trials_import_no_scipy() -> None:
    """The start-up points cost no import of SciPy, so the first results come at once."""
    program = (
        "import sys\n"
        "from bandmaster import fmin\n"
        "space = {'x': {'_type': 'uniform', '_value': [0, 1]}}\n"
        "fmin(lambda c: c['x'], space, optimizer='auto', n_trials=8, show_progressbar=False)\n"
        "assert 'scipy' not in sys.modules\n"
    )
    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode


def test_bad_options_are_refused() -> None:
    """The start-up needs two points."""
    with pytest.raises(ConfigurationError, match="n_startup"):
        AutoOptimizer(n_startup=1)
