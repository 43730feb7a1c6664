"""Waiting for workers."""

from __future__ import annotations

from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.gathering import wait_for_workers
from bandmaster.core.plan import Plan
from bandmaster.facade import Study
from bandmaster.storage import open_storage

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


def test_nobody_waits_for_workers_of_a_study_that_was_lost() -> None:
    """Whoever drives the run has to say so."""
    with open_storage("memory://") as storage:
        study = Study(SPACE, optimizer="Random", name="s", storage=storage)
        study.set_plan(Plan(n_trials=3))
        dispatcher = Dispatcher(study, run_id="r")
        options = {"warn_after": 0.01, "trouble": lambda: None}
        assert not wait_for_workers(dispatcher, 1, timeout=0.02, **options)
        storage.revoke("s")
        assert wait_for_workers(dispatcher, 1, timeout=60, **options)
        dispatcher.close()
