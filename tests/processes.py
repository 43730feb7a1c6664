"""A run with real worker processes; the name server and the master live in the test's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from programs import Program, bandmaster

from bandmaster import Master, NameServer, RandomOptimizer
from bandmaster.asynccomm.net import get_a_free_port
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.study.result import Result

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}

_WORKER = '''
import logging, os, signal, sys, time
logging.basicConfig(level=logging.INFO)
from bandmaster import Worker
{prelude}

def note(text):
    """Tell the test what happens here."""
    print(text, os.getpid(), flush=True)

{objective}

Worker(run_id={run_id!r}, nameserver={host!r}, nameserver_port={port!r}, worker_id={worker_id!r},
       timeout={timeout!r}, **{more!r}).initialize(objective).run()
'''

# The master is reached through another port, as behind a proxy or a forwarded port.
THROUGH = """
from dataclasses import replace
from bandmaster.asynccomm.naming import Names

def lookup(self, name, found=Names.lookup):
    address = found(self, name)
    return replace(address, host="127.0.0.1", port={port}) if "dispatch" in name else address

Names.lookup = lookup
"""
QUICK = "def objective(config): return config['x']"
SLOW = """
def objective(config):
    note("begins")
    time.sleep({seconds})
    note("ends")
    return config["x"]
"""


class Cluster:
    """A name server, and workers and masters of one run, all ended with the ``with`` block.

    Without `names` the name server is a process that can be killed: start it by `name_server`.
    """

    def __init__(
        self, folder: Path, run_id: str = "e2e", *, names: bool = True, tls: bool = False
    ) -> None:
        self.folder = folder
        self.run_id = run_id
        port = 0 if names else get_a_free_port(20_000)
        self.names = NameServer(run_id=run_id, host="127.0.0.1", port=port, tls=tls)
        self._serves = names
        self._stack = ExitStack()

    def __enter__(self) -> Cluster:
        if self._serves:
            self.names.start()
            self._stack.callback(self.names.shutdown)
        return self

    def name_server(self, *options: str) -> Program:
        """Start the name server in a process of its own and wait until it serves."""
        command = bandmaster("nameserver", "--run-id", self.run_id, "--port", f"{self.names.port}")
        program = self._stack.enter_context(Program([*command, *options], cwd=self.folder))
        program.wait_for(lambda p: "connection file" in p.out)
        return program

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def worker(self, objective: str = QUICK, worker_id: object = 0, **options: Any) -> Program:
        """Start a worker process that runs this source code; `more` are further arguments."""
        values = {
            "run_id": self.run_id, "host": "127.0.0.1", "port": self.names.port, "timeout": None,
            "prelude": "",
            "more": {},
        } | options  # fmt: skip
        script = self.folder / f"worker_{worker_id}.py"
        script.write_text(_WORKER.format(objective=objective, worker_id=worker_id, **values))
        return self._stack.enter_context(Program([script], cwd=self.folder))

    def master(self, **options: Any) -> Master:
        """Return a master that is shut down at the end; random search without budgets."""
        optimizer = options.pop("optimizer", None) or RandomOptimizer()
        master = Master(
            self.run_id,
            optimizer,
            options.pop("iter_generator", None) or FlatIterGenerator(),
            config_space=SPACE,
            **options,
        )
        self._stack.callback(master.shutdown)
        return master


class Running:
    """A `master.run` in a thread of its own."""

    def __init__(self, master: Master, **options: Any) -> None:
        self.master = master
        self.error: BaseException | None = None
        self._result: Result | None = None
        self._options = options
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self.master.run(**self._options)
        except BaseException as error:  # noqa: BLE001 - raised by `result`
            self.error = error

    def result(self, timeout: float = 20.0) -> Result:
        """Return what `run` returned, or raise what it raised."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"the run still runs after {timeout} s"
        if self.error is not None:
            raise self.error
        assert self._result is not None
        return self._result


@contextmanager
def running(master: Master, **options: Any) -> Iterator[Running]:
    """Run a master in the background; it is stopped when the block is left early."""
    run = Running(master, **options)
    try:
        yield run
    finally:
        master.study.stop("the test is over")
        for entry in master.study.open_jobs:
            master.dispatcher.cancel(entry.job, "the test is over")
        run._thread.join(10)


def wait_until(holds: Callable[[], object], timeout: float = 10.0) -> float:
    """Wait until something holds; returns how many seconds that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < timeout, f"not so after {timeout} s"
        time.sleep(0.005)
    return time.monotonic() - began
