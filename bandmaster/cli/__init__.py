"""The command line: ``bandmaster nameserver | worker | master | show | plot | export | …``."""

from __future__ import annotations

from bandmaster.cli.app import main

__all__ = ["main"]
