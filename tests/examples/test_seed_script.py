"""The script of the first users, with its imports replaced by ours, and the names it imports."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import ROOT, Program

pytestmark = pytest.mark.timeout(300)  # its 130 evaluations train classifiers, beside other tests

MAPPING = ROOT / "docs" / "from-ultraopt.md"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Run the script once, to its end."""
    folder = tmp_path_factory.mktemp("seed")
    program = Program(
        [ROOT / "examples" / "seed_script.py"],
        cwd=folder,
        env={"BANDMASTER_HOME": str(folder / "home")},
    )
    with program:
        program.finish(250)
        yield program


def row(out: str, title: str) -> list[str]:
    """Return the cells of a row of the table."""
    (line,) = (line for line in out.splitlines() if line.startswith(f"| {title} "))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_it_ends_by_itself(script: Program) -> None:
    """After the shutdown of master and name server no thread keeps the process alive."""
    assert script.process.returncode == 0, script


def test_nothing_in_its_log_is_an_error(script: Program) -> None:
    """No ERROR, no traceback, no failed evaluation."""
    assert [] == script.bad_lines
    assert "evaluations failed" not in script.out


def test_it_makes_130_evaluations(script: Program) -> None:
    """Thirty brackets of (1/4, 1, eta 2) are 40, 40 and 50 evaluations."""
    assert ["1/4", "1/2", "1 (max)"] == row(script.out, "Budgets")
    assert ["40", "40", "50"] == row(script.out, "Num Configs")
    assert "130/130" in script.err


def test_the_table_has_the_known_layout(script: Program) -> None:
    """A row a parameter, a dash where it is inactive, values as the user wrote them."""
    titles = re.findall(r"^\| ([\w:]+)", script.out, flags=re.MULTILINE)
    assert "HyperParameters" == titles[0]
    assert "classifier:__choice__" == titles[1]
    assert 17 == len([t for t in titles if t.startswith("classifier:") and t.count(":") == 2])
    assert "-" in row(script.out, "classifier:LinearSVC:C") + row(
        script.out, "classifier:KNeighborsClassifier:p"
    )
    assert ":int" not in script.out
    assert all(re.fullmatch(r"0\.\d{4}", loss) for loss in row(script.out, "Optimal Loss"))


def test_it_finds_a_good_classifier(script: Program) -> None:
    """The best at the full budget errs in less than one of 40 digits."""
    assert float(row(script.out, "Optimal Loss")[-1]) < 0.025


def test_incumbents_are_logged(script: Program) -> None:
    """The log tells when a challenger wins, at which budget, and what changed."""
    assert re.search(
        r"Challenger \(0\.\d+\) is better than incumbent \(0\.\d+\) when budget is \(1(/[24])?\)\.",
        script.err,
    )
    assert "Changes in incumbent" in script.err


def test_it_leaves_its_pictures_and_nothing_else(script: Program) -> None:
    """Two pictures are written; the connection file is gone."""
    assert {"concurrency.png", "result.png"} <= {path.name for path in script.cwd.iterdir()}
    assert [] == list((script.cwd / "home").rglob("*.json"))


def mapping() -> list[tuple[str, str, str]]:
    """Return (their import, our module, our name) of each row of the table in the docs."""
    rows = re.findall(
        r"^\| `([\w.]+)` \| `from (bandmaster[\w.]*) import (\w+)` \|",
        MAPPING.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert len(rows) >= 12
    return rows


@pytest.mark.parametrize(("theirs", "module", "name"), mapping())
def test_every_import_of_the_mapping_works(theirs: str, module: str, name: str) -> None:
    """What the table in the docs names can be imported."""
    assert getattr(importlib.import_module(module), name) is not None
    assert theirs.rpartition(".")[2]


def test_the_script_imports_what_the_mapping_says(root: Path) -> None:
    """Each name of ours that the script imports is in the table."""
    text = (root / "examples" / "seed_script.py").read_text(encoding="utf-8")
    used = set()
    for module, names in re.findall(r"^from (bandmaster[\w.]*) import (.+)$", text, re.MULTILINE):
        used |= {(module, name.strip()) for name in names.split(",")}
    assert set() == used - {(module, name) for _, module, name in mapping()}
