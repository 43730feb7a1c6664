"""Quality and speed of the optimizers; run it as ``python benchmarks/optimizers.py``.

Prints the mean simple regret after so many evaluations, and the milliseconds of an ask for
histories of 100, 1,000 and 10,000 evaluations of a space with ten parameters of all kinds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from bandmaster.optimizers import get_optimizer
from bandmaster.testing.driver import Driver
from bandmaster.testing.problems import PROBLEMS, Problem, ackley_mixed

SIZES = (100, 1_000, 10_000)


def regret(problem: Problem, name: str, seed: int, n_evaluations: int, n_workers: int) -> float:
    """Return the simple regret of one run with `n_workers` jobs out at a time."""
    driver = Driver(get_optimizer(name), problem.space, seed=seed)
    best = np.inf
    for number in range(n_evaluations + n_workers - 1):
        if number < n_evaluations:
            driver.start()
        if number >= n_workers - 1:
            job = driver.pending[0]
            loss = problem(job.config)
            best = min(best, loss)
            driver.finish(job, loss)
    return best - problem.optimum


def milliseconds(name: str, n: int, repeats: int = 20) -> tuple[float, float]:
    """Return the median and the largest milliseconds of an ask with `n` evaluations known."""
    problem = ackley_mixed()
    driver = Driver(get_optimizer(name), problem.space)
    rng = np.random.default_rng(0)
    for config in driver.space.sample_configs(n, rng):
        driver.finish(driver.enqueue(config), problem(config))
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        driver.start()
        times.append(1e3 * (time.perf_counter() - begin))
        job = driver.pending[0]
        driver.finish(job, problem(job.config))
    return float(np.median(times)), max(times)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--optimizers", nargs="+", default=["Random", "Sobol", "ETPE"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()

    print(f"simple regret after {options.evaluations} evaluations, {options.workers} at a time,")
    print(f"mean (median) of {options.seeds} seeds")
    for name in PROBLEMS:
        for optimizer in options.optimizers:
            runs = [
                regret(PROBLEMS[name](), optimizer, seed, options.evaluations, options.workers)
                for seed in range(options.seeds)
            ]
            print(f"{name:24}{optimizer:10}{np.mean(runs):12.4g} ({np.median(runs):.4g})")
    print("\nms an ask with so many evaluations known: median (largest)")
    for optimizer in options.optimizers:
        cells = [
            "{:10.3f} ({:.2f})".format(*milliseconds(optimizer, n)) + f" at {n}" for n in SIZES
        ]
        print(f"{optimizer:10}", *cells)


if __name__ == "__main__":
    main()
