"""Sockets that stay with the process that opened them, also when it forks."""

from __future__ import annotations

import contextlib
import os
import socket
import weakref

__all__ = ["own"]

_owned: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def own(sock: socket.socket) -> socket.socket:
    """Remember a socket, so that children forked from now on close their copy of it.

    A copy held by a child keeps the connection open when its parent dies: the peer would not
    notice.
    """
    _owned.add(sock)
    return sock


def _close_inherited() -> None:
    # detach() and not close(): the objects in this process must not shut the parent's connection
    # down when they are collected.
    for sock in list(_owned):
        with contextlib.suppress(OSError):
            os.close(sock.detach())
    _owned.clear()


os.register_at_fork(after_in_child=_close_inherited)
