"""A study for tests: random search over one float, as a rule."""

from bandmaster.core.clock import ManualClock
from bandmaster.multifidelity import (
    FlatIterGenerator,
)
from bandmaster.optimizers import RandomOptimizer
from bandmaster.study import Study

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


SMALL = {"n": {"_type": "choice", "_value": [1, 2, 3]}}


def make(space=SPACE, *, generator=None, plan=None, **options):
    """Return a study of random search on a clock that stands still."""
    study = Study(
        space,
        optimizer=options.pop("optimizer", None) or RandomOptimizer(),
        generator=generator or FlatIterGenerator(),
        clock=ManualClock(100.0),
        **options,
    )
    if plan is not None:
        study.set_plan(plan)
    return study
