"""Runs a search for as long as you like while everything around it fails at random.

    python -m tests.faults.soak --minutes 120 --seed 7

It has a network of its own, so that it may cut cables (`lab.py` says what that takes).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
_INSIDE = "SOAK_HAS_ITS_NETWORK"


def main() -> None:
    """Run it; the exit code is 1 when something that must hold did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long things fail")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("--folder", type=Path, help="for journals and logs; default: a new one")
    options = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    from lab import own_machine

    if _INSIDE not in os.environ:
        os.environ[_INSIDE] = "1"
        command = [*own_machine(), sys.executable, "-m", "tests.faults.soak", *sys.argv[1:]]
        os.execvp(command[0], command)
    from soaking import Soak

    folder = options.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"seed {options.seed}, everything is kept in {folder}", flush=True)
    os.environ["BANDMASTER_HOME"] = str(folder / "home")
    with Soak(folder, seed=options.seed) as soak:
        soak.run(options.minutes * 60)
    print(soak.summary)
    for line in soak.complaints:
        print("VIOLATION:", line)
    sys.exit(1 if soak.complaints else 0)


if __name__ == "__main__":
    main()
