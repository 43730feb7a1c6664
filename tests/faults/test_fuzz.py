"""Twenty thousand frames against a name server and a master, which then go on as before."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import fuzz_frames
from processes import wait_until
from programs import Program

from bandmaster.asynccomm import connection_file
from bandmaster.asynccomm.naming import Names, dispatcher_name
from bandmaster.asynccomm.preamble import greet_server
from bandmaster.asynccomm.wire import Address
from bandmaster.asynccomm.wire._tls import securing_client
from bandmaster.errors import CommError

SEED = int(os.environ.get("BANDMASTER_FUZZ_SEED", "3"))
COUNTS = 5_000, 5_000, 11_000
"""Before the preamble, frames after it, and payloads of good frames."""
ATTACKERS = 4

_TARGET = """
import logging
logging.basicConfig(level=logging.INFO)
from bandmaster import Master, NameServer, RandomOptimizer
with NameServer("fuzz", port=0, tls=TLS) as names:
    with Master("fuzz", RandomOptimizer(),
                config_space={"x": {"_type": "uniform", "_value": [0, 1]}}) as master:
        master.start()
        print("ready", flush=True)
        print("best", master.run(n_trials=5).best_loss, flush=True)
"""
_WORKER = """
from bandmaster import Worker
Worker("fuzz").initialize(lambda config: config["x"]).run()
"""


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def target(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Program]:
    """Run a name server and a master, which waits for a worker."""
    script = tmp_path / "target.py"
    script.write_text(_TARGET.replace("TLS", str(request.param)))
    with Program([script], cwd=tmp_path) as program:
        program.wait_for(lambda p: "ready" in p.out)
        yield program


def measure(pid: int) -> dict[str, int]:
    """Return memory now and at most (MB), threads and descriptors of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    numbers = {k: int(v) for k, v in re.findall(r"^(VmRSS|VmHWM|Threads):\s+(\d+)", status, re.M)}
    return {
        "rss": numbers["VmRSS"] // 1024,
        "peak": numbers["VmHWM"] // 1024,
        "threads": numbers["Threads"],
        "files": len(os.listdir(f"/proc/{pid}/fd")),
    }


def greet(sock: socket.socket, place: Address, key: bytes) -> socket.socket:
    """Go through the preamble; returns the socket to use."""
    secure = securing_client(place.tls, lambda _: None) if place.tls else None
    return greet_server(sock, key, timeout=20, secure=secure)


