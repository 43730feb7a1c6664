"""What README.md and docs/ show is true."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from programs import ROOT, Program, bandmaster

from bandmaster.space import compile_space

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the README's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_of_the_readme_runs(number: int, tmp_path: Path) -> None:
    """Each block runs as a script of its own, and logs no error."""
    code = blocks("python")[number]
    if code.startswith("space = {"):
        names: dict[str, object] = {}
        exec(code, names)
        assert "model:linear:penalty" in compile_space(names["space"]).names
        return
    (tmp_path / "script.py").write_text(code)
    with Program([tmp_path / "script.py"], cwd=tmp_path) as script:
        assert script.finish(60) == 0, script
        assert [] == script.bad_lines
        assert any(found in script.out for found in ("{'x': ", "| x ", "| rate "))


def run_page(page: str, folder: Path) -> str:
    """Run a page's blocks as one script that logs no error; returns what it printed."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    (folder / "script.py").write_text("\n".join(code))
    with Program([folder / "script.py"], cwd=folder) as script:
        assert script.finish(90) == 0, script
        assert [] == script.bad_lines
        return script.out


def test_python_of_the_page_on_results_runs(tmp_path: Path) -> None:
    """Its blocks are one script, in which each goes on where the one before ended."""
    assert "| Optimal error" in run_page("results.md", tmp_path)


def test_python_of_the_page_on_populations_runs(tmp_path: Path) -> None:
    """Its blocks are one script, too; both populations reach the top, and the grid stays below."""
    out = run_page("pbt.md", tmp_path)
    assert "24 exploits; no errors" in out
    assert "0.5925 0.3900" in out
    assert {"pbt_2.png", "pbt_2_schedules.png", "pbt_4.gif"} <= {p.name for p in tmp_path.iterdir()}


def test_python_of_the_page_on_checkpoints_runs(tmp_path: Path) -> None:
    """The best checkpoint is there afterwards, and loads."""
    weight, loss = re.findall(r"\{'weight': (\S+)\} (\S+)", run_page("checkpoints.md", tmp_path))[0]
    assert float(loss) == float(weight) ** 2


def test_prompts_of_the_readme_answer_so() -> None:
    """What stands below a >>> is what Python prints."""
    (text,) = blocks("pycon")
    example = doctest.DocTestParser().get_doctest(text, {}, "README.md", "README.md", 0)
    found = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example)
    assert found.attempted >= 2
    assert found.failed == 0


def test_commands_of_the_readme_are_those_of_the_example() -> None:
    """The three terminals in the README are the ones that the example's test runs."""
    example = (ROOT / "examples" / "three_terminals" / "README.md").read_text(encoding="utf-8")
    shown = [b for b in blocks("console") if b.startswith("bandmaster ")]
    assert 3 == len(shown)
    for block in shown:
        assert block in example


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the checkout finds it."""
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [] == [target for target in local if not (page.parent / target).exists()]


def test_the_pictures_are_small() -> None:
    """A clone should not carry heavy pictures."""
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs" / "images").iterdir()}
    assert {} == {name: size for name, size in sizes.items() if size >= 200_000}


@pytest.mark.parametrize("command", ["nameserver", "worker", "master"])
def test_options_in_the_docs_exist(command: str, tmp_path: Path) -> None:
    """Each option that a page gives to a command is one that it has."""
    with Program(bandmaster(command, "--help"), cwd=tmp_path) as program:
        assert program.finish(30) == 0, program
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for line in re.findall(rf"\bbandmaster {command}\b(.*)", text):
            for option in re.findall(r"(?<!\S)--[\w-]+", line):
                assert option in program.out, f"{page}: {line}"
