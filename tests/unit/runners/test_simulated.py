"""Simulated workers on a clock that need not tick."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandmaster.core.clock import ManualClock
from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.core.outcome import Status
from bandmaster.core.plan import Plan
from bandmaster.errors import ConfigurationError, StudyError
from bandmaster.multifidelity import (
    ASHAIterGenerator,
    FlatIterGenerator,
    HyperBandIterGenerator,
    IterGenerator,
    PBTIterGenerator,
)
from bandmaster.optimizers import RandomOptimizer
from bandmaster.runners import (
    Computed,
    Curve,
    Fleet,
    LogNormal,
    Recorded,
    Run,
    Timeline,
    Trained,
    run_simulated,
)
from bandmaster.runners.workload import Workload
from bandmaster.study.study import Study

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


def loss(config: Mapping[str, Any], budget: float) -> float:
    return float(config["x"]) + 1 / budget


def a_second(job: Job, rng: np.random.Generator) -> Run:
    """Every evaluation takes a second."""
    return Run(1.0, job.config["x"])


class Simulated:
    """A study and its simulation."""

    def __init__(self, generator: IterGenerator | None = None, **plan: int) -> None:
        self.clock = ManualClock(1000.0)
        self.study = Study(
            SPACE,
            optimizer=RandomOptimizer(),
            generator=generator or FlatIterGenerator(),
            clock=self.clock,
            seed=1,
        )
        self.study.set_plan(Plan(**plan))

    def run(
        self, workload: Workload, fleet: Fleet | int, *, seed: int = 0, timeout: float | None = None
    ) -> Timeline:
        return run_simulated(
            self.study, workload, fleet, clock=self.clock, seed=seed, timeout=timeout
        )

    def rows(self) -> list[tuple[Any, ...]]:
        """What happened, as plain data."""
        return [
            (e.job, e.attempt, e.trial, e.budget, e.loss, e.status, e.worker, e.started, e.finished)
            for e in self.study.history
        ]


FLEETS = st.builds(
    Fleet,
    n_workers=st.integers(1, 7),
    changes=st.lists(st.tuples(st.floats(0, 50), st.integers(-2, 3)), max_size=4).map(
        lambda changes: [*changes, (60.0, 1)]  # somebody is there at last
    ),
    failures=st.sampled_from([0.0, 0.3]),
    crashes=st.sampled_from([0.0, 0.2]),
    stragglers=st.sampled_from([0.0, 0.3]),
)


@settings(max_examples=60, deadline=None)
@given(fleet=FLEETS, seed=st.integers(0, 3), asha=st.booleans())
def test_every_simulation_ends_and_repeats(fleet: Fleet, seed: int, asha: bool) -> None:
    """Whatever befalls the workers: each job ends once, nobody does two things at a time, and the
    same arguments give the same history."""
    runs = []
    for _ in range(2):
        generator = ASHAIterGenerator(1, 9) if asha else HyperBandIterGenerator(1, 9)
        run = Simulated(generator, n_iterations=2)
        timeline = run.run(Computed(loss, n_reports=2), fleet, seed=seed)
        assert run.study.finished
        runs.append(run.rows())
        assert 0 <= timeline.utilization() <= 1
        assert (timeline.busy <= timeline.present).all()
        assert (timeline.busy >= 0).all()
    assert runs[0] == runs[1]
    assert {1} == set(Counter(row[0] for row in runs[0]).values())
    busy: dict[str, float] = {}
    for *_, status, worker, started, finished in sorted(runs[0], key=lambda row: row[-2]):
        if status is not Status.CRASHED:  # a job that was lost too often has no times
            assert busy.get(worker, 0.0) <= started < finished
            busy[worker] = finished


def test_time_passes_as_the_evaluations_take() -> None:
    """Ten evaluations of a second at three workers: four rounds, the last with one of them."""
    run = Simulated(n_evaluations=10)
    timeline = run.run(a_second, 3)
    assert 1004.0 == run.clock()
    assert [1001.0] * 3 + [1002.0] * 3 + [1003.0] * 3 + [1004.0] == [
        e.finished for e in run.study.history
    ]
    assert 10 / 12 == pytest.approx(timeline.utilization())
    assert 1.0 == timeline.utilization(until=timeline.last_start)
    assert {"worker-0": 4, "worker-1": 3, "worker-2": 3} == Counter(
        e.worker for e in run.study.history
    )


def test_a_worker_that_leaves_loses_its_job_to_another() -> None:
    """The job of one who left begins anew elsewhere, at once; who comes later helps."""
    run = Simulated(n_evaluations=3)
    run.run(a_second, Fleet(2, changes=[(0.5, -1), (1.5, 2)]))
    assert [(0, 0, 1001.0), (1, 1, 1002.0), (2, 0, 1002.5)] == [
        (e.job, e.attempt, e.finished) for e in run.study.history
    ]


def test_nobody_left() -> None:
    """When all have left and none will come, that is said; the study could go on."""
    run = Simulated(n_evaluations=3)
    with pytest.raises(StudyError, match=r"no worker is left after 0\.5 s"):
        run.run(a_second, Fleet(1, changes=[(0.5, -1)]))
    run.run(a_second, 1)
    assert run.study.finished


def test_crashes_cost_time_and_retries() -> None:
    """If every worker dies in its evaluation, each job ends as crashed after its retries."""
    run = Simulated(n_evaluations=2)
    run.run(a_second, Fleet(1, crashes=1.0, downtime=5.0))
    assert [Status.CRASHED] * 2 == [e.status for e in run.study.history]
    assert run.clock() > 1000 + 7 * 5


def test_failures_and_stragglers() -> None:
    """A failed evaluation is a failed outcome, before its time; a straggler takes longer."""
    run = Simulated(n_evaluations=20)
    run.run(a_second, Fleet(2, failures=1.0))
    assert {Status.FAILED} == {e.status for e in run.study.history}
    assert all(e.finished - e.started < 1.0 for e in run.study.history)
    slow = Simulated(n_evaluations=20)
    slow.run(a_second, Fleet(2, stragglers=1.0, slowdown=3.0))
    assert {3.0} == {e.finished - e.started for e in slow.study.history}


def test_what_befalls_a_job_does_not_depend_on_others() -> None:
    """The randomness of a job's evaluation is named by seed and job, not by who runs when."""
    took = []
    for n_workers in (1, 5):
        run = Simulated(n_evaluations=30)
        run.run(Computed(loss), n_workers, seed=3)
        took.append({e.job: e.finished - e.started for e in run.study.history})
    assert took[0].keys() == took[1].keys()
    assert all(took[0][job] == pytest.approx(took[1][job]) for job in took[0])
    other = Simulated(n_evaluations=30)
    other.run(Computed(loss), 1, seed=4)
    assert took[0] != {e.job: e.finished - e.started for e in other.study.history}


