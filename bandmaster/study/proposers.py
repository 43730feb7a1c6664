"""Who proposes, in words that are stored, so that another one is noticed."""

from __future__ import annotations

import inspect
import logging
import re

from bandmaster.optimizers.base import Optimizer

__all__ = ["signature_of", "warn_changed"]

logger = logging.getLogger(__name__)

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # differs from process to process


def signature_of(optimizer: Optimizer) -> str:
    """Return an optimizer's class, and the options it was made with that are no defaults.

    Options are found where its attributes have the names of its constructor's parameters. One that
    has a ``__repr__`` of its own is described by the first line of that.
    """
    kind = type(optimizer)
    if kind.__repr__ is not object.__repr__:
        return _ADDRESS.sub("", repr(optimizer).partition("\n")[0])
    options = []
    for name, parameter in inspect.signature(kind).parameters.items():
        value = getattr(optimizer, name, parameter.default)
        if repr(value) != repr(parameter.default):  # arrays among them are compared, too
            options.append(f"{name}={value!r}")
    return _ADDRESS.sub("", kind.__name__ + f"({', '.join(options)})" * bool(options))


def warn_changed(study: str, before: str, now: str, trial: int) -> None:
    """Say that a study goes on with another optimizer than it had."""
    logger.warning(
        "Study %r goes on with another optimizer: from trial %d on %s proposes, before that it was "
        "%s; what was evaluated is learned from all the same",
        study, trial, now, before,
    )  # fmt: skip
