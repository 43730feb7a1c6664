"""Others' optimizers behind our interface, so that the same loops play them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from benchmarks.quality.peers.base import Peer

__all__ = ["PEERS", "Peer", "make", "why_missing"]

# Name -> (module, class).
PEERS: dict[str, tuple[str, str]] = {
    "DEHB": ("remote", "DEHBPeer"),
    "HpBandSter": ("remote", "HpBandSterPeer"),
    "Hyperopt": ("remote", "HyperoptPeer"),
    "Optuna": ("optuna_peer", "OptunaPeer"),
    "SMAC3": ("remote", "SMAC3Peer"),
    "UltraOpt": ("remote", "UltraOptPeer"),
}


def _class(name: str) -> type[Peer]:
    module, class_name = PEERS[name]
    found: type[Peer] = getattr(import_module(f"{__name__}.{module}"), class_name)
    return found


def make(name: str, *, seed: int, **options: Any) -> Peer:
    """Return a peer, not yet initialised."""
    return _class(name)(seed=seed, **options)


def why_missing(name: str) -> str:
    """Return what a peer lacks to run here, or nothing."""
    return _class(name).missing()
