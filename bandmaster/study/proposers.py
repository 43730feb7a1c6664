"""Who proposes, in words that are stored, so that another one is noticed."""

from __future__ import annotations

import inspect
import logging
import re
from typing import Any

from bandmaster.optimizers.base import Optimizer

__all__ = ["signature_of", "warn_changed"]

logger = logging.getLogger(__name__)

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # differs from process to process
_SCALAR = re.compile(r"\bnp\.\w+\(([^()]*)\)|\bnp\.(True|False)_")  # NumPy's equals Python's


def signature_of(optimizer: Optimizer) -> str:
    """Return an optimizer's class, and the options it was made with that are no defaults.

    Options are found where its attributes have the names of its constructor's parameters. One that
    has a ``__repr__`` of its own is described by the first line of that. What is equal is described
    alike in each process: sets are sorted, and NumPy's numbers are written like Python's.
    """
    kind = type(optimizer)
    if kind.__repr__ is not object.__repr__:
        return _plain(repr(optimizer).partition("\n")[0])
    options = []
    for name, parameter in inspect.signature(kind).parameters.items():
        value = _described(getattr(optimizer, name, parameter.default))
        if value != _described(parameter.default):  # arrays among them are compared, too
            options.append(f"{name}={value}")
    return kind.__name__ + f"({', '.join(options)})" * bool(options)


def _described(value: Any) -> str:
    """Return the ``repr`` of a value, but the same one wherever it is equal."""
    kind = type(value)
    if kind is dict:
        pairs = (f"{_described(key)}: {_described(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if kind not in (list, tuple, set, frozenset) or not value:
        return _plain(repr(value))
    items = [_described(item) for item in value]
    if kind is list:
        return f"[{', '.join(items)}]"
    if kind is tuple:
        return f"({', '.join(items)}{',' * (len(items) == 1)})"
    text = f"{{{', '.join(sorted(items))}}}"
    return text if kind is set else f"frozenset({text})"


def _plain(text: str) -> str:
    return _SCALAR.sub(r"\1\2", _ADDRESS.sub("", text))


def warn_changed(study: str, before: str, now: str, trial: int) -> None:
    """Say that a study goes on with another optimizer than it had."""
    logger.warning(
        "Study %r goes on with another optimizer: from trial %d on %s proposes, before that it was "
        "%s; what was evaluated is learned from all the same",
        study, trial, now, before,
    )  # fmt: skip
