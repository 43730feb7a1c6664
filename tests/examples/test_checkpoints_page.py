"""What docs/checkpoints.md shows is true."""

from __future__ import annotations

import re
from pathlib import Path

from programs import ROOT, Program


def test_python_of_the_page_runs(tmp_path: Path) -> None:
    """Its blocks are one script; the best checkpoint is there afterwards, and loads."""
    page = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "script.py").write_text("\n".join(code))
    with Program([tmp_path / "script.py"], cwd=tmp_path) as script:
        assert script.finish(90) == 0, script
        assert [] == script.bad_lines
        weight, loss = re.findall(r"\{'weight': (\S+)\} (\S+)", script.out)[0]
    assert float(loss) == float(weight) ** 2
