"""Workers that know the key and do not keep to the rules: no job is lost by it."""

from __future__ import annotations

from typing import Any

import pytest

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.protocol import Hello, write_exchange
from bandmaster.asynccomm.wire import Client, Server
from bandmaster.core.codec import unpack
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.study.study import Study

KEY = b"k" * 32
SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


class Abuser:
    """A worker of a study with two jobs, by its bare calls."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def hello(self) -> None:
        """Say who it is."""
        self._client.call("hello", Hello("abuse", "w", "h", 1).encode())

    def ask(self, payload: bytes = b"") -> Any:
        """Return the job's number, None for "wait"."""
        _, job = unpack(self._client.call("exchange", payload, timeout=5))
        return None if job is None else job[0]


@pytest.fixture
def study() -> Study:
    """Return a study with a plan of two trials."""
    study = Study(SPACE, optimizer=RandomOptimizer(), generator=FlatIterGenerator())
    study.set_plan(Plan(2, None, None, None))
    return study


@pytest.fixture
def worker(study: Study) -> Any:
    """Return a worker that has said hello."""
    dispatcher = Dispatcher(study, run_id="abuse", poll=0.01)
    with Server(key=KEY) as server:
        server.register(protocol.DISPATCHER, dispatcher)
        dispatcher.open()
        with Client(server.address, protocol.DISPATCHER, key=KEY) as client:
            abuser = Abuser(client)
            abuser.hello()
            yield abuser
    dispatcher.close()


def test_who_asks_again_gives_his_job_to_others(study: Study, worker: Abuser) -> None:
    """A job whose worker asks for another one is issued again, and is not forgotten."""
    assert [0, 0, 0] == [worker.ask() for _ in range(3)]
    assert 1 == len([entry for entry in study.open_jobs if not entry.waiting])


def test_an_outcome_of_another_job_gives_back_the_own_one(study: Study, worker: Abuser) -> None:
    """Who has job 0 and tells how job 7 ended does not keep job 0."""
    assert 0 == worker.ask()
    outcome = Outcome(Status.OK, 0.5)
    with pytest.raises(LookupError):
        worker.ask(write_exchange(7, 0, outcome))
    numbers = [worker.ask(), worker.ask()]
    assert 0 in numbers


def test_a_second_hello_keeps_the_job(study: Study, worker: Abuser) -> None:
    """A job belongs to its connection, whoever that says it is."""
    assert 0 == worker.ask()
    worker.hello()
    assert 1 == worker.ask(write_exchange(0, 0, Outcome(Status.OK, 0.5)))
    assert [0] == [e.job for e in study.history]
    worker.hello()
    assert worker.ask(write_exchange(1, 0, Outcome(Status.OK, 0.5))) is None
    assert [0, 1] == [e.job for e in study.history]