def test_timeout_stops_the_study() -> None:
    """After the timeout nothing starts; what runs may finish."""
    run = Simulated()
    run.run(a_second, 2, timeout=2.5)
    assert 6 == len(run.study.history)
    assert 1003.0 == run.clock()


def test_a_search_without_an_end_is_refused() -> None:
    """No plan and no timeout: it would go on for ever."""
    run = Simulated()
    with pytest.raises(ConfigurationError, match="never end"):
        run.run(a_second, 1)


class _StopsAtTwo(FlatIterGenerator):
    def decide(
        self, job: Job, metrics: Mapping[str, Any], loss: float | None, step: int
    ) -> Decision:
        return Decision.STOP if metrics["epoch"] >= 2 else Decision.CONTINUE


CURVE = Curve([1, 2, 5], [1.0, 3.0, 9.0], [{"epoch": n, "loss": 1 / n} for n in (1, 2, 5)])


def test_a_report_may_end_an_evaluation() -> None:
    """Told to stop, an evaluation ends at once, with the metrics that it reported."""
    run = Simulated(_StopsAtTwo(5), n_evaluations=1)
    run.run(Recorded(lambda config: CURVE), 1)
    (row,) = run.study.history
    assert (Status.STOPPED, 3.0) == (row.status, row.finished - row.started)
    assert {"epoch": 2} == row.metrics


@pytest.mark.parametrize(("resumed", "expected"), [(False, [1.0, 9.0]), (True, [1.0, 8.0])])
def test_recorded_training_goes_on_or_begins_anew(resumed: bool, expected: list[float]) -> None:
    """A promoted trial goes on from its checkpoint if the recording says so."""
    run = Simulated(HyperBandIterGenerator(1, 5, 5, SH_only=True), n_iterations=1)
    run.run(Recorded(lambda config: CURVE, resumed=resumed), 1)
    took = [e.finished - e.started for e in run.study.history]
    assert [*[expected[0]] * 5, expected[1]] == pytest.approx(took)
    assert 1 / 5 == run.study.history[-1].loss


