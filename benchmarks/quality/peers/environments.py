"""Environments for peers; ``python -m benchmarks.quality.peers.environments [NAME…]`` makes them.

Each peer gets a virtual environment in ``.bench/peers`` (or ``$BANDMASTER_PEERS``), since their
requirements exclude each other's and ours. What does not install is said and left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["RECIPES", "main", "python_of"]

_OLD = ("ConfigSpace>=0.6,<1", "numpy<1.24", "scipy<1.12", "pandas<2.1")
# Name -> what pip installs, step by step; the last releases of some know only old packages.
RECIPES: dict[str, tuple[tuple[str, ...], ...]] = {
    "Hyperopt": (("hyperopt",),),
    "SMAC3": (("smac",),),
    "DEHB": (("dehb",),),
    "HpBandSter": (("hpbandster", *_OLD),),
    "UltraOpt": (
        ("setuptools<60", "wheel<0.40"),
        ("scikit-learn<1.3", "scikit-optimize", "statsmodels<0.15", "patsy", *_OLD),
        ("Pyro4", "terminaltables", "matplotlib", "seaborn", "tqdm", *_OLD),
        ("--no-deps", "--no-build-isolation", "ultraopt", "tabular-nn", "category-encoders==2.6.3"),
    ),
}


def folder() -> Path:
    """Return where the environments are."""
    return Path(os.environ.get("BANDMASTER_PEERS", ".bench/peers")).absolute()


def python_of(name: str) -> Path:
    """Return the Python of a peer, which may not be there."""
    return folder() / name / "bin" / "python"


def install(name: str) -> str:
    """Make an environment; return why it could not be made, or nothing."""
    home = folder() / name
    steps = [[sys.executable, "-m", "venv", str(home)]]
    pip = [str(python_of(name)), "-m", "pip", "install", "--quiet"]
    steps += [[*pip, *arguments] for arguments in RECIPES[name]]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(home, ignore_errors=True)
            return (done.stderr or done.stdout).strip()
    return ""


def main(names: Sequence[str]) -> int:
    """Make the environments that are not there."""
    for name in names or RECIPES:
        if python_of(name).exists():
            print(f"{name}: there")
            continue
        reason = install(name)
        print(f"{name}: left out\n{reason}" if reason else f"{name}: installed", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
