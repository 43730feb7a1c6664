"""How many connections one process can hold."""

from __future__ import annotations

import logging
import resource

__all__ = ["default_max_connections", "raise_open_files_limit"]

logger = logging.getLogger(__name__)

_RESERVE = 128
"""Descriptors left to everything that is not a connection: files, pipes, journals, the user's."""
_PER_CONNECTION = 2
"""A connection's own descriptor, and the wake descriptor of whoever is parked on it."""
_MOST = 16_000


def raise_open_files_limit() -> int:
    """Raise the soft limit of open files to the hard one and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return _finite(soft)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # macOS refuses an infinite soft limit
        logger.debug("the limit of open files stays at %d: %s", soft, error)
        return _finite(soft)
    return _finite(hard)


def default_max_connections() -> int:
    """Return how many connections fit under the limit of open files, which is raised first."""
    fits = (raise_open_files_limit() - _RESERVE) // _PER_CONNECTION
    return max(16, min(_MOST, fits))


def _finite(limit: int) -> int:
    return limit if limit != resource.RLIM_INFINITY else 2**31
