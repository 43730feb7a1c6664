"""What ``bandmaster worker`` makes of a class and of its options."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandmaster import Worker
from bandmaster.cli import app, main

CLASS = """
from bandmaster import Worker

class Patient(Worker):
    def __init__(self, **options):
        super().__init__(sigterm_grace=600.0, **options)

    def compute(self, config, budget):
        return 1.0
"""


@pytest.mark.parametrize(("options", "grace"), [([], 600.0), (["--sigterm-grace", "3"], 3.0)])
def test_what_a_class_says_counts_unless_the_command_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], grace: float
) -> None:
    """An option that is not given changes nothing."""
    (tmp_path / "patient.py").write_text(CLASS)
    seen: list[float | None] = []
    monkeypatch.setattr(Worker, "run", lambda self, **options: seen.append(self.sigterm_grace))
    target = f"{tmp_path}/patient.py:Patient"
    assert 0 == main(["worker", target, "--run-id", "run", *options])
    assert [grace] == seen


def test_python_names_of_options_are_translated_in_our_own_words_only() -> None:
    """A traceback that follows is the user's."""
    text = "ended (max_initial_failures=10); the last error:\n  open(force=True)"
    assert (
        "ended (--max-initial-failures 10); the last error:\n  open(force=True)"
        == app._in_options(text)
    )
