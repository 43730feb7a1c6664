"""Peers that cannot live in our environment: each is asked through a process in its own."""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from bandmaster.errors import BandmasterError, IllegalConfigurationError, SpaceError
from bandmaster.space.columns import make_column
from bandmaster.space.parameters import Categorical, Constant, Float, Integer, Ordinal, Parameter
from bandmaster.space.predicates import And, Equals, In, Predicate
from bandmaster.space.space import Space
from benchmarks.quality.bench import Bench
from benchmarks.quality.peers.base import Peer
from benchmarks.quality.peers.environments import python_of
from benchmarks.quality.schedulers import Task

__all__ = [
    "DEHBPeer", "HpBandSterPeer", "HyperoptPeer", "RemotePeer", "SMAC3Peer", "UltraOptPeer",
    "close_hosts",
    "describe",
]  # fmt: skip

_MOST_TRIES = 200


class PeerError(BandmasterError):
    """A peer raised; the message is its traceback."""


class Host:
    """A process of `host.py`; it serves one run after the other, since imports take seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        host = Path(__file__).with_name("host.py")
        self.process = subprocess.Popen(
            [str(python_of(name)), str(host)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            cwd=host.parent,
        )  # fmt: skip

    def say(self, what: str, **fields: Any) -> dict[str, Any]:
        """Send a request and return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": what, **fields}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(f"the process of {self.name} died")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(f"{self.name}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


_HOSTS: dict[str, Host] = {}


def host_of(name: str) -> Host:
    """Return this process's host of a peer, a new one if there is none."""
    if name not in _HOSTS:
        _HOSTS[name] = Host(name)
    return _HOSTS[name]


@atexit.register
def close_hosts() -> None:
    """End all hosts."""
    while _HOSTS:
        _HOSTS.popitem()[1].close()


