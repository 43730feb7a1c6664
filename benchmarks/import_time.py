"""What `import bandmaster` costs over a bare interpreter (goal: at most 150 ms)."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

GOAL = 0.150
REPEATS = 9
LINES = {
    "bare": "pass",
    "import bandmaster": "import bandmaster",
    "from bandmaster import Worker": "from bandmaster import Worker",
    "from bandmaster import fmin": "from bandmaster import fmin",
}


def seconds(line: str) -> float:
    """Return how long a new interpreter takes for one line."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", line], check=True, cwd=Path(__file__).parent.parent)
    return time.perf_counter() - begun


def main() -> int:
    """Print the table; 1 when the goal is missed."""
    times: dict[str, list[float]] = {name: [] for name in LINES}
    for _ in range(REPEATS):  # interleaved, so that a slow moment of the machine hits all
        for name, line in LINES.items():
            times[name].append(seconds(line))
    bare = statistics.median(times["bare"])
    print(f"bare interpreter: {bare * 1e3:.0f} ms (median of {REPEATS})")
    for name in list(LINES)[1:]:
        print(f"{name}: +{(statistics.median(times[name]) - bare) * 1e3:.0f} ms")
    cost = statistics.median(times["import bandmaster"]) - bare
    print(
        f"goal for import bandmaster: +{GOAL * 1e3:.0f} ms: {'met' if cost <= GOAL else 'MISSED'}"
    )
    return 0 if cost <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