class Attacker:
    """Sends its share of the frames."""

    def __init__(self, number: int, places: list[Address], key: bytes, mark: Path) -> None:
        self.rng = random.Random(f"{SEED}/{number}")
        self.places = places
        self.key = key
        self.mark = mark
        self.sent = 0
        self.calls: dict[Address, socket.socket] = {}

    def strike(self, before: int, wire: int, payloads: int) -> None:
        """Send so many of each kind."""
        kinds: list[Callable[[], None]] = (
            [self.before] * before + [self.wire] * wire + [self.payload] * payloads
        )
        self.rng.shuffle(kinds)
        try:
            for kind in kinds:
                kind()
                self.sent += 1
        finally:
            for sock in self.calls.values():
                sock.close()

    def before(self) -> None:
        """Send something in place of a preamble."""
        with self._connect() as sock:
            self._send_and_leave(sock, fuzz_frames.before(self.rng))

    def wire(self) -> None:
        """Send a frame that no client sends."""
        with self._greeted(self.rng.choice(self.places)) as sock:
            self._send_and_leave(sock, fuzz_frames.wire(self.rng))

    def payload(self) -> None:
        """Make a call with an argument that no client has; its error is an answer."""
        place = self.rng.choice(self.places)
        sock = self.calls.get(place)
        if sock is None:
            sock = self.calls[place] = self._greeted(place)
        sock.sendall(fuzz_frames.call(*fuzz_frames.payload(self.rng, self.mark)))
        header = self._receive(sock, 40)
        assert len(header) == 40, "the call ended its connection"
        (size,) = struct.unpack_from("!I", header, 12)
        assert len(self._receive(sock, size)) == size

    def _receive(self, sock: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size and (chunk := sock.recv(size - len(data))):
            data += chunk
        return data

    def _connect(self) -> socket.socket:
        place = self.rng.choice(self.places)
        return socket.create_connection((place.host, place.port), timeout=20)

    def _greeted(self, place: Address) -> socket.socket:
        """Return a connection past the preamble, which a busy machine may make take too long."""
        for attempt in range(5):
            sock = socket.create_connection((place.host, place.port), timeout=20)
            try:
                sock = greet(sock, place, self.key)
            except CommError:
                sock.close()
                if attempt == 4:
                    raise
            else:
                sock.settimeout(20)
                return sock
        raise AssertionError("the last attempt returns or raises")

    def _send_and_leave(self, sock: socket.socket, data: bytes) -> None:
        with contextlib.suppress(OSError):  # it may have been thrown out already
            if self.rng.random() < 0.02:
                for position in range(min(len(data), 60)):
                    sock.sendall(data[position : position + 1])
            sock.sendall(data)
            if self.rng.random() < 0.2:  # not even a farewell
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass


def attack(places: list[Address], key: bytes, mark: Path, counts: tuple[int, int, int]) -> int:
    """Send so many frames of each kind from several threads; returns how many were sent."""
    attackers = [Attacker(n, places, key, mark) for n in range(ATTACKERS)]
    errors: list[BaseException] = []

    def run(attacker: Attacker) -> None:
        try:
            attacker.strike(*(count // ATTACKERS for count in counts))
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(attacker,)) for attacker in attackers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(attacker.sent for attacker in attackers)


@contextlib.contextmanager
def slow_loris(places: list[Address], key: bytes) -> Iterator[None]:
    """Hold connections that say nothing, or a byte now and then, before and after the preamble."""
    done = threading.Event()
    with contextlib.ExitStack() as stack:
        sockets = []
        for place in places * 10:
            silent = stack.enter_context(socket.create_connection((place.host, place.port)))
            inside = stack.enter_context(socket.create_connection((place.host, place.port)))
            sockets += [silent, stack.enter_context(greet(inside, place, key))]

        def drip() -> None:
            data = fuzz_frames.call(fuzz_frames.OBJECTS[0], "list", bytes(1000))
            for position in range(len(data)):
                for sock in sockets:
                    with contextlib.suppress(OSError):
                        sock.send(data[position : position + 1])
                if done.wait(0.2):
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@pytest.mark.timeout(300)
def test_twenty_thousand_frames(target: Program, tmp_path: Path) -> None:
    """Alive, its memory flat, no thread or descriptor more, and few lines in its log.

    The seed is in the error's text; BANDMASTER_FUZZ_SEED repeats it.
    """
    info = connection_file.read("fuzz")
    assert info is not None
    assert info.key is not None
    with Names(info.address, key=info.key) as names:
        places = [info.address, names.lookup(dispatcher_name("fuzz"))]
    mark = tmp_path / "unpickled"
    pid = target.process.pid
    try:
        # TLS has its own tests: here it is about what is said inside and in its place.
        counts = tuple(count // 20 for count in COUNTS) if info.tls else COUNTS
        # Allocators and pools grow to their size first.
        sent = attack(places, info.key, mark, (400, 400, 800))
        wait_until(lambda: measure(pid)["threads"] < 30, 10)
        first, lines = measure(pid), target.err.count("\n")
        began = time.monotonic()
        with slow_loris(places, info.key):
            sent += attack(places, info.key, mark, counts)
        took = time.monotonic() - began
        assert sent >= (2_000 if info.tls else 20_000)
        assert target.process.poll() is None
        wait_until(lambda: measure(pid)["files"] <= first["files"] + 2, 10)
        wait_until(lambda: measure(pid)["threads"] <= first["threads"] + 10, 10)
        last = measure(pid)
        print(f"{sent} frames in {took:.0f} s: {first} → {last}")
        assert last["rss"] - first["rss"] < 20
        assert last["peak"] - first["rss"] < 100
        # Of each of the two servers five lines and a count in ten seconds; of tracebacks none.
        assert target.err.count("\n") - lines < 2 * 7 * (took / 10 + 2)
        assert "Traceback" not in target.err
        assert not mark.exists()
        script = tmp_path / "worker.py"
        script.write_text(_WORKER)
        with Program([script], cwd=tmp_path) as worker:
            assert target.finish(60) == 0
            assert worker.finish(20) == 0
    except (AssertionError, OSError, CommError) as error:
        raise AssertionError(f"seed {SEED}: {error}\n{target.err[-5000:]}") from error
    assert "best " in target.out
