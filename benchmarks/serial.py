"""What a serial search costs beside the objective, and how soon worker processes give a result.

Run with ``python benchmarks/serial.py``. Prints microseconds of CPU an evaluation (random search,
ten parameters, no-op objective), and seconds from the call of fmin to its first result.
"""

from __future__ import annotations

import time

import ConfigSpace  # noqa: F401 - its 0.8 s of import are not what is measured

from bandmaster import fmin

SPACE = {
    **{f"x{i}": {"_type": "uniform", "_value": [0.0, 1.0]} for i in range(5)},
    **{f"n{i}": {"_type": "int_uniform", "_value": [0, 10]} for i in range(3)},
    **{f"c{i}": {"_type": "choice", "_value": ["a", "b", "c"]} for i in range(2)},
}


def objective(config):
    """Do nothing."""
    return 1.0


def overhead(n: int) -> float:
    """Return microseconds of CPU an evaluation."""
    before = time.process_time()
    fmin(objective, SPACE, optimizer="Random", n_iterations=n, show_progressbar=False)
    return (time.process_time() - before) / n * 1e6


def first_result(n_jobs: int) -> float:
    """Return seconds until the first evaluation of worker processes is there."""
    arrived: list[float] = []
    before = time.perf_counter()
    fmin(
        objective,
        SPACE,
        optimizer="Random",
        n_iterations=20,
        n_jobs=n_jobs,
        show_progressbar=False,
        callbacks=[lambda study, evaluation: arrived.append(time.perf_counter() - before)],
    )
    return arrived[0]


if __name__ == "__main__":
    overhead(500)
    runs = sorted(overhead(5000) for _ in range(5))
    print(f"serial: {runs[0]:.0f} µs an evaluation at best, median {runs[2]:.0f} (of 5 runs)")
    for n_jobs in (2, 4):
        runs = sorted(first_result(n_jobs) for _ in range(3))
        print(f"AsyncComm, {n_jobs} processes: first result after {runs[1]:.2f} s (median of 3)")
