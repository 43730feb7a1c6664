"""The notebooks run from top to bottom in a fresh kernel, and show what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from programs import ROOT, Program

pytestmark = pytest.mark.timeout(240)  # kernels, beside other tests

FOLDER = ROOT / "examples" / "notebooks"
# How many plots each has, and what its outputs hold.
NOTEBOOKS = {
    "first_search": (2, ["120/120", "best loss: ", "Num Configs", "'basis:__choice__': "]),
    "multi_fidelity_on_a_cluster": (2, ["max budget: 9", "bracket  rung", "Num Configs"]),
    "population_based_training": (
        4,
        ["24 exploits in all", "step 4: trial 1 goes", "0.5925 0.3900"],
    ),
    "reading_results": (4, ["diverged at rate", "the forest's R² is", "count", "True"]),
}


def read(path: Path) -> Any:
    """Read a notebook in the format's fourth version."""
    return nbformat.read(path, as_version=4)


def test_no_notebook_is_forgotten() -> None:
    """Each file is executed by a test."""
    assert sorted(NOTEBOOKS) == sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_stored_without_outputs(name: str) -> None:
    """What is stored is valid, and holds no output and no trace of where it was made."""
    notebook = read(FOLDER / f"{name}.ipynb")
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert [] == cell.outputs
            assert cell.execution_count is None
        assert {} == cell.metadata
    assert {"kernelspec", "language_info"} == set(notebook.metadata)
    assert notebook.cells[0].source.startswith("# ")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name: str, tmp_path: Path) -> None:
    """No cell fails; plots are inline, the bar reaches its end, nothing is logged as an error."""
    plots, words = NOTEBOOKS[name]
    executed = tmp_path / "executed.ipynb"
    command = [ROOT / "tests" / "run_notebook.py", FOLDER / f"{name}.ipynb", executed]
    with Program(command, cwd=tmp_path) as program:
        assert program.finish(200) == 0, program
    outputs = [o for c in read(executed).cells if c.cell_type == "code" for o in c.outputs]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert plots == len(pictures)
    text = "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)
    for word in words:
        assert word in text
    assert " ERROR " not in text
    tables = [o for o in outputs if "<table" in o.get("data", {}).get("text/html", "")]
    assert tables != []
    # It leaves no file behind: two of these are its own standard output and error.
    assert {".ipynb", ".out", ".err"} == {p.suffix for p in tmp_path.iterdir() if p.is_file()}
