"""Results reach up to the plots in one place only, at run time."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import bandmaster

ROOT = Path(bandmaster.__path__[0])
BELOW = ("core", "space", "models", "optimizers", "multifidelity", "storage", "study")


def _imports(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_only_the_result_names_the_plots_and_only_as_a_string():
    """Below plotting, one string literal in study/result_plots.py is the whole upward reference."""
    found = []
    for layer in BELOW:
        for path in sorted((ROOT / layer).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            assert not any(n.startswith("bandmaster.plotting") for n in _imports(tree)), path
            found += [
                path.relative_to(ROOT).as_posix()
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and node.value == "bandmaster.plotting"
            ]
    assert ["study/result_plots.py"] == found


def test_matplotlib_is_imported_in_plotting_only():
    """Not even for types elsewhere."""
    for path in ROOT.rglob("*.py"):
        if path.relative_to(ROOT).parts[0] in ("plotting", "examples"):
            continue
        names = _imports(ast.parse(path.read_text(encoding="utf-8")))
        assert not any(name.split(".")[0] in ("matplotlib", "pylab") for name in names), path


def test_a_result_loads_no_heavy_library_before_it_is_asked_to():
    """Importing and printing a result needs neither matplotlib nor pandas nor scipy."""
    code = (
        "import sys\n"
        "from bandmaster.study.result import Result\n"
        "from bandmaster.testing.histories import make_hyperband_history\n"
        "import bandmaster.plotting\n"
        "repr(Result(make_hyperband_history(3)))\n"
        "sys.exit(', '.join({'matplotlib', 'pandas', 'scipy', 'ConfigSpace'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "" == done.stderr.strip()
