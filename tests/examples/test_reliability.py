"""Every promise of docs/reliability.md has a test."""

from __future__ import annotations

import re

import pytest
from programs import ROOT

TEXT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(?:tests/)?([\w/]+/test_\w+\.py)(?:::(\w+))?`", TEXT)))
PROMISES = [
    line for line in TEXT.split("## What holds where")[0].splitlines() if line.startswith("| ")
]


@pytest.mark.parametrize(("file", "function"), NAMED, ids=lambda name: name)
def test_named_tests_exist(file: str, function: str) -> None:
    """The file is there, and so is the function."""
    text = (ROOT / "tests" / file).read_text(encoding="utf-8")
    assert not function or re.search(rf"^ *def {function}\(", text, flags=re.MULTILINE)


def test_every_promise_names_a_test() -> None:
    """The last cell of each row says what shows it."""
    rows = [line for line in PROMISES if not line.startswith(("| promise", "| ---"))]
    assert len(rows) > 10
    assert [] == [row for row in rows if "test_" not in row.rstrip(" |").rsplit("|", 1)[1]]
