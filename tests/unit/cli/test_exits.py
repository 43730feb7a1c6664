"""The program's exit codes."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from bandmaster.cli import exits, main


@pytest.mark.parametrize("name", exits.__all__)
def test_each_exit_code_is_told(name: str) -> None:
    """Who calls the program can look up what its codes mean; no two of them are alike."""
    codes = {name: getattr(exits, name) for name in exits.__all__}
    assert len(codes) == len(set(codes.values()))
    told = (inspect.getdoc(main) or "").partition("Returns")[2]
    assert name in told
    assert str(codes[name]) in re.findall(r"\d+", told)


def test_all_that_fails_ends_with_the_same_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user's code that raises, and a check of a machine that does not pass."""
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    assert exits.EXIT_FAILED == main(["worker", f"{broken}:objective", "--run-id", "none"])
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert exits.EXIT_FAILED == main(["doctor", "--storage", f"{tmp_path}/no/search.db"])
    assert exits.EXIT_ERROR == main(["worker", f"{tmp_path}/absent.py:f", "--run-id", "none"])
