"""A search whose processes and network fail at random; see ``tests/faults/soak.py``."""

from __future__ import annotations

import heapq
import itertools
import random
import re
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from invariants import Acknowledged, check_replay, violations
from lab import Lab
from processes import SPACE, THROUGH
from programs import Program, bandmaster
from proxy import Proxy

from bandmaster import ETPEOptimizer, HyperBandIterGenerator
from bandmaster.core import events as ev
from bandmaster.storage import MemoryJournal, open_storage
from bandmaster.study import Study

RUN = "soak"
NAMES_PORT, MASTER_PORT = 9090, 9191
N_WORKERS = 6
BRACKETS_MORE = 30  # that a master is given at a time
_FINISH_WITHIN = 120.0
_EXPECTED = re.compile(r"Evaluation \d+ .* failed")  # is what the objective does sometimes

WORKER = """
import logging, os, time
logging.basicConfig(level=logging.INFO)
from bandmaster import Worker
from bandmaster.asynccomm import worker as module
module._PATIENCE = 8.0  # instead of 90: swallowed connections are among what happens
PRELUDE

def objective(config, budget, job, context):
    print("begins", job.number, job.attempt, time.time(), flush=True)
    odd = int(config["x"] * 1e6) % 50
    time.sleep(1.5 if odd == 1 else 0.02 * budget)
    if odd == 2:
        print("fails", job.number, job.attempt, flush=True)
        raise ValueError("this one always fails")
    if odd > 40:
        context.report(config["x"])
    print("ends", job.number, job.attempt, flush=True)
    return config["x"] / budget

Worker(run_id="soak", nameserver="NEAR", worker_id="NAME").initialize(objective).run()
"""
MASTER = """
import logging
from pathlib import Path
logging.basicConfig(level=logging.INFO)
from bandmaster import ETPEOptimizer, HyperBandIterGenerator, Master
master = Master(
    "soak", ETPEOptimizer(), HyperBandIterGenerator(1, 9, 3), checkpoint_file="study.db",
    nameserver="NEAR", port=PORT, config_space=SPACE, job_timeout=4.0, max_retries=100,
)
# Masters die here more often than the 30 s for which they wait for jobs of workers that died too.
master.dispatcher._losses._grace = 3.0
try:
    master.start(wait_for_nameserver=None)
    master.run(n_iterations=int(Path("plan").read_text()))
finally:
    master.shutdown(shutdown_workers=False)
"""


