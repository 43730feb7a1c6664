"""The threads of a server: a few for all connections, more while some of them block."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from bandmaster.asynccomm.wire._connection import Connection
from bandmaster.asynccomm.wire._ready import NOTHING, Ready

__all__ = ["Crew"]

logger = logging.getLogger(__name__)

_AT_WORK = 1
_SPARE = 8
_MOST_HELD = 64  # answers
_AFTER_FAILURE = 0.1  # seconds: what fails again and again shall not fill the log and a core


class Crew:
    """Serves whichever connection is ready (leader/followers, Schmidt et al. 2000).

    A thread for each connection would be simpler. But of a thousand threads those that are ready
    fight for the interpreter's lock, and each waiter for it wakes every few milliseconds: measured
    with 1,000 workers, that cost three times as much as the work itself.

    So one thread waits for a connection that has something to say, serves one call of it, and
    waits again: more of them would only pass the interpreter's lock to and fro. A thread that is
    about to block (a parked worker, a peer that sends slowly) says so with `blocked`, and another
    one takes its place in the meantime.

    Answers that have to wait for something (a commit) are held back until no other connection is
    ready, and then let go together: the first waits for all of them.

    Parameters
    ----------
    name : str
        What the threads are called.
    serve : callable
        Serves one call of a connection that is ready; returns whether the connection lives on.
    release : callable
        Sends the answer that a connection holds back; returns likewise.
    end : callable
        Ends a connection that can be watched no more.
    """

    def __init__(
        self,
        name: str,
        serve: Callable[[Connection], bool],
        release: Callable[[Connection], bool],
        end: Callable[[Connection], None],
    ) -> None:
        self._name = name
        self._serve = serve
        self._release = release
        self._end = end
        self._ready = Ready()
        self._lock = threading.Lock()
        self._relief = threading.Condition(self._lock)
        self._connections: dict[int, Connection] = {}  # those that nobody is serving
        self._held: deque[Connection] = deque()  # those whose answers are held back
        self._threads: set[threading.Thread] = set()
        self._at_work = 0  # threads that wait for a connection or serve one, and do not block
        self._idle = 0
        self._called = 0  # idle threads that were called to work and have not come yet
        self._started = 0
        self._closed = False
        self._freed = False
        self._failed = threading.Event()  # nobody sets it: something to wait on

    def run(self, job: Callable[[], None]) -> None:
        """Run something that may block; RuntimeError when no thread can be started."""
        with self._lock:
            self._start(job)
            self._fill()

    def watch(self, connection: Connection) -> None:
        """Serve a connection from now on."""
        fd = connection.fileno()
        try:
            with self._lock:
                self._connections[fd] = connection
                if not self._closed:
                    self._ready.add(fd)
        except OSError as error:
            self._give_up(connection, fd, error)

    @contextlib.contextmanager
    def blocked(self) -> Iterator[None]:
        """Let another thread work while this one blocks."""
        try:
            with self._lock:
                self._at_work -= 1
                self._fill()
            yield
        finally:
            with self._lock:
                self._at_work += 1

    def close(self, timeout: float = 10.0) -> list[Connection]:
        """End all threads; returns the connections that nobody serves any more.

        The connections must have been hung up before. The calling thread may be one of the crew.
        """
        with self._lock:
            self._closed = True
            self._relief.notify_all()
            threads = set(self._threads)
        self._ready.stop()
        me = threading.current_thread()
        deadline = time.monotonic() + timeout
        for thread in threads - {me}:
            thread.join(max(0.0, deadline - time.monotonic()))
        stuck = sorted(thread.name for thread in threads - {me} if thread.is_alive())
        if stuck:
            logger.warning("%d handlers did not return in %g s: %s", len(stuck), timeout, stuck)
        self._leave()
        with self._lock:
            left = [*self._connections.values(), *self._held]
            self._connections = {}
            self._held.clear()
        return left

    # -- threads ---------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Call or start threads for the places that are free; the lock is held."""
        while self._at_work < _AT_WORK and not self._closed:
            if self._idle > self._called:
                self._called += 1
                self._relief.notify()
            else:
                try:
                    self._start(None)
                except RuntimeError as error:  # those at work have to do
                    logger.warning("%s cannot start another thread: %s", self._name, error)
                    return
            self._at_work += 1

    def _start(self, job: Callable[[], None] | None) -> None:
        if self._closed:
            raise RuntimeError("the server is closed")
        self._started += 1
        thread = threading.Thread(
            target=self._work, args=(job,), name=f"{self._name}-{self._started}", daemon=True
        )
        thread.start()
        self._threads.add(thread)

    def _work(self, job: Callable[[], None] | None) -> None:
        if job is not None:
            try:
                job()
            except BaseException:
                logger.exception("%s: a new connection failed", self._name)
        at_work = job is None
        try:
            while at_work or self._wait():
                at_work = not self._led()
        finally:
            self._leave(threading.current_thread())

    def _leave(self, *threads: threading.Thread) -> None:
        """Take threads off the list; after the last one of a closed crew nobody waits any more."""
        with self._lock:
            self._threads.difference_update(threads)
            if self._closed and not self._threads and not self._freed:
                self._freed = True
                self._ready.close()

    def _wait(self) -> bool:
        """Wait to be called; False when this thread is not needed any more."""
        with self._lock:
            if self._closed or self._idle >= _SPARE:
                return False
            self._idle += 1
            self._relief.wait_for(lambda: self._called or self._closed)
            self._idle -= 1
            if self._closed:
                return False
            self._called -= 1
            return True

    def _led(self) -> bool:
        """Lead until there are too many at work; False when that failed and is to go on."""
        try:
            self._lead()
        except BaseException:  # its place would be empty for good
            logger.exception("%s: serving failed, and goes on", self._name)
            if not self._closed:
                self._failed.wait(_AFTER_FAILURE)
                return False
        return True

    def _lead(self) -> None:
        """Serve what is ready until there are too many at work."""
        # Taking from a dictionary and looking at a number need no lock.
        while True:
            fd = self._ready.wait(blocking=not self._held)
            if fd == NOTHING or len(self._held) >= _MOST_HELD:
                self._let_go()
            if fd != NOTHING:
                connection = None if fd is None else self._connections.pop(fd, None)
                if connection is not None and self._step(connection, self._serve):
                    self._held.append(connection)
            if fd is not None and self._at_work <= _AT_WORK:
                continue
            self._let_go()  # whoever else is at work may be waiting already
            with self._lock:
                if fd is None or self._at_work > _AT_WORK:
                    self._at_work -= 1
                    return

    def _let_go(self) -> None:
        """Send all answers that are held; should one block, another thread sends the rest."""
        while self._held:
            try:
                connection = self._held.popleft()
            except IndexError:  # another thread was faster
                return
            while self._step(connection, self._release):
                pass

    def _step(self, connection: Connection, act: Callable[[Connection], bool]) -> bool:
        """Serve or release a connection; returns whether it holds an answer now."""
        try:
            alive = act(connection)
            # What it has read more than it used, the poller does not know of.
            while alive and connection.held is None and connection.pending:
                alive = self._serve(connection)
        except BaseException:
            logger.exception("the connection of %s failed", connection.peer)
            return False
        if not alive or connection.held is not None:
            return alive
        fd = connection.fileno()
        self._connections[fd] = connection
        try:
            if not self._closed:
                self._ready.arm(fd)
        except OSError as error:
            self._give_up(connection, fd, error)
        return False

    def _give_up(self, connection: Connection, fd: int, error: OSError) -> None:
        """End a connection that the system does not watch."""
        logger.error("the connection of %s cannot be watched: %s", connection.peer, error)
        with self._lock:
            mine = self._connections.pop(fd, None) is connection  # and not of who closes the crew
        if mine:
            self._end(connection)
