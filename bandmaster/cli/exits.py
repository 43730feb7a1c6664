"""How the program ends, for whoever called it."""

from __future__ import annotations

from typing import Final

__all__ = ["EXIT_ERROR", "EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_TERMINATED"]

EXIT_FAILED: Final = 1
"""The command ran, and what it looked at failed: the user's code, all evaluations, or a check."""
EXIT_ERROR: Final = 2
"""What was asked for cannot be done; the message says why."""
EXIT_INTERRUPTED: Final = 130
"""Ctrl-C, as shells report it."""
EXIT_TERMINATED: Final = 143
"""SIGTERM, which batch systems send."""
