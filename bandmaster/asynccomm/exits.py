"""How a process ended, in words."""

from __future__ import annotations

import signal

__all__ = ["how_it_ended"]


def how_it_ended(code: int | None) -> str:
    """Say how a process ended.

    Parameters
    ----------
    code : int or None
        As `subprocess.Popen.returncode`: negative for a signal, None while it runs.
    """
    if code is None:
        return "runs"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
