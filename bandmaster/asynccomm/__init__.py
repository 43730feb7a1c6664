"""Running a study with many workers: name server, master, dispatcher, workers.

The names below are loaded on first use: a worker process never pays for the master.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bandmaster.asynccomm.dispatcher import Dispatcher
    from bandmaster.asynccomm.local import run_local
    from bandmaster.asynccomm.master import Master
    from bandmaster.asynccomm.nameserver import NameServer
    from bandmaster.asynccomm.net import get_a_free_port
    from bandmaster.asynccomm.worker import Worker

__all__ = ["Dispatcher", "Master", "NameServer", "Worker", "get_a_free_port", "run_local"]

_HOMES = {
    "Dispatcher": "dispatcher",
    "Master": "master",
    "NameServer": "nameserver",
    "Worker": "worker",
    "get_a_free_port": "net",
    "run_local": "local",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
