"""Configurations as functions read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["array_of", "without_paths"]


def array_of(config: Mapping[str, Any], names: Sequence[str]) -> np.ndarray:
    """Return the values of some parameters, float64 (n,)."""
    return np.array([config[name] for name in names], dtype=float)


def without_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by the last parts of their names, without the choices that lead there."""
    return {str(name).rsplit(":", 1)[-1]: value for name, value in config.items()}
