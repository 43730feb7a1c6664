"""Who writes a study: which process on which machine, and whether it is still alive."""

from __future__ import annotations

import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Holder"]

_HIDDEN = 0  # as `Holder.started`
_held: set[str] = set()  # the tokens of this process's journals that still write


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that holds the lease of a study.

    Parameters
    ----------
    host : str
    pid : int
    started : int
        When the process started, in the kernel's clock ticks since boot; 0 when not known.
    realm : str
        Names the machine's boot and process namespace, within which a pid means something;
        empty when not known.
    label : str
        What the user calls it.
    token : str
        Tells the journals of one process apart.
    """

    host: str
    pid: int
    started: int = 0
    realm: str = ""
    label: str = ""
    token: str = ""

    @classmethod
    def me(cls, label: str = "") -> Holder:
        """Describe this process; it holds until `retire`."""
        pid, token = os.getpid(), secrets.token_hex(4)
        _held.add(token)
        return cls(socket.gethostname(), pid, _started(pid) or 0, _realm(), label, token)

    def retire(self) -> None:
        """Hold no more, even where that could not be written down; twice does nothing."""
        _held.discard(self.token)

    @classmethod
    def from_text(cls, text: str) -> Holder:
        """Rebuild what `to_text` gave; something unreadable is a holder nobody knows."""
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError):
            return cls("an unknown host", 0)

    def to_text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @property
    def surely_dead(self) -> bool:
        """Whether it ran on this machine and is no more; False when that cannot be known."""
        if not self.realm or not self.started or self.realm != _realm():
            return False
        if self.pid == os.getpid() and self.started == _started(self.pid):
            return self.token not in _held
        return _started(self.pid) not in (self.started, _HIDDEN)

    def __str__(self) -> str:
        name = f"{self.label}, " if self.label else ""
        return f"{name}pid {self.pid} on {self.host}"


def _realm() -> str:
    """Return a name for this boot and process namespace (Linux; elsewhere empty)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Return when a process started; None when there is none, or it is dead and not yet reaped.

    `_HIDDEN` for one that is there, but whose start we may not see (/proc with hidepid).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _HIDDEN if _exists(pid) else None
    state, *rest = stat.rpartition(")")[2].split()  # the name before may hold anything
    return None if state in "ZX" else int(rest[18])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