class RemotePeer(Peer):
    """A peer behind `host.py`.

    Parameters
    ----------
    name : str
        A class of `host.py`.
    seed : int
    options : Mapping, optional
        For the class.
    """

    name: ClassVar[str] = ""

    def __init__(self, *, seed: int, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(seed=seed)
        self.options = dict(options or {})

    @classmethod
    def missing(cls) -> str:
        """It needs its environment."""
        if python_of(cls.name).exists():
            return ""
        return f"{cls.name} has no environment (python -m benchmarks.quality.peers.environments)"

    def setup(self) -> None:
        """Describe the space to the process."""
        self._codes = {p.name: _code(p) for p in self.space.parameters}
        started = self.say(
            "start", peer=self.name, space=describe(self.space), budgets=list(self.budgets),
            seed=self.seed, options=self.options,
        )  # fmt: skip
        self.version = started.get("version", "")

    def propose(self, trial: int, budget: float) -> dict[str, Any]:
        """Ask the process; what a clause forbids, of which it knows nothing, it is told failed."""
        for _ in range(_MOST_TRIES):
            values = self.say("ask", trial=trial, budget=budget)["values"]
            try:
                config = self.decode(values)
            except IllegalConfigurationError as error:
                why = error
                self.say("tell", trial=trial, budget=budget, loss=None, values=values)
            else:
                return config
        raise why

    def learn(
        self, trial: int, config: Mapping[str, Any], budget: float, loss: float | None
    ) -> None:
        """Tell the process."""
        values = {k: self._codes[k].encode(v) for k, v in config.items() if k in self._codes}
        self.say(
            "tell", trial=trial, budget=budget, loss=loss,
            values={k: v for k, v in values.items() if v is not None},
        )  # fmt: skip

    def decode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration that the process means; constants are filled in."""
        config = {name: self._codes[name].decode(code) for name, code in values.items()}
        return self.space.complete(config)

    def say(self, what: str, **fields: Any) -> dict[str, Any]:
        """Send a request to the host and return the answer; after an error it starts anew."""
        host = host_of(self.name)
        try:
            answer = host.say(what, **fields)
        except (PeerError, OSError):
            _HOSTS.pop(self.name).close()
            raise
        self.remote_seconds += answer["seconds"]
        return answer


class HyperoptPeer(RemotePeer):
    """Its TPE."""

    name = "Hyperopt"
    learns_foreign = False


class SMAC3Peer(RemotePeer):
    """Its random forest."""

    name = "SMAC3"
    learns_foreign = False


class HpBandSterPeer(RemotePeer):
    """BOHB's model; with several budgets our brackets are around it."""

    name = "HpBandSter"


class UltraOptPeer(RemotePeer):
    """Its ETPE."""

    name = "UltraOpt"


class DEHBPeer(RemotePeer):
    """DEHB chooses budgets itself, so it only plays problems with several."""

    name = "DEHB"

    def scheduler(self, bench: Bench) -> DEHBScheduler:
        """Return what the virtual clock's loop drives."""
        self.options["eta"] = bench.eta
        self.initialize(bench.space(), bench.problem.budgets)
        return DEHBScheduler(self)


class DEHBScheduler:
    """DEHB as the virtual clock's loop sees it."""

    def __init__(self, peer: DEHBPeer) -> None:
        self.peer = peer

    def next(self) -> Task:
        """Ask; DEHB always has something to run."""
        answer = self.peer.say("next")
        return Task(self.peer.decode(answer["values"]), answer["budget"], answer["trial"])

    def tell(self, task: Task, loss: float, seconds: float) -> None:
        """Tell; a NaN is a failure."""
        told = loss if math.isfinite(loss) else None
        self.peer.learn(task.handle, task.config, task.budget, told)


def describe(space: Space) -> list[dict[str, Any]]:
    """Return a space as `host.py` reads it; constants are left out.

    Raises
    ------
    SpaceError
        When a condition is more than some values of one or several choices.
    """
    result = []
    for group in space.groups:
        when = [] if group.when is None else _when(space, group.when)
        for j in group.columns:
            parameter = space.parameters[j]
            if not isinstance(parameter, Constant):
                result.append({"name": parameter.name, **_shape(parameter), "when": when})
    return result


def _when(space: Space, predicate: Predicate) -> list[Any]:
    if isinstance(predicate, And):
        return [item for part in predicate.parts for item in _when(space, part)]
    if not isinstance(predicate, (Equals, In)):
        raise SpaceError(f"peers do not know the condition {predicate}")
    parent = space.parameters[space.index[predicate.parameter]]
    if not isinstance(parent, Categorical):
        raise SpaceError(f"peers know conditions on choices only, not {predicate}")
    values = predicate.values if isinstance(predicate, In) else (predicate.value,)
    code = _code(parent)
    return [[parent.name, [code.encode(value) for value in values]]]


class _Code:
    """Between a value of ours and a plain number of the host."""

    def __init__(self, encode: Any, decode: Any) -> None:
        self.encode = encode
        self.decode = decode


def _code(parameter: Parameter) -> _Code:
    if isinstance(parameter, Constant):
        return _Code(lambda value: None, lambda code: parameter.value)
    if isinstance(parameter, (Categorical, Ordinal)):
        values = list(parameter.choices if isinstance(parameter, Categorical) else parameter.values)
        return _Code(partial(_position, values), values.__getitem__)
    if parameter.q == 1 or parameter.q is None:
        plain = int if isinstance(parameter, Integer) else float
        return _Code(plain, plain)
    column = make_column(parameter)
    steps = [column.decode(column.code(i)) for i in range(int(parameter.n_values))]
    return _Code(steps.index, steps.__getitem__)


def _position(values: list[Any], value: Any) -> int:
    """Find a value; 1 and True are two values."""
    return next(
        i for i, known in enumerate(values) if known == value and type(known) is type(value)
    )


def _shape(parameter: Parameter) -> dict[str, Any]:
    if isinstance(parameter, Categorical):
        return {"kind": "choice", "n": len(parameter.choices)}
    if isinstance(parameter, Ordinal):
        return {"kind": "int", "low": 0, "high": len(parameter.values) - 1, "log": False}
    assert isinstance(parameter, (Float, Integer))
    plain = {"low": parameter.lower, "high": parameter.upper, "log": parameter.log}
    if isinstance(parameter, Float) and parameter.q is None:
        return {"kind": "float", **plain}
    if parameter.q == 1:
        return {"kind": "int", **plain}
    return {"kind": "int", "low": 0, "high": int(parameter.n_values) - 1, "log": False}
