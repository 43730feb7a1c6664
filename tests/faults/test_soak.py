"""Half a minute of everything that can fail; hours of it by ``python -m tests.faults.soak``."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import Program

SEED = 1


@pytest.mark.timeout(300)
def test_soak(tmp_path: Path) -> None:
    """Kills, stops, cuts, stalls, joins and leaves: the search ends as planned, all accounted for.

    Its journal says so: each job ended once, one attempt at a time, no plan exceeded, all that
    workers were told is stored, and replaying it proposes the same.
    """
    (tmp_path / "soak").mkdir()
    options = ["--minutes", "0.5", "--seed", str(SEED), "--folder", str(tmp_path / "soak")]
    command = Program(["soak.py"], cwd=tmp_path).command[:1]
    with Program([*command, "-m", "tests.faults.soak", *options], cwd=tmp_path) as soak:
        assert 0 == soak.finish(240), f"{soak}"
        assert f"seed {SEED}: " in soak.out, f"{soak}"
        assert "VIOLATION" not in soak.out, f"{soak}"
