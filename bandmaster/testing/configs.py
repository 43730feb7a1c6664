"""Numbers of a configuration as an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["array_of"]


def array_of(config: Mapping[str, Any], names: Sequence[str]) -> np.ndarray:
    """Return the values of some parameters, float64 (n,)."""
    return np.array([config[name] for name in names], dtype=float)
