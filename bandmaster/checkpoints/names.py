"""Which names an object can have: nothing that a peer says is ever a path."""

from __future__ import annotations

import re
from typing import TypeGuard

from bandmaster.errors import CheckpointError

__all__ = ["check_name", "digest_in", "is_name"]

_NAME = re.compile(r"\d{1,18}-[0-9a-f]{64}")


def is_name(name: object) -> TypeGuard[str]:
    """Whether this is a name as `checkpoint_name` makes it: digits, a dash, hexadecimal digits."""
    return type(name) is str and name.isascii() and _NAME.fullmatch(name) is not None


def check_name(name: object) -> str:
    """Return a name that an object can have.

    Raises
    ------
    CheckpointError
        When it is none.
    """
    if not is_name(name):
        raise CheckpointError(f"{name!r:.80} names no checkpoint that a store could have")
    return name


def digest_in(name: str) -> str:
    """Return the digest that is part of a name."""
    return name.partition("-")[2]
