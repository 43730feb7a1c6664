"""`bandmaster doctor`: each thing that goes wrong in practice is named, with what to do."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bandmaster import Master, NameServer, RandomOptimizer, Worker
from bandmaster.asynccomm import about, connection_file
from bandmaster.asynccomm.about import About
from bandmaster.cli import main
from bandmaster.cli.checks import Checkup
from bandmaster.cli.finding import Finding

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


@pytest.fixture
def names() -> Iterator[NameServer]:
    """Run the name server of run `sick`."""
    with NameServer("sick", port=0) as server:
        yield server


def check(*, timeout: float = 2.0, **options: object) -> dict[str, Finding]:
    """Return the last finding on each subject."""
    checkup = Checkup("sick", timeout=timeout, **options)  # type: ignore[arg-type]  # a test's
    return {finding.subject: finding for finding in checkup.run()}


def only_failure(findings: dict[str, Finding]) -> Finding:
    """Return the finding that fails; there is one, and it is the last."""
    assert ["fail"] == [f.level for f in findings.values() if f.level == "fail"]
    last = list(findings.values())[-1]
    assert "fail" == last.level
    assert last.advice
    return last


def info() -> connection_file.ConnectionInfo:
    """Return the connection file's content."""
    found = connection_file.read("sick")
    assert found is not None
    return found


def test_a_healthy_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is ok, the workers are counted, and the exit code is 0."""
    with NameServer("sick", port=0, tls=True):
        worker = Worker("sick").initialize(lambda config: config["x"])
        with Master("sick", RandomOptimizer(), config_space=SPACE) as master:
            master.start()
            worker.run(background=True)
            assert master.dispatcher.sessions.wait_for_count(1, timeout=20)
            code = main(["doctor", "--run-id", "sick"])
        worker.shutdown()
    out = capsys.readouterr().out
    assert 0 == code, out
    assert {"ok"} == set(re.findall(r"^(ok|warn|fail) ", out, re.M))
    assert re.search(r"workers +1 connected", out)
    assert "key and TLS" in out
    assert re.search(r"the master on \S+ has bandmaster \d", out)


def test_no_connection_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Which file is missing, which runs there are, what to do; the exit code is 1."""
    with NameServer("another", port=0):
        assert 1 == main(["doctor", "--run-id", "sick"])
    out = capsys.readouterr().out
    assert "sick.json" in out
    assert "runs with a file here: another" in out
    assert "→ start the name server" in out


def test_a_run_without_a_key_needs_no_file() -> None:
    """With --insecure, host and port are enough, as for a worker."""
    with NameServer("sick", port=0, insecure=True) as server:
        where = {"host": server.address.host, "port": server.address.port}
        connection_file.path_of("sick").unlink()
        assert "fail" == check(**where)["connection file"].level
        found = check(insecure=True, **where)
    assert ("ok", "ok") == (found["connection file"].level, found["name server"].level)
    assert "fail" not in {finding.level for finding in found.values()}


def test_no_run_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    """A server is named, but neither a run id nor a run: a usage error."""
    assert 2 == main(["doctor", "--port", "1"])
    assert "--run-id is missing" in capsys.readouterr().err


def left_behind(run_id: str) -> None:
    """Write what a name server leaves that was killed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    connection_file.write(
        connection_file.ConnectionInfo(run_id, "127.0.0.1", port, b"k" * 32, pid=2**22 + 1)
    )


def test_the_only_run_is_looked_at_also_when_its_name_server_was_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """That is what goes wrong; it is said, with what to do, and the exit code is 1."""
    left_behind("sick")
    assert 1 == main(["doctor"])
    out = capsys.readouterr().out
    assert "there is no such process any more" in out
    assert "start it again" in out
    assert re.search(r"^fail +name server +\S+ refuses the connection", out, re.M)


def test_dead_runs_are_named_where_they_are_not_looked_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One that lives is looked at first; of several one has to be named."""
    left_behind("old")
    left_behind("older")
    assert 0 == main(["doctor"])
    dead = "old (its name server has died), older (its name server has died)"
    out = capsys.readouterr().out
    assert re.search(r"^ok +run +not looked at: (.*)$", out, re.M)[1] == (  # type: ignore[index]
        f"there are {dead}: name one with --run-id"
    )
    with NameServer("sick", port=0):
        assert 0 == main(["doctor"])
        out = capsys.readouterr().out
        assert re.search(r"^ok +name server", out, re.M)
        assert re.search(r"^ok +other runs +not looked at: (.*)$", out, re.M)[1] == dead  # type: ignore[index]
        with NameServer("well", port=0):
            assert 0 == main(["doctor"])
    assert f"there are sick, well, {dead}: name one" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["BANDMASTER_NAMESERVER", "BANDMASTER_KEY"])
