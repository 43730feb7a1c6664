"""Evaluating in the worker's own thread."""

from __future__ import annotations

import os
from typing import Any

from bandmaster.core.context import Context
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import InProcess
from bandmaster.core.job import Job
from bandmaster.core.outcome import Status

JOB = Job(0, 0, 0, {"x": 0.5}, 1)


def _run(function: Any) -> Any:
    return InProcess(Objective(function)).run(JOB, Context(JOB, worker="w"))


def test_what_an_evaluation_returns_or_raises_is_an_outcome() -> None:
    """A number is the loss; an exception is a failure."""
    assert (Status.OK, 0.5, "w") == (
        (outcome := _run(lambda config: config["x"])).status,
        outcome.loss,
        outcome.worker,
    )
    assert Status.FAILED is _run(lambda config: config["y"]).status


def test_it_cannot_be_ended_from_outside() -> None:
    """`cancel` says so."""
    assert not InProcess(Objective(lambda config: 0.0)).cancel("never mind")


def test_a_forked_copy_that_returns_is_no_second_worker() -> None:
    """An evaluation that forks and returns twice goes on in the parent only."""
    children: list[int] = []

    def forks(config: Any) -> float:
        child = os.fork()
        if child:
            children.append(child)
        return 0.5 if child else 1.5

    outcome = _run(forks)
    assert 0.5 == outcome.loss  # the copy would come here too, and fail
    _, status = os.waitpid(children[0], 0)
    assert 0 == os.waitstatus_to_exitcode(status)
