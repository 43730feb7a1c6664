"""An optimizer of a name with options: ``ETPE``, ``ETPE:gamma=0.1``, ``ETPE:parzen._CAP=25@less``.

``NAME[:option=value[,option=value]...][@label]``. An option of the constructor is passed to it. An
option with a dot is a constant of a module of the optimizers (``parzen._CAP``) that is replaced
while the engine plays: so a choice that is no option has its ablation too. A label only tells
apart: ``ETPE@before`` and ``ETPE@after`` are the same engine at two times. ``cost=duration/500``
is a `Cost` with a total.
"""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from bandmaster.errors import ConfigurationError
from bandmaster.optimizers import Cost, get_optimizer
from bandmaster.optimizers.base import Optimizer
from benchmarks.quality import peers

__all__ = ["Spec", "engine", "parse"]

_PACKAGES = ("bandmaster.optimizers", "bandmaster.models", "bandmaster")


@dataclass(frozen=True, slots=True)
class Spec:
    """What an engine's name says."""

    name: str
    options: tuple[tuple[str, Any], ...] = ()
    generator: str = ""

    @property
    def constants(self) -> dict[str, Any]:
        """The options that are constants of modules."""
        return {key: value for key, value in self.options if "." in key}

    @property
    def arguments(self) -> dict[str, Any]:
        """The options of the constructor."""
        return {key: value for key, value in self.options if "." not in key}


def parse(text: str) -> Spec:
    """Return the parts of an engine's name; a generator follows a plus, ``ETPE+BOHB``.

    Raises
    ------
    ConfigurationError
        When an option has no value.
    """
    body = text.partition("@")[0]
    name, _, options = body.partition(":")
    name, _, generator = name.partition("+")
    if not generator:
        options, _, generator = options.partition("+")
    pairs = []
    for item in filter(None, _split(options)):
        key, equals, value = item.partition("=")
        if not equals:
            raise ConfigurationError(f"engine {text!r}: the option {item!r} has no value")
        pairs.append((key.strip(), _value(value.strip())))
    return Spec(name.strip(), tuple(pairs), generator.strip())


def _split(options: str) -> list[str]:
    """Split at commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(options):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append(options[start:i])
            start = i + 1
    return [*parts, options[start:]]


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


@contextlib.contextmanager
def engine(spec: Spec, *, seed: int) -> Iterator[Optimizer]:
    """Give a new optimizer, and undo afterwards what was replaced for it."""
    with contextlib.ExitStack() as undo:
        optimizer: Optimizer
        if spec.name in peers.PEERS:
            peer = optimizer = peers.make(spec.name, seed=seed, **spec.arguments)
            undo.callback(peer.close)
        elif spec.arguments:
            optimizer = type(get_optimizer(spec.name))(**_options(spec.arguments))
        else:
            optimizer = get_optimizer(spec.name)
        for key, value in spec.constants.items():
            undo.enter_context(_replaced(key, value))
        yield optimizer


def _options(arguments: dict[str, Any]) -> dict[str, Any]:
    of, slash, total = str(arguments.get("cost", "")).partition("/")
    return {**arguments, "cost": Cost(of, total=float(total))} if slash else arguments


@contextlib.contextmanager
def _replaced(key: str, value: Any) -> Iterator[None]:
    """Replace a module's constant, also where other modules have imported it by name."""
    path, _, name = key.rpartition(".")
    module = _find(path)
    if not hasattr(module, name):
        raise ConfigurationError(f"the module {module.__name__} has no constant {name!r}")
    old = getattr(module, name)
    # Small numbers are one object everywhere, so the name has to be the same as well.
    holders = [
        other
        for other_name, other in list(sys.modules.items())
        if other_name.startswith("bandmaster.") and getattr(other, name, None) is old
    ]
    for holder in holders:
        setattr(holder, name, value)
    try:
        yield
    finally:
        for holder in holders:
            setattr(holder, name, old)


def _find(path: str) -> Any:
    for package in _PACKAGES:
        with contextlib.suppress(ModuleNotFoundError):
            return import_module(f"{package}.{path}")
    raise ConfigurationError(f"there is no module {path!r} in {', '.join(_PACKAGES)}")
