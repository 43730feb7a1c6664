"""The guarded import of Pyro5, and the parts of it that we build upon.

Pyro5 reads every PYRO_* variable when it is first imported and fails at one that it does not
know, so a variable that belongs to something else would keep us from starting.
"""

from __future__ import annotations

import importlib
import logging
import os

__all__ = ["MSG_INVOKE", "MSG_RESULT", "SendingMessage", "msgpack"]

logger = logging.getLogger(__name__)


def _import_pyro() -> None:
    try:
        importlib.import_module("Pyro5")
    except (ValueError, AttributeError) as error:
        hidden = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith("PYRO_")}
        if not hidden:
            raise
        logger.warning(
            "Pyro5 does not understand the environment (%s): it was loaded without %s",
            error,
            ", ".join(sorted(hidden)),
        )
        try:
            importlib.import_module("Pyro5")
        finally:
            os.environ.update(hidden)


_import_pyro()

from Pyro5.protocol import (  # noqa: E402 - after the guard
    MSG_INVOKE,
    MSG_RESULT,
    SendingMessage,
)
from Pyro5.serializers import serializers  # noqa: E402 - after the guard

msgpack = serializers["msgpack"]
"""Pyro's serializer of this name; there is one where msgpack is installed."""