def test_a_run_that_the_environment_means_is_not_passed_over(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker with it would ask for the run's id, so that a doctor who says "none" would lie."""
    monkeypatch.setenv(name, "127.0.0.1:1")
    assert 2 == main(["doctor"])
    assert "--run-id is missing" in capsys.readouterr().err


def test_a_connection_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says which run; where it is not, that is what fails."""
    path = tmp_path / "copied.json"
    monkeypatch.setenv("BANDMASTER_CONNECTION_FILE", str(path))
    assert 1 == main(["doctor"])
    assert "there is no connection file" in capsys.readouterr().out
    with NameServer("sick", port=0) as server:
        assert server.connection_file is not None
        server.connection_file.rename(path)
        assert 0 == main(["doctor"])
    assert re.search(r"^ok +name server", capsys.readouterr().out, re.M)


def test_a_loose_connection_file(names: NameServer) -> None:
    """A file that others can read is refused, with the command that mends it."""
    assert names.connection_file is not None
    names.connection_file.chmod(0o644)
    failure = only_failure(check())
    assert "connection file" == failure.subject
    assert f"chmod 600 {names.connection_file}" in failure.advice
    names.connection_file.chmod(0o600)


def test_a_malformed_connection_file(
    names: NameServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that cannot be read as one is named, whether found or given."""
    path = tmp_path / "other.json"
    path.write_text("{")
    path.chmod(0o600)
    assert "malformed" in only_failure(check(connection_file=str(path))).found
    assert 1 == main(["doctor", "--connection-file", str(path)])
    assert "malformed" in capsys.readouterr().out


def test_a_file_of_another_user(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of somebody else is refused."""
    monkeypatch.setattr(connection_file.os, "geteuid", lambda: os.getuid() + 1)
    assert "another user" in only_failure(check()).found


def test_a_name_server_that_died(names: NameServer) -> None:
    """A file that was left behind is told from one that is alive, and nobody listens there."""
    left = dataclasses.replace(info(), pid=2**22 + 1)
    names.shutdown()
    connection_file.write(left)
    findings = check()
    assert "warn" == findings["connection file"].level
    assert "start it again" in findings["connection file"].advice
    failure = only_failure(findings)
    assert "refuses the connection" in failure.found
    assert "is it running" in failure.advice


def test_no_answer() -> None:
    """Silence is a firewall or a wrong address, and costs the timeout only."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:  # the queue is full then: what comes next is dropped
                filler.setblocking(False)
                filler.connect_ex(place)
            connection_file.write(connection_file.ConnectionInfo("sick", *place, b"k" * 32))
            failure = only_failure(check(timeout=0.3))
        finally:
            for filler in fillers:
                filler.close()
    assert "does not answer within 0.3 s" in failure.found
    assert "firewall" in failure.advice


def test_an_unknown_host(names: NameServer) -> None:
    """A host's name that nobody knows is said to be that."""
    failure = only_failure(check(host="no-such-host.invalid"))
    assert "the name 'no-such-host.invalid' is unknown here" in failure.found


def test_a_wrong_key(names: NameServer) -> None:
    """The key of an older connection file is not called a network problem."""
    connection_file.write(dataclasses.replace(info(), key=b"x" * 32))
    failure = only_failure(check())
    assert "key" == failure.subject
    assert "another key" in failure.found


def test_a_wrong_certificate(names: NameServer) -> None:
    """TLS at one end only, or another certificate, is told likewise."""
    connection_file.write(dataclasses.replace(info(), tls="ab" * 32))
    assert "does not use TLS" in only_failure(check()).found


@pytest.mark.parametrize(
    ("there", "here", "found", "advice"),
    [
        (True, {"tls": "", "certificate": None}, "uses TLS, and here the connection file",
         "copy it anew from the name server's machine"),
        (True, {"tls": "ab" * 32}, "another certificate", "copy the connection file"),
        (False, {"tls": "ab" * 32}, "does not use TLS, and here the connection file",
         "start the name server with --tls"),
        (False, "--tls", "--tls insists on it", "or leave out --tls here"),
        (True, "", "there is no connection file, no --tls, and no BANDMASTER_TLS",
         "set BANDMASTER_TLS=1, or give --tls"),
        (True, "0", "BANDMASTER_TLS is 0", "set BANDMASTER_TLS=1, or give --tls"),
        (False, "1", "BANDMASTER_TLS is 1", "or set BANDMASTER_TLS=0 here"),
    ],
)  # fmt: skip
def test_tls_at_one_end_only(
    monkeypatch: pytest.MonkeyPatch, there: bool, here: object, found: str, advice: str
) -> None:
    """What each end does, what says so here, and how to bring them together."""
    with NameServer("sick", port=0, tls=there):
        known = info()
        if isinstance(here, dict):
            connection_file.write(dataclasses.replace(known, **here))
        elif here != "--tls":
            connection_file.path_of("sick").unlink()
            monkeypatch.setenv("BANDMASTER_KEY", known.key.hex())
            monkeypatch.setenv("BANDMASTER_NAMESERVER", f"{known.host}:{known.port}")
            monkeypatch.setenv("BANDMASTER_TLS", str(here))
        failure = only_failure(check(**({"tls": True} if here == "--tls" else {})))
        if isinstance(here, dict):
            connection_file.write(known)
    assert "TLS" == failure.subject
    assert found in failure.found
    assert advice in failure.advice


def test_something_else_listens_there(names: NameServer) -> None:
    """A port of another program is said to be that."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        connection_file.write(dataclasses.replace(info(), port=other.getsockname()[1]))

        import threading

        def answer() -> None:
            for _ in range(2):
                sock, _ = other.accept()
                with sock:
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b" " * 48)

        thread = threading.Thread(target=answer)
        thread.start()
        failure = only_failure(check())
        thread.join()
    assert "does not speak Bandmaster" in failure.found
    assert "another program listens" in failure.advice


def test_a_stopped_name_server(names: NameServer) -> None:
    """One that takes connections and says nothing is given up in the time given."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection_file.write(dataclasses.replace(info(), port=silent.getsockname()[1]))
        failure = only_failure(check(timeout=0.2))
    assert "did not finish the preamble" in failure.found
    assert "stopped" in failure.advice


def seen_as(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Have processes say something else of themselves."""

    def handle(self: object, peer: object, method: str, payload: bytes) -> bytes:
        return dataclasses.replace(About.this("name server"), **changes).encode()  # type: ignore[arg-type]  # a test's

    monkeypatch.setattr(about.AboutHandler, "handle", handle)


@pytest.mark.parametrize(
    ("changes", "level"), [({"version": "0.0.9"}, "warn"), ({"protocols": "1/0"}, "fail")]
)
def test_other_versions(
    names: NameServer, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], level: str
) -> None:
    """Another release at the other end is a warning; another protocol does not work."""
    seen_as(monkeypatch, **changes)
    finding = check()["versions"]
    assert level == finding.level
    assert next(iter(changes.values())) in finding.found  # type: ignore[operator]  # they are texts
    assert "same release" in finding.advice


def test_a_name_server_of_another_protocol(
    names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that cannot even connect is a matter of versions."""
    from bandmaster.asynccomm import preamble

    monkeypatch.setattr(preamble, "_check_version", _refuse)
    assert "versions" == only_failure(check()).subject


def _refuse(hello: object, who: str) -> None:
    from bandmaster.errors import ProtocolVersionError

    if who == "server":
        raise ProtocolVersionError("the server speaks protocol version 9")


@pytest.mark.parametrize(("ahead", "level"), [(0.0, "ok"), (90.0, "warn"), (-90.0, "warn")])
def test_clocks(
    names: NameServer, monkeypatch: pytest.MonkeyPatch, ahead: float, level: str
) -> None:
    """The clock of another machine is compared with ours."""
    seen_as(monkeypatch, host="far-away", time=About.this("").time + ahead)
    finding = check()["clocks"]
    assert level == finding.level
    if ahead:
        assert re.search(r"is (89|90)\.\d s " + ("ahead" if ahead > 0 else "behind"), finding.found)


def test_no_master_yet(names: NameServer) -> None:
    """A run without a master is no failure: workers wait for it."""
    finding = check()["master"]
    assert "warn" == finding.level
    assert "start the master of run 'sick'" in finding.advice


def test_a_master_that_cannot_be_reached(names: NameServer) -> None:
    """The address that workers are told is tried, and what its silence or refusal means is said."""
    from bandmaster.asynccomm.naming import Names, dispatcher_name

    with socket.socket() as closed, Names(names.address, key=names.key) as client:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        client.register(dispatcher_name("sick"), f"127.0.0.1:{port}")
        failure = only_failure(check())
    assert "master" == failure.subject
    assert f"127.0.0.1:{port} refuses the connection" in failure.found


def test_no_workers(names: NameServer) -> None:
    """A master without workers is a warning with the command that starts one."""
    with Master("sick", RandomOptimizer(), config_space=SPACE) as master:
        master.start()
        finding = check()["workers"]
    assert "warn" == finding.level
    assert "bandmaster worker module:function --run-id sick" in finding.advice


def test_a_run_without_a_key() -> None:
    """An open run is called one."""
    with NameServer("sick", port=0, insecure=True):
        assert "has no key" in check()["protection"].found


def test_the_environment_in_place_of_a_file(
    names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the key comes from the environment, no file is missed."""
    assert names.key is not None
    monkeypatch.setenv("BANDMASTER_KEY", names.key.hex())
    monkeypatch.setenv("BANDMASTER_NAMESERVER", f"127.0.0.1:{names.address.port}")
    assert names.connection_file is not None
    names.connection_file.unlink()
    findings = check()
    assert "are set" in findings["connection file"].found
    assert "ok" == findings["key"].level


def test_few_descriptors(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A low limit of open files is a warning."""
    from bandmaster.cli import machine

    monkeypatch.setattr(machine, "default_max_connections", lambda: 100)
    assert "ulimit" in check()["open files"].advice
