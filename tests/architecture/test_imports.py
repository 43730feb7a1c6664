"""Who may import whom, and what an import costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("ConfigSpace", "fsspec", "matplotlib", "pandas", "scipy", "sklearn", "sqlalchemy")


def loaded_by(code: str, root: Path) -> set[str]:
    """Return the top-level modules that a new interpreter has after `code`."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_contracts_hold(root: Path) -> None:
    """The layers of docs/architecture.md: every contract in pyproject.toml is kept."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=root,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_import_bandmaster_loads_nothing_heavy(root: Path) -> None:
    """`import bandmaster` loads none of the libraries it needs, not even numpy."""
    unwanted = {*HEAVY, "Pyro5", "numpy", "msgpack", "joblib", "tqdm", "click", "yaml"}
    assert set() == loaded_by("import bandmaster", root) & unwanted


@pytest.mark.parametrize("name", ["Worker", "NameServer", "get_a_free_port", "layering_config"])
def test_what_a_worker_imports_is_light(name: str, root: Path) -> None:
    """The names that a worker process needs load neither ConfigSpace nor scipy nor pandas."""
    assert set() == loaded_by(f"from bandmaster import {name}", root) & {*HEAVY, "numpy"}


def test_fmin_itself_is_light(root: Path) -> None:
    """`from bandmaster import fmin` leaves the heavy libraries to the call that needs them."""
    assert set() == loaded_by("from bandmaster import fmin", root) & set(HEAVY)


def test_fmin_stays_the_function(root: Path) -> None:
    """Importing the module `bandmaster.fmin` does not replace the function of that name."""
    code = (
        "import bandmaster.fmin, bandmaster, types\n"
        "assert isinstance(bandmaster.fmin, types.FunctionType), bandmaster.fmin\n"
        "from bandmaster.fmin import fmin\n"
        "assert fmin is bandmaster.fmin"
    )
    loaded_by(code, root)
