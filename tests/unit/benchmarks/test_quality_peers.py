"""Peers in processes of their own: what they are told, and what comes back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.errors import SpaceError
from bandmaster.examples.automl import HDL
from bandmaster.space import Condition, Float, GreaterThan, Integer, Space, compile_space
from bandmaster.testing.driver import Driver
from bandmaster.testing.problems import ackley_mixed, conditional_classifier
from benchmarks.quality.peers import PEERS, remote, why_missing
from benchmarks.quality.peers.optuna_peer import OptunaPeer
from benchmarks.quality.peers.remote import PeerError, RemotePeer, describe


class Uniform(RemotePeer):
    name = "Uniform"


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[RemotePeer]:
    """Give a peer that runs in this Python."""
    monkeypatch.setattr(remote, "python_of", lambda name: Path(sys.executable))
    yield Uniform(seed=1)
    remote.close_hosts()


@pytest.mark.parametrize("hdl", [ackley_mixed().space, conditional_classifier().space, HDL])
def test_what_a_peer_proposes_is_legal(peer: RemotePeer, hdl: dict[str, object]) -> None:
    """Floats, integers, steps, logs, choices of any type, conditions, forbidden clauses."""
    driver = Driver(peer, hdl)
    for _ in range(30):
        job = driver.start()  # checks that it is legal
        driver.finish(job, 1.0 if job.number % 3 else None)
    assert 30 == len(peer.history)
    assert peer.remote_seconds > 0


def test_what_a_peer_raises_arrives(peer: RemotePeer) -> None:
    """An exception on the other side is raised on this one, with its story."""
    Driver(peer, ackley_mixed().space)
    with pytest.raises(PeerError, match="nobody"):
        peer.say("ask", nobody=1)


def test_one_process_serves_many_runs(peer: RemotePeer) -> None:
    """A second run begins anew in the same process; after an error there is a new process."""
    problem = ackley_mixed()
    first = Driver(peer, problem.space).ask()
    process = remote.host_of("Uniform").process
    again = Driver(Uniform(seed=1), problem.space)
    assert first == again.ask()
    assert process is remote.host_of("Uniform").process
    with pytest.raises(PeerError):
        peer.say("nonsense", nobody=1)
    assert process is not remote.host_of("Uniform").process


def test_a_space_as_peers_read_it() -> None:
    """Parents first; children say with which indices of which parents they are active."""
    space = compile_space({"a(choice)": {"x": {"n": {"_type": "int_uniform", "_value": [1, 9]}},
                                         "y": {}}})  # fmt: skip
    first, second = describe(space)
    assert ("choice", 2, []) == (first["kind"], first["n"], first["when"])
    assert ("int", 1, 9, [[first["name"], [0]]]) == (
        second["kind"], second["low"], second["high"], second["when"],
    )  # fmt: skip


def test_a_condition_that_peers_do_not_know_is_refused() -> None:
    """Better no figure than one of another space."""
    space = Space(
        [Integer("n", 0, 9), Float("x", 0, 1)], conditions=[Condition("x", GreaterThan("n", 3))]
    )
    with pytest.raises(SpaceError, match="peers do not know the condition"):
        describe(space)


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every peer says what it lacks, so that a round goes on without it."""
    monkeypatch.setenv("BANDMASTER_PEERS", str(tmp_path))
    assert all("environment" in why_missing(name) for name in PEERS if name != "Optuna")


def test_optuna_learns_objectives_and_constraints() -> None:
    """Each objective is a direction of its study, each constraint a violation of its trial."""
    objectives = Objectives([
        Metric("cost"), Metric("gain", objective="maximize"),
        Metric("heat", strategy="constraint", threshold=2.0),
    ])  # fmt: skip
    peer = OptunaPeer(seed=0)
    driver = Driver(peer, ackley_mixed().space, objectives=objectives)
    driver.finish(driver.start(), 1.0, metrics={"cost": 1.0, "gain": 3.0, "heat": 5.0})
    driver.finish(driver.start(), None)
    first, second = peer.study.trials
    assert ["MINIMIZE", "MAXIMIZE"] == [d.name for d in peer.study.directions]
    assert [1.0, 3.0] == first.values
    assert "FAIL" == second.state.name
    assert (3.0,) == first.system_attrs["constraints"]