class Soak:
    """The processes of one search, and what happens to them.

    Parameters
    ----------
    folder : Path
        For the journal, the logs and the scripts.
    seed : int
        Decides what happens and, but for the speed of the machine, when.

    Attributes
    ----------
    complaints : list of str
        What must hold and did not; complete after `run`.
    """

    def __init__(self, folder: Path, *, seed: int) -> None:
        self.folder = folder
        self.complaints: list[str] = []
        self._seed = seed
        self._rng = random.Random(seed)
        self._stack = ExitStack()
        self._numbers = itertools.count()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._happened: Counter[str] = Counter()
        self._heard: list[Acknowledged] = []
        self._workers: dict[str, Program] = {}
        self._master: Program | None = None
        self._names: Program | None = None
        self._brackets = 0
        self._evaluations = 0

    def __enter__(self) -> Soak:
        self._lab = self._stack.enter_context(Lab(here=True))
        self._proxy = self._stack.enter_context(Proxy(("127.0.0.1", MASTER_PORT), seed=self._seed))
        self._script("master", MASTER.replace("PORT", f"{MASTER_PORT}"))
        self._raise_plan()
        return self

    def __exit__(self, *_: object) -> None:
        for program in (*self._workers.values(), self._master, self._names):
            if program is not None:
                program.__exit__(None, None, None)
        self._stack.close()

    @property
    def summary(self) -> str:
        """What was done."""
        happened = ", ".join(f"{count} × {what}" for what, count in sorted(self._happened.items()))
        return (
            f"seed {self._seed}: {self._evaluations} evaluations in {self._brackets} brackets, "
            f"{len(self._heard)} acknowledgements seen; {happened}; the proxy reset "
            f"{self._proxy.n_resets} connections"
        )

    def run(self, seconds: float) -> None:
        """Let things fail for a while, then let the search end, and look whether all is well."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.complaints:
            self._keep_up()
            [what] = self._rng.choices(
                list(self._faults), [weight for weight, _ in self._faults.values()]
            )
            self._happened[what] += 1
            self._faults[what][1](self)
            self._pause(self._rng.uniform(0.2, 1.2))
        self._end_well()
        self._check()

    # -- keeping it going -----------------------------------------------------------------------

    def _keep_up(self) -> None:
        """Start again what has ended; masters end well when their brackets have."""
        if self._names is None or self._names.process.poll() is not None:
            self._names = self._replace(self._names, self._start_names)
        if self._master is not None and self._master.process.poll() == 0:
            self._raise_plan()
        if self._master is None or self._master.process.poll() is not None:
            self._master = self._replace(self._master, self._start_master)
        for name, worker in list(self._workers.items()):
            if worker.process.poll() is not None:
                self._reap(worker)
                del self._workers[name]
        while len(self._workers) < N_WORKERS:
            self._join()

    def _replace(self, old: Program | None, start: Callable[[], Program]) -> Program:
        if old is not None:
            self._reap(old)
        return start()

    def _start_names(self) -> Program:
        command = bandmaster("nameserver", "--run-id", RUN, "--host", Lab.NEAR)
        return self._start([*command, "--port", f"{NAMES_PORT}"])

    def _start_master(self) -> Program:
        return self._start([*Program(["master.py"], cwd=self.folder).command])

    def _join(self) -> None:
        """Start a worker: on the far machine, behind the proxy, or here."""
        number = next(self._numbers)
        kind = ("far", "proxy", "near")[number % 3]
        name = f"{kind}-{number}"
        prelude = THROUGH.format(port=self._proxy.port) if kind == "proxy" else ""
        self._script(name, WORKER.replace("PRELUDE", prelude).replace("NAME", name))
        machine = self._lab.far if kind == "far" else []
        command = Program([f"{name}.py"], cwd=self.folder).command
        self._workers[name] = self._start([*machine, *command])

    def _raise_plan(self) -> None:
        self._brackets += BRACKETS_MORE
        (self.folder / "plan").write_text(str(self._brackets))

    def _script(self, name: str, text: str) -> None:
        text = text.replace("SPACE", repr(SPACE)).replace("NEAR", Lab.NEAR)
        (self.folder / f"{name}.py").write_text(text)

    def _start(self, command: list[str]) -> Program:
        return Program(command, cwd=self.folder).__enter__()

    def _reap(self, program: Program) -> None:
        """Read what a process that has ended has left."""
        code = program.process.wait()
        # -SIGTERM: dismissed before it had begun to listen to signals.
        if code not in (0, -signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM):
            self.complaints.append(f"exit code {code} of {program}")
        self.complaints += [
            f"{line} in {program.command[-1]}"
            for line in program.bad_lines
            if not _EXPECTED.search(line)
        ]
        ended: list[tuple[int, int]] = []
        for line in program.out.splitlines():
            match line.split():
                case ["begins", _, _, at]:
                    # Its next job came with the acknowledgement of the last.
                    self._heard += [Acknowledged(*which, float(at)) for which in ended]
                    ended.clear()
                case ["ends", job, attempt]:
                    ended.append((int(job), int(attempt)))
        program.__exit__(None, None, None)
        program.forget()

    def _pause(self, seconds: float) -> None:
        """Wait, and do what is due meanwhile."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            if self._later and self._later[0][0] <= now:
                heapq.heappop(self._later)[2]()
            else:
                due = self._later[0][0] if self._later else until
                time.sleep(max(0.0, min(until, due) - now))

    def _undo(self, low: float, high: float, how: Callable[[], None]) -> None:
        due = time.monotonic() + self._rng.uniform(low, high)
        heapq.heappush(self._later, (due, next(self._numbers), how))

    # -- what fails -----------------------------------------------------------------------------

    def _some_worker(self) -> Program:
        return self._workers[self._rng.choice(sorted(self._workers))]

    def _kill_worker(self) -> None:
        _signal(self._some_worker(), signal.SIGKILL)

    def _dismiss_worker(self) -> None:
        _signal(self._some_worker(), signal.SIGTERM)

    def _stop_worker(self) -> None:
        worker = self._some_worker()
        _signal(worker, signal.SIGSTOP)
        self._undo(0.5, 8.0, lambda: _signal(worker, signal.SIGCONT))

    def _kill_master(self) -> None:
        _signal(self._master, signal.SIGKILL)

    def _stop_master(self) -> None:
        master = self._master
        _signal(master, signal.SIGSTOP)
        self._undo(0.5, 3.0, lambda: _signal(master, signal.SIGCONT))

    def _kill_names(self) -> None:
        _signal(self._names, signal.SIGKILL)

    def _cut(self) -> None:
        self._lab.cut()
        self._undo(1.0, 20.0, self._lab.mend)

    def _stall(self) -> None:
        self._proxy.stall()
        self._undo(0.5, 5.0, self._proxy.flow)

    def _flake(self) -> None:
        self._proxy.delay, self._proxy.resets, self._proxy.stalls = 0.1, 0.1, 0.05
        self._undo(1.0, 10.0, self._calm)

    def _calm(self) -> None:
        self._proxy.delay = self._proxy.resets = self._proxy.stalls = 0.0

    def _swallow(self) -> None:
        self._proxy.swallow_all()

    def _nothing(self) -> None:
        """Peace."""

    _faults: ClassVar[dict[str, tuple[float, Callable[[Soak], None]]]] = {
        "worker killed": (3, _kill_worker),
        "worker dismissed": (2, _dismiss_worker),
        "worker stopped": (2, _stop_worker),
        "master killed": (3, _kill_master),
        "master stopped": (1, _stop_master),
        "name server killed": (1, _kill_names),
        "cable cut": (1.5, _cut),
        "proxy stalled": (1, _stall),
        "proxy flaky": (1.5, _flake),
        "connections swallowed": (1, _swallow),
        "peace": (2, _nothing),
    }

    # -- the end --------------------------------------------------------------------------------

    def _end_well(self) -> None:
        """Mend everything and let the last master come to the end of its plan."""
        while self._later:
            heapq.heappop(self._later)[2]()
        deadline = time.monotonic() + _FINISH_WITHIN
        self._keep_up()
        while self._master is not None and self._master.process.poll() != 0:
            if time.monotonic() > deadline:
                self.complaints.append(f"did not end within {_FINISH_WITHIN} s: {self._master}")
                self._master.process.kill()
                break
            if self._master.process.poll() is not None:
                self._keep_up()
            self._pause(0.1)
        for worker in self._workers.values():
            _signal(worker, signal.SIGTERM)
        for program in (*self._workers.values(), self._master):
            if program is not None:
                program.process.wait(30)
                self._reap(program)
        self._workers.clear()
        self._master = None

    def _check(self) -> None:
        with open_storage(f"sqlite:///{self.folder}/study.db") as storage:
            events = list(storage.read_journal(RUN).read())
        self.complaints += violations(events, self._heard)
        finished = [event for event in events if isinstance(event, ev.JobFinished)]
        self._evaluations = len(finished)
        planned = HyperBandIterGenerator(1, 9, 3).num_all_configs(self._brackets)
        if len(finished) != planned:
            self.complaints.append(f"{planned} evaluations were planned, {len(finished)} ended")
        with sqlite3.connect(self.folder / "study.db") as database:
            [answer] = database.execute("pragma integrity_check").fetchone()
        if answer != "ok":
            self.complaints.append(f"the database is damaged: {answer}")
        try:
            check_replay(events, _study, self._rng, 20)
        except AssertionError as error:
            self.complaints.append(f"a replay proposes something else: {error}")


def _study(journal: MemoryJournal) -> Study:
    generator = HyperBandIterGenerator(1, 9, 3)
    return Study(SPACE, optimizer=ETPEOptimizer(), generator=generator, journal=journal)


def _signal(program: Program | None, number: int) -> None:
    if program is not None and program.process.poll() is None:
        program.process.send_signal(number)