def learn(config: Mapping[str, Any], state: Any) -> tuple[Any, Any]:
    """Every step adds x to what was learned; the state is (steps, learned)."""
    steps, learned = state or (0, 0.0)
    state = (steps + 1, learned + config["x"])
    return state, {"loss": -state[1], "steps": state[0]}


@settings(max_examples=40, deadline=None)
@given(fleet=FLEETS, seed=st.integers(0, 3), synch=st.booleans(), failures=st.sampled_from([0, -1]))
def test_populations_are_trained(fleet: Fleet, seed: int, synch: bool, failures: int) -> None:
    """Whatever befalls workers and members: the simulation ends and repeats, and a training that
    goes on has done as many steps as it says."""
    runs = []
    for _ in range(2):
        generator = PBTIterGenerator(
            2, num_samples=5, stop=8, synch=synch, quantile_fraction=0.4, max_failures=failures
        )
        run = Simulated(generator, n_iterations=2)
        timeline = run.run(Trained(learn), fleet, seed=seed)
        assert run.study.finished
        assert 0 <= timeline.utilization() <= 1
        runs.append([*run.rows(), *(dict(e.metrics) for e in run.study.history)])
        for e in run.study.history:
            if e.ok:
                assert e.budget == e.metrics["steps"]
        if fleet.reliable:
            last = {e.trial: e.budget for e in run.study.history}
            assert {8} == set(last.values())
    assert runs[0] == runs[1]


def test_a_pause_frees_the_worker_at_its_report() -> None:
    """A member that has reached its boundary ends well with that report and its checkpoint, and
    goes on from there."""
    run = Simulated(
        PBTIterGenerator(2, num_samples=1, stop={"training_iteration": 6}), n_iterations=1
    )
    run.run(Trained(learn, seconds=lambda job, rng: job.budget, save_every=2), 1)
    assert [(2, 2.0), (4, 2.0), (6, 2.0)] == [
        (e.budget, e.finished - e.started) for e in run.study.history
    ]
    assert [2, 4, 6] == [e.metrics["steps"] for e in run.study.history]


def test_a_lost_training_goes_on_from_its_newest_checkpoint() -> None:
    """The attempt after a lost one repeats what was not saved, and no more."""
    run = Simulated(PBTIterGenerator(10, num_samples=1, stop=10), n_iterations=1)
    # It reports once a second and saves every fourth; the worker leaves after 6.5 seconds.
    work = Trained(learn, seconds=lambda job, rng: job.budget, save_every=4)
    run.run(work, Fleet(1, changes=[(6.5, -1), (7.0, 1)]))
    (row,) = run.study.history
    assert (1, 10, 7.0, 13.0) == (
        row.attempt, row.metrics["steps"], row.started - 1000, row.finished - 1000,
    )  # fmt: skip


def test_all_reports_come_before_the_end() -> None:
    """The last report, at the end of an evaluation, is heard before its outcome."""
    told: list[float] = []

    class Listens(FlatIterGenerator):
        def decide(
            self, job: Job, metrics: Mapping[str, Any], loss: float | None, step: int
        ) -> Decision:
            told.append(metrics["loss"])
            return Decision.CONTINUE

    run = Simulated(Listens(4), n_evaluations=2)
    run.run(Computed(lambda config, budget: budget, n_reports=4), 1)
    assert [1.0, 2.0, 3.0, 4.0] * 2 == told


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Fleet(-1),
        lambda: Fleet(1, failures=1.5),
        lambda: Fleet(1, slowdown=0.5),
        lambda: Fleet(1, changes=[(-1.0, 2)]),
        lambda: LogNormal(0.0),
        lambda: Run(0.0, 1.0),
        lambda: Curve([1, 1], [1.0, 2.0], [{}, {}]),
        lambda: Curve([1], [1.0, 2.0], [{}]),
        lambda: Curve([], [], []),
        lambda: Run(1.0, 1.0, [(0.5, {})], saved=["1-a", None]),
        lambda: Trained(learn, save_every=0),
    ],
)
def test_impossible_arguments_are_refused(wrong: Any) -> None:
    """Numbers out of range are refused where they are given."""
    with pytest.raises(ConfigurationError):
        wrong()


def test_an_empty_timeline_has_no_utilization() -> None:
    """No time passed: the share is NaN."""
    assert math.isnan(Timeline().utilization())
