"""The folder of this user: where runs are found, and what has no better place is kept."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["home_folder"]


def home_folder(name: str = "") -> Path:
    """Return ``$BANDMASTER_HOME``, by default ``~/.bandmaster``, or a folder in it; makes none."""
    home = os.environ.get("BANDMASTER_HOME")
    return (Path(home) if home else Path.home() / ".bandmaster") / name
