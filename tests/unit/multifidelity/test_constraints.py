"""Who goes on when there are constraints."""

from __future__ import annotations

import pytest

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import (
    ASHAIterGenerator,
    IterGenerator,
    SuccessiveHalvingIterGenerator,
)
from bandmaster.optimizers import RandomOptimizer
from bandmaster.study.study import Study

METRICS = [
    Metric("loss"),
    Metric("seconds", "constraint", threshold=2.0),
    Metric("recall", "constraint", objective="maximize", threshold=0.5),
]


@pytest.mark.parametrize(
    "generator",
    [SuccessiveHalvingIterGenerator(1, 4, 2, num_configs=4), ASHAIterGenerator(1, 4, 2)],
    ids=["synchronous", "asynchronous"],
)
def test_whoever_meets_all_constraints_goes_on_first(generator: IterGenerator) -> None:
    """The better loss of a trial that misses a constraint is worth nothing against one that meets
    all; of those that miss some, fewer is better."""
    study = Study(
        {"x": {"_type": "uniform", "_value": [0, 1]}},
        optimizer=RandomOptimizer(),
        generator=generator,
        objectives=METRICS,
    )
    study.set_plan(Plan(n_iterations=1))
    told = [
        {"loss": 0.0, "seconds": 9.0, "recall": 0.1},
        {"loss": 3.0, "seconds": 1.0, "recall": 0.9},
        {"loss": 1.0, "seconds": 9.0, "recall": 0.9},
        {"loss": 2.0, "seconds": 9.0, "recall": 0.9},
    ]
    first = [study.ask() for _ in told]
    for job, metrics in zip(first, told, strict=True):
        assert job is not None
        study.tell(job, metrics)
    promoted = [study.ask(), study.ask()]
    assert [1, 2] == [job.trial for job in promoted if job is not None]


def test_ranks() -> None:
    """Missed constraints count first, then the loss; a failure has no rank."""
    objectives = Objectives(METRICS)
    good = Outcome(Status.OK, 5.0, {"seconds": 1.0, "recall": 0.9})
    untold = Outcome(Status.OK, 1.0, {"seconds": 1.0})
    assert (0, 5.0) == objectives.rank(good)
    assert (1, 1.0) == objectives.rank(untold)
    assert None is objectives.rank(Outcome.failed("no"))
    assert (0, 1.0) == Objectives().rank(untold)
