"""Looking at what an optimizer is made with."""

from __future__ import annotations

from bandmaster.errors import ConfigurationError

__all__ = ["check_least"]


def check_least(name: str, value: int, least: int) -> None:
    """Raise ConfigurationError if an option is below the least that makes sense."""
    if value < least:
        raise ConfigurationError(f"{name} must be at least {least}, got {value}")
