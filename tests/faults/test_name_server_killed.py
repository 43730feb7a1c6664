"""A name server that is killed: the run goes on, and its processes register again."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from processes import QUICK, SLOW, Cluster, running, wait_until
from programs import Program

from bandmaster.asynccomm import connection_file
from bandmaster.asynccomm.naming import Names
from bandmaster.asynccomm.patience import until_found
from bandmaster.errors import BandmasterError, NameServerError


def key_of(cluster: Cluster) -> bytes | None:
    """Return the run's key as its connection file has it."""
    info = connection_file.read(cluster.run_id)
    assert info is not None
    return info.key


def registered(cluster: Cluster) -> set[str]:
    """Return who is registered: ``dispatcher``, and the last parts of the workers' names."""
    address, key = connection_file.find_nameserver(cluster.run_id)
    try:
        with Names(address, key=key) as names:
            return {name.rsplit(".", 1)[1] for name in names.list(f"bandmaster.{cluster.run_id}.")}
    except BandmasterError:
        return set()


def kill(program: Program) -> None:
    """End a process as the kernel does when memory is short."""
    program.process.send_signal(signal.SIGKILL)
    program.process.wait()


@pytest.mark.parametrize(
    "options", [[], ["--new-key"], ["--tls"]], ids=["same key", "new key", "TLS"]
)
def test_a_killed_name_server_is_replaced(tmp_path: Path, options: list[str]) -> None:
    """Running jobs notice nothing; all register again at its port; others may join then.

    It takes the run's key again, or, if it is told to, another one, which the master takes over.
    """
    with Cluster(tmp_path, names=False) as cluster:
        names = cluster.name_server(*(option for option in options if option == "--tls"))
        first_key = key_of(cluster)
        old = cluster.worker(SLOW.format(seconds=0.05), "old")
        master = cluster.master()
        with running(master, n_trials=10**6):
            wait_until(lambda: len(master.study.history) > 2)
            kill(names)
            before = len(master.study.history)
            wait_until(lambda: len(master.study.history) > before + 10)
            names = cluster.name_server(*options)
            wait_until(lambda: {"dispatcher", "old"} == registered(cluster))
            assert (key_of(cluster) == first_key) == ("--new-key" not in options)
            new = cluster.worker(QUICK, "new")
            wait_until(lambda: {"dispatcher", "old", "new"} == registered(cluster))
            wait_until(lambda: any(e.worker.endswith("new") for e in master.study.history))
            assert {0} == {e.attempt for e in master.study.history}
        # Its words reach the workers, whose keys have followed too.
        master.shutdown()
        assert [0, 0] == [old.finish(10), new.finish(10)]
        assert [] == old.bad_lines + new.bad_lines + names.bad_lines
        for worker in (old, new):
            assert "lost its master" not in worker.err


def test_one_that_dies_while_a_master_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A master that would have waited for it waits for the next one; any other one says so."""
    with Cluster(tmp_path, names=False) as cluster:
        names = [cluster.name_server()]

        def look_and_lose(*arguments: object, **options: object) -> object:
            found = until_found(*arguments, **options)  # type: ignore[arg-type]  # passed on
            kill(names.pop())
            return found

        monkeypatch.setattr("bandmaster.asynccomm.reception.until_found", look_and_lose)
        patient = cluster.master()
        patient.start(wait_for_nameserver=None)
        names.append(cluster.name_server())
        wait_until(lambda: {"dispatcher"} == registered(cluster))
        patient.shutdown()
        with pytest.raises(NameServerError, match="cannot be reached"):
            cluster.master().start()


def test_it_takes_its_port_again(tmp_path: Path) -> None:
    """Also one that was not chosen by the user, if it is free."""
    with Cluster(tmp_path, names=False) as cluster:
        kill(cluster.name_server())
        port, cluster.names.port = cluster.names.port, None
        assert ("127.0.0.1", port) == cluster.names.start()
        info = connection_file.read(cluster.run_id)
        cluster.names.shutdown()
        assert info is not None
        with socket.create_server(("127.0.0.1", port)):
            connection_file.write(replace(info, pid=2**22 + 1))
            cluster.names.port = None
            _, other = cluster.names.start()
            cluster.names.shutdown()
            assert port != other


def test_a_key_that_others_have_seen_is_not_taken_again(tmp_path: Path) -> None:
    """A connection file that others could read is no secret: a fresh key is made."""
    with Cluster(tmp_path, names=False) as cluster:
        kill(cluster.name_server())
        before = key_of(cluster)
        os.chmod(connection_file.path_of(cluster.run_id), 0o644)
        cluster.name_server()
        assert before != key_of(cluster)


def test_a_run_with_a_key_stays_locked(tmp_path: Path) -> None:
    """Without a connection file nobody falls for a name server that asks for no key."""
    with Cluster(tmp_path, names=False) as cluster:
        names = cluster.name_server()
        worker = cluster.worker(SLOW.format(seconds=0.05))
        master = cluster.master(nameserver="127.0.0.1", nameserver_port=cluster.names.port)
        with running(master, n_trials=10**6):
            wait_until(lambda: len(master.study.history) > 2)
            kill(names)
            connection_file.path_of(cluster.run_id).unlink()
            cluster.names._insecure = True  # at the same port
            cluster.names._write = False
            cluster.names.start()
            try:
                with Names(cluster.names.address, key=None) as impostor:
                    before = len(master.study.history)
                    wait_until(lambda: len(master.study.history) > before + 40)
                    assert {} == impostor.list(), "somebody has registered there"
            finally:
                cluster.names.shutdown()
        assert worker.process.poll() is None
