"""Who gets into a run, who does not, and what both hear: with real processes and sockets."""

from __future__ import annotations

import dataclasses
import pickle
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from processes import QUICK, SLOW, Cluster, running, wait_until
from programs import Program, bandmaster

from bandmaster import Master, NameServer, RandomOptimizer, Worker
from bandmaster.asynccomm import connection_file, protocol
from bandmaster.asynccomm.certificates import Certificate
from bandmaster.asynccomm.naming import NAMES_OBJECT, Names
from bandmaster.asynccomm.preamble import HELLO_SIZE, PROOF_SIZE, Hello
from bandmaster.asynccomm.wire import Address, Client
from bandmaster.errors import AuthenticationError, ConfigurationError

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


def connect(address: Address, key: bytes | None) -> None:
    """Connect to a name server, and leave."""
    with Client(address, NAMES_OBJECT, key=key):
        pass


# -- the key ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "told", "logged"),
    [
        (None, "wants the run's key", "the client has no key"),
        (b"w" * 32, "another key", "another key"),
    ],
)
def test_refusals_are_told_to_the_client_and_logged_a_few_times(
    key: bytes | None, told: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong or missing key: an error that says so, a line in the log, and no flood of lines."""
    with NameServer(port=0) as names:
        for _ in range(40):
            with pytest.raises(AuthenticationError, match=told):
                connect(names.address, key)
    refused = [m for m in caplog.messages if m.startswith("refused")]
    assert 5 <= len(refused) <= 10
    assert all(logged in line for line in refused)
    assert any("more lines like these" in m for m in caplog.messages)


def test_an_impostor_hears_a_nonce_and_no_more() -> None:
    """A client stops before it sends proof or payload to a server that does not know the key."""
    heard = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def impostor() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(10)
                sock.sendall(Hello(bytes(32)).encode())
                heard.extend(sock.recv(HELLO_SIZE, socket.MSG_WAITALL))
                sock.sendall(bytes(PROOF_SIZE))
                heard.extend(sock.recv(1000))

        thread = threading.Thread(target=impostor)
        thread.start()
        with pytest.raises(AuthenticationError, match="another key"):
            connect(Address(*listener.getsockname()), b"k" * 32)
        thread.join()
    assert HELLO_SIZE == len(heard)


def test_a_recorded_handshake_opens_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """What a client said once, said again to the same server, is refused."""
    with NameServer(port=0) as names:
        assert names.key is not None
        said = _record(names.address, names.key)
        assert HELLO_SIZE + PROOF_SIZE < len(said)
        with socket.create_connection((names.address.host, names.address.port)) as sock:
            sock.settimeout(10)
            sock.sendall(said)
            heard = b""
            try:
                while chunk := sock.recv(1000):
                    heard += chunk
            except ConnectionResetError:
                pass
    assert HELLO_SIZE + PROOF_SIZE == len(heard)
    assert "does not know the run's key" in caplog.text


def _record(address: Address, key: bytes) -> bytes:
    """Return what a client sends for a preamble and a call."""
    said = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def relay() -> None:
            ours, _ = listener.accept()
            theirs = socket.create_connection((address.host, address.port))
            with ours, theirs:

                def back() -> None:
                    while chunk := theirs.recv(65536):
                        ours.sendall(chunk)

                thread = threading.Thread(target=back)
                thread.start()
                while chunk := ours.recv(65536):
                    said.extend(chunk)
                    theirs.sendall(chunk)
                theirs.shutdown(socket.SHUT_WR)
                thread.join()

        thread = threading.Thread(target=relay)
        thread.start()
        with Names(Address(*listener.getsockname()), key=key) as client:
            client.list()
        thread.join()
    return bytes(said)


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.path), "w")


def test_a_master_unpickles_nothing(tmp_path: Path) -> None:
    """The pickled exception in a worker's goodbye is for a run that made the worker itself."""
    mark = tmp_path / "unpickled"
    with Cluster(tmp_path) as cluster:
        master = cluster.master()
        with running(master, n_trials=1) as run:
            wait_until(lambda: repr(master).count("127.0.0.1"))
            with Client(master.address, protocol.DISPATCHER, key=cluster.names.key) as client:
                client.call("hello", protocol.Hello(cluster.run_id, "w", "h", 1).encode())
                goodbye = protocol.Goodbye("bye", None, "a traceback", pickle.dumps(Bomb(mark)))
                client.call("goodbye", goodbye.encode())
            cluster.worker()
            assert 1 == len(run.result(30).history)
    assert not mark.exists()


# -- without a key ------------------------------------------------------------------------------


def test_nobody_listens_beyond_loopback_without_a_key_by_accident() -> None:
    """Without insecure=True a master and a worker of an open run refuse, and say what to do."""
    with NameServer("open", host="0.0.0.0", port=0, insecure=True):
        master = Master("open", RandomOptimizer(), config_space=SPACE)
        with pytest.raises(ConfigurationError, match=r"0\.0\.0\.0 without a key.*insecure=True"):
            master.start()
        master.shutdown()
        worker = Worker("open", timeout=5).initialize(lambda config: 1.0)
        with pytest.raises(ConfigurationError, match=r"--connection-file.*insecure"):
            worker.run()


def test_an_open_run_works_when_everybody_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """insecure=True on all three: the run works, and whoever reaches a port is let in."""
    with NameServer("open", host="0.0.0.0", port=0, insecure=True) as names:
        worker = Worker("open", insecure=True).initialize(lambda config: config["x"])
        with Master("open", RandomOptimizer(), config_space=SPACE, insecure=True) as master:
            worker.run(background=True)
            assert 2 == len(master.run(n_trials=2).history)
            connect(names.address, None)
        worker.shutdown()
    assert "Run open has no key (insecure)" in caplog.text


def test_an_open_run_on_loopback_needs_no_more_words() -> None:
    """Only this machine reaches it: the name server's insecure=True is enough."""
    with NameServer("open", port=0, insecure=True):
        worker = Worker("open").initialize(lambda config: config["x"])
        with Master("open", RandomOptimizer(), config_space=SPACE) as master:
            worker.run(background=True)
            assert 2 == len(master.run(n_trials=2).history)
        worker.shutdown()


def test_a_worker_without_a_key_waits_for_its_name_server_behind_a_closed_door() -> None:
    """A worker that is early and listens everywhere is no open door."""
    worker = Worker("early", nameserver="0.0.0.0", timeout=30).initialize(
        lambda config: config["x"]
    )
    worker.run(background=True)
    with (
        NameServer("early", host="0.0.0.0"),
        Master("early", RandomOptimizer(), config_space=SPACE) as master,
    ):
        assert 2 == len(master.run(n_trials=2).history)
    worker.shutdown()
    assert worker.error is None


# -- TLS ----------------------------------------------------------------------------------------


def test_a_run_over_tls(tmp_path: Path) -> None:
    """`nameserver --tls` is enough: master and workers follow, and end with code 0."""
    (tmp_path / "space.yaml").write_text("x: {_type: uniform, _value: [0, 1]}\n")
    (tmp_path / "objective.py").write_text("def square(config): return config['x'] ** 2\n")
    run = ("--run-id", "tls")
    names = Program(bandmaster("nameserver", *run, "--port", "0", "--tls"), cwd=tmp_path)
    early = Program(bandmaster("worker", "objective:square", *run), cwd=tmp_path)
    late = Program(bandmaster("worker", "objective:square", *run, "--tls"), cwd=tmp_path)
    master = Program(
        bandmaster("master", "space.yaml", *run, "--optimizer", "Random", "--generator", "flat",
                   "--n-trials", "30"),
        cwd=tmp_path,
    )  # fmt: skip
    with early:
        early.wait_for(lambda p: "start listening" in p.err)
        with names:
            names.wait_for(lambda p: "connection file" in p.out)
            info = connection_file.read("tls")
            assert info is not None
            assert info.certificate is not None
            assert info.tls == info.certificate.fingerprint
            with pytest.raises(AuthenticationError, match="wants TLS"):
                connect(dataclasses.replace(info.address, tls=""), info.key)
            with late, master:
                assert 0 == master.finish(), master
                assert [0, 0] == [early.finish(20), late.finish(20)]
    assert [] == names.bad_lines + master.bad_lines + early.bad_lines + late.bad_lines


def test_a_parked_worker_that_is_killed_is_missed_at_once(tmp_path: Path) -> None:
    """Over TLS too: a waiter's end is noticed, and the job of who computes runs elsewhere."""
    with Cluster(tmp_path, tls=True) as cluster:
        busy = cluster.worker(SLOW.format(seconds=60), "busy")
        master = cluster.master()
        with running(master, n_trials=1) as run:
            busy.wait_for(lambda p: "begins" in p.out)
            parked = cluster.worker(QUICK, "parked")
            cluster.worker(QUICK, "spare")
            wait_until(lambda: len(master.dispatcher.waiters) == 2)
            parked.process.kill()
            assert wait_until(lambda: master.n_workers == 2) < 1.0
            busy.process.kill()
            assert 1 == len(run.result(5).history)


def test_a_name_server_that_was_killed_shows_its_certificate_again(tmp_path: Path) -> None:
    """Started anew it takes key and certificate from its file: copies of that stay good."""
    with Cluster(tmp_path, names=False) as cluster:
        names = cluster.name_server("--tls")
        before = connection_file.read(cluster.run_id)
        assert before is not None
        master = cluster.master()
        with running(master, n_trials=1) as run:
            wait_until(lambda: "127.0.0.1" in repr(master))
            names.process.kill()
            names.process.wait()
            cluster.name_server("--tls")
            after = connection_file.read(cluster.run_id)
            assert after is not None
            assert (before.key, before.tls) == (after.key, after.tls)
            cluster.worker()
            assert 1 == len(run.result(30).history)


def test_a_fork_of_a_client_leaves_its_connection_alone() -> None:
    """A child forked while there is a connection by TLS neither ends nor confuses it."""
    with NameServer("fork", port=0, tls=True) as names:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", _FORKER], capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert names.key is not None
    assert ("fine\n" * 2, "") == (done.stdout, done.stderr)


_FORKER = """
import os
from bandmaster.asynccomm.connection_file import find_nameserver
from bandmaster.asynccomm.naming import Names
address, key = find_nameserver("fork")
names = Names(address, key=key)
names.register("before", "127.0.0.1:1", lasting=False)
child = os.fork()
if not child:
    assert list(names.list()) == ["before"]  # on a connection of its own
    names.close()
    os.write(1, b"fine\\n")
    os._exit(0)
os.waitpid(child, 0)
assert list(names.list()) == ["before"]
os.write(1, b"fine\\n")
names.close()
"""


def test_a_certificate_of_ones_own(tmp_path: Path) -> None:
    """tls=(certificate, key): the file names its fingerprint, and holds no private key."""
    own = Certificate.make("mine")
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_text(own.pem)
    files[1].write_text(own.private_key)
    with NameServer("own", port=0, tls=files) as names:
        assert names.connection_file is not None
        assert own.fingerprint in names.connection_file.read_text()
        assert "PRIVATE" not in names.connection_file.read_text()
        worker = Worker("own", tls=files).initialize(lambda config: config["x"])
        with Master("own", RandomOptimizer(), config_space=SPACE, tls=files) as master:
            worker.run(background=True)
            assert 2 == len(master.run(n_trials=2).history)
            assert own.fingerprint == master.address.tls
        worker.shutdown()


def test_the_environment_says_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a connection file BANDMASTER_TLS and BANDMASTER_KEY are enough."""
    monkeypatch.setenv("BANDMASTER_KEY", "6b" * 32)
    monkeypatch.setenv("BANDMASTER_TLS", "1")
    with NameServer("env", port=0, write_connection_file=False) as names:
        port = names.address.port
        worker = Worker("env", "127.0.0.1", port).initialize(lambda config: config["x"])
        master = Master(
            "env", RandomOptimizer(), None, None, None, 1, "127.0.0.1", port, config_space=SPACE
        )
        with master:
            worker.run(background=True)
            assert 1 == len(master.run(n_trials=1).history)
            plain = dataclasses.replace(master.address, tls="")
            with pytest.raises(AuthenticationError, match="wants TLS"):
                Client(plain, protocol.DISPATCHER, key=names.key).connect()
        worker.shutdown()
    monkeypatch.setenv("BANDMASTER_TLS", "perhaps")
    with pytest.raises(ConfigurationError, match="BANDMASTER_TLS is 1 or 0"):
        connection_file.find_nameserver("env")


def test_who_insists_on_tls_joins_no_plain_run() -> None:
    """tls=True of a master in a run without TLS: an error, and nothing is said in the clear."""
    with NameServer("plain", port=0):
        master = Master("plain", RandomOptimizer(), config_space=SPACE, tls=True)
        with pytest.raises(AuthenticationError, match="does not use TLS"):
            master.start()
        master.shutdown()


def test_a_connection_file_with_another_certificate(tmp_path: Path) -> None:
    """A file that names another certificate is refused with both fingerprints."""
    with NameServer("tls", port=0, tls=True) as names:
        info = connection_file.read("tls")
        assert info is not None
        other = Certificate.make("other").fingerprint
        address = dataclasses.replace(info.address, tls=other)
        with pytest.raises(AuthenticationError, match=other):
            connect(address, info.key)
        connect(names.address, info.key)


def test_tls_needs_the_key() -> None:
    """TLS without a key would prove nothing: it is refused where it is asked for."""
    with pytest.raises(ConfigurationError, match="TLS needs the run's key"):
        NameServer("r", tls=True, insecure=True)
    with pytest.raises(ConfigurationError, match="tls is"):
        Worker("r", tls="yes")  # type: ignore[arg-type]  # what a user may give
