"""What an evaluation logs in its process goes to the handlers of the worker."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

__all__ = ["forward", "level_to_forward", "replay"]

_TEXTS = ("name", "levelname", "pathname", "filename", "module", "funcName", "threadName")
_NUMBERS = ("levelno", "lineno", "created", "msecs", "relativeCreated", "process")


def level_to_forward() -> int | None:
    """Return from which level on this process logs; None when it has no handlers of its own.

    A child does then as a fresh interpreter does: warnings go to standard error.
    """
    root = logging.getLogger()
    return root.level if root.handlers else None


def forward(level: int, send: Callable[..., None]) -> None:
    """Have all that is logged in this process, from `level` on, sent elsewhere."""
    root = logging.getLogger()
    root.setLevel(level)
    root.addHandler(_Forwarder(send))


class _Forwarder(logging.Handler):
    def __init__(self, send: Callable[..., None]) -> None:
        super().__init__()
        self._send = send
        self._pid = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, of which all is text and numbers; a fork has no line to the worker."""
        if os.getpid() != self._pid:
            if logging.lastResort is not None and record.levelno >= logging.lastResort.level:
                logging.lastResort.handle(record)
            return
        try:
            message = record.getMessage()
            if record.exc_info:
                message += "\n" + logging.Formatter().formatException(record.exc_info)
            self._send(
                [_text(message), *(_text(getattr(record, name)) for name in _TEXTS)],
                [getattr(record, name) for name in _NUMBERS],
            )
        except Exception:  # noqa: BLE001 - as the handlers of logging do
            self.handleError(record)


def replay(texts: list[str], numbers: list[float]) -> None:
    """Log here what was logged there."""
    message, *named = texts
    fields: dict[str, Any] = {
        **dict(zip(_TEXTS, named, strict=True)),
        **dict(zip(_NUMBERS, numbers, strict=True)),
        "msg": message,
        "args": None,
    }
    logger = logging.getLogger(fields["name"])
    if logger.isEnabledFor(int(fields["levelno"])):
        logger.handle(logging.makeLogRecord(fields))


def _text(value: object) -> str:
    return str(value).encode(errors="backslashreplace").decode()
