"""A bad network: a TCP proxy that delays, stalls, resets, or swallows what passes."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading

_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close sends RST


class Proxy:
    """Forwards connections to a server, badly.

    Parameters
    ----------
    target : tuple of str and int
        The server.
    seed : int, default 0
        Of what happens at random.

    Attributes
    ----------
    port : int
        Where it listens, on loopback.
    delay : float
        Seconds that each piece of data takes.
    resets : float
        Probability that a connection is reset instead of a piece being forwarded.
    stalls : float
        Probability that a piece takes up to `longest_stall` seconds.
    n_resets, n_stalls : int
        How often that has happened.
    """

    def __init__(self, target: tuple[str, int], *, seed: int = 0) -> None:
        self.target = target
        self.delay = self.resets = self.stalls = 0.0
        self.longest_stall = 3.0
        self.n_resets = self.n_stalls = 0
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._links: set[_Link] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Proxy:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._flowing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset_all()
        for thread in self._threads:
            thread.join()

    def reset_all(self) -> None:
        """Reset every connection that there is."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()

    def swallow_all(self) -> None:
        """Forward nothing any more on the connections that there are, and leave them open."""
        with self._lock:
            for link in self._links:
                link.swallows = True

    def stall(self) -> None:
        """Hold back everything until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let pass what was held back."""
        self._flowing.set()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="proxy", daemon=True)  # type: ignore[arg-type]  # a callable
        with self._lock:
            self._threads = [t for t in self._threads if t.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, 5)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            link = _Link(client, server)
            with self._lock:
                self._links.add(link)
            self._start(self._pass_on, link, client, server)
            self._start(self._pass_on, link, server, client)

    def _pass_on(self, link: _Link, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(_CHUNK):
                if self._disturbed():
                    return
                self._flowing.wait()
                if not link.swallows:
                    sink.sendall(data)
        except OSError:
            return
        finally:
            link.close()
            with self._lock:
                self._links.discard(link)

    def _disturbed(self) -> bool:
        """Take the time that a piece of data takes; True when its connection is to be reset."""
        with self._lock:
            dice = self._random.random()
            seconds = self.delay
            if dice < self.resets:
                self.n_resets += 1
                return True
            if dice < self.resets + self.stalls:
                self.n_stalls += 1
                seconds += self._random.uniform(0, self.longest_stall)
        return bool(seconds) and self._closed.wait(seconds)


class _Link:
    """A connection to the proxy and the one that belongs to it."""

    def __init__(self, *ends: socket.socket) -> None:
        self.ends = ends
        self.swallows = False

    def close(self) -> None:
        for end in self.ends:
            _reset(end)


def _reset(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.shutdown(socket.SHUT_RD)  # wakes the thread that reads it, and sends nothing
    sock.close()
