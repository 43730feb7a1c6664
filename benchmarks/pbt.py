"""Population based training on the toy of its paper: how fast, and how often it gets to the top.

Run with ``python benchmarks/pbt.py [n_seeds]``. It takes examples/pbt_toy.py, and prints

- the seconds of a fit of two members, 100 steps each, with two worker processes: in a process that
  has imported everything, and from the start of Python to its end;
- over the seeds, in this process without workers: in how many of them both of two members reach
  Q ≥ 1.19 (at least 97 % is wanted; Ray's synchronous rule, simulated, does in 99.4 % of 2,000),
  and the median step at which the first member does with two members and with four.
"""

from __future__ import annotations

import os
import runpy
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bandmaster import Study

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "pbt_toy.py"
WANTED, LIMIT = 0.97, 3.0
FIT = f"""
import runpy
toy = runpy.run_path({str(EXAMPLE)!r})
result = toy["fit"](toy["members"]([0.0, 1.0], 0.05))
assert 200 == len(result.reported.all_steps())
"""


def time_fits(toy: dict[str, Any], repeats: int = 5) -> tuple[float, float, float]:
    """Return the seconds of a fit within a process, and of a whole process, and of its CPU."""
    warm, cold, cpu = [], [], []
    for seed in range(repeats):
        began = time.perf_counter()
        toy["fit"](toy["members"]([0.0, 1.0], 0.05), seed=seed)
        warm.append(time.perf_counter() - began)
        began, spent = time.perf_counter(), sum(os.times()[2:4])
        subprocess.run([sys.executable, "-c", FIT], check=True)
        cold.append(time.perf_counter() - began)
        cpu.append(sum(os.times()[2:4]) - spent)
    return statistics.median(warm), statistics.median(cold), statistics.median(cpu)


def first_steps(toy: dict[str, Any], h0: list[float], lr: Any, seed: int) -> list[float]:
    """Return for each member the step at which it reaches Q ≥ 1.19, infinite if it does not."""
    study = Study(generator=toy["members"](h0, lr), random_state=seed)
    result = study.optimize(toy["train"], max_initial_failures=1)
    reached = []
    for trial in range(len(h0)):
        steps = result.reported.steps(trial)
        assert [step.step for step in steps] == list(range(1, 101)), f"seed {seed}, trial {trial}"
        top = (step.step for step in steps if step.metrics["Q"] >= 1.19)
        reached.append(float(next(top, float("inf"))))
    study.close()
    return reached


def main() -> None:
    """Measure, and print."""
    n_seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    toy = runpy.run_path(str(EXAMPLE))
    warm, cold, cpu = time_fits(toy)
    print(
        f"two members, two worker processes: {warm:.2f} s a fit; with Python's start and imports "
        f"{cold:.2f} s, of which its three processes use {cpu:.2f} s of CPU"
    )
    print(f"  wanted: {LIMIT:g} s, everything included: {'met' if cold <= LIMIT else 'MISSED'}")
    runs = {}
    for members, h0 in (("two", [0.0, 1.0]), ("four", [0.0, 1.0, 0.01, 0.99])):
        for rate, lr in (("lr 0.05", 0.05), ("lr drawn", toy["RATES"])):
            began = time.perf_counter()
            runs[members, rate] = [first_steps(toy, h0, lr, seed) for seed in range(n_seeds)]
            seconds = (time.perf_counter() - began) / n_seeds
            first, last = (
                statistics.median(map(which, runs[members, rate])) for which in (min, max)
            )
            print(
                f"{members} members, {rate}: {n_seeds} seeds, {seconds:.2f} s each without workers;"
                f" median step to 1.19 of the first member {first:g}, of the last {last:g}"
            )
    share = sum(max(steps) < float("inf") for steps in runs["two", "lr 0.05"]) / n_seeds
    met = "met" if share >= WANTED else "MISSED"
    print(f"both of two members reach 1.19 in {share:.1%}; wanted {WANTED:.0%}: {met}")
    # As the experiment has it: two members begin with 0.05, four with rates that are drawn.
    two = statistics.median(map(min, runs["two", "lr 0.05"]))
    four = statistics.median(map(min, runs["four", "lr 0.05"]))
    met = "met" if four <= two else "MISSED"
    print(f"median step of four members {four:g}, of two {two:g}; wanted not above: {met}")


if __name__ == "__main__":
    main()
