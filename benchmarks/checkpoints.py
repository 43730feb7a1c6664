"""What a report and a checkpoint cost: milliseconds a report, MB/s saved and loaded.

Run with ``python benchmarks/checkpoints.py [--megabytes 64] [--folder DIR]``. One worker process
reports, saves and loads: in a temporary directory, which is the default, in one that lasts, and in
a temporary one through the master. Beside it, from the same run: what SHA-256 and a file that is
written and made durable (fsync) come to. The reach is 0.3 ms for a report without a checkpoint.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bandmaster.asynccomm.local import run_local
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import SuccessiveHalvingIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.study import Study
from bandmaster.study.follower import Follower
from bandmaster.study.keeper import CheckpointKeeper

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}
REPORTS, ROUNDS = 500, 5


def make_objective(megabytes: int, directory: str | None, *, blind: bool) -> Callable[..., Any]:
    """Return what measures; at budget 1 it saves, at budget 3 it loads."""

    def seconds(call: Callable[[], object], n: int) -> float:
        before = time.perf_counter()
        for _ in range(n):
            call()
        return (time.perf_counter() - before) / n

    def objective(config: Any, budget: float, context: Any) -> Any:
        from bandmaster.checkpoints import DirectoryStore

        if blind:
            DirectoryStore.sees = lambda self, mark: False  # type: ignore[method-assign]  # on purpose
        found = {}
        if budget == 1:
            found["report"] = seconds(lambda: context.report(0.5), REPORTS)
            found["small"] = seconds(lambda: context.report(0.5, checkpoint={"x": 1}), REPORTS // 5)
            big = Path(directory) if directory else os.urandom(megabytes << 20)
            found["save"] = seconds(lambda: context.save(big), ROUNDS)
        else:
            found["load"] = seconds(context.load, ROUNDS)
        return {"loss": config["x"], "info": found}

    return objective


class Deciding(SuccessiveHalvingIterGenerator):
    """Decides by each report, so none may travel with later ones."""

    needs_reports = True


def measure(
    place: Path | None, megabytes: int, directory: str | None, *, blind: bool, decides: bool = False
) -> dict[str, float]:
    """Return the seconds that each of these takes."""
    halving = Deciding if decides else SuccessiveHalvingIterGenerator
    study = Study(SPACE, optimizer=RandomOptimizer(), generator=halving(1, 3, 3))
    study.set_plan(Plan(n_iterations=1))
    with CheckpointKeeper(study, place) as keeper:
        objective = make_objective(megabytes, directory, blind=blind)
        run_local(study, objective, 1, follower=Follower(study), keeper=keeper)
    rows = [e.info for e in study.history if e.ok]
    assert len(rows) == len(study.history), [e.error for e in study.history if not e.ok]
    keys = {key for row in rows for key in row}
    return {key: statistics.median(row[key] for row in rows if key in row) for key in keys}


def floor(folder: Path, megabytes: int) -> tuple[float, float]:
    """Return the seconds to hash so much, and to write it and make it durable."""
    data = os.urandom(megabytes << 20)
    before = time.perf_counter()
    hashlib.sha256(data).digest()
    hashed = time.perf_counter() - before
    before = time.perf_counter()
    with (folder / "floor").open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    written = time.perf_counter() - before
    (folder / "floor").unlink()
    return hashed, written


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--folder", type=Path, help="where the store is; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder, size = Path(name), options.megabytes
        tree = folder / "tree"
        tree.mkdir()
        for number in range(4):
            (tree / f"part{number}").write_bytes(os.urandom((size << 20) // 4))
        hashed, written = floor(folder, size)
        alone = measure(None, 1, None, blind=False, decides=True)["report"]
        print(f"report that is decided on {alone * 1e3:.3f} ms")
        print(f"SHA-256 {size / hashed:6.0f} MB/s, a durable file {size / written:6.0f} MB/s")
        for label, place, blind in (
            ("temporary", None, False), ("directory", folder, False),
            ("through the master", None, True),
        ):  # fmt: skip
            for kind, directory in (("state", None), ("directory", str(tree))):
                found = measure(place, size, directory, blind=blind)
                print(
                    f"{label:18} report {found['report'] * 1e3:6.3f} ms, "
                    f"with {{'x': 1}} {found['small'] * 1e3:5.2f} ms; {kind:9} of {size} MB: "
                    f"save {size / found['save']:4.0f} MB/s, load {size / found['load']:4.0f} MB/s"
                )


if __name__ == "__main__":
    main()
