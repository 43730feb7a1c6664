"""The demo: a name server, a master and two worker processes tune classifiers on real data.

Run it with ``python -m bandmaster.examples.demo`` (or ``make demo``). It needs the extra `sklearn`
and about half a minute, and leaves a picture in ``demo-output/``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bandmaster.asynccomm.master import Master
from bandmaster.asynccomm.nameserver import NameServer
from bandmaster.errors import MissingExtraError
from bandmaster.examples.automl import HDL
from bandmaster.multifidelity import HyperBandIterGenerator
from bandmaster.optimizers import ETPEOptimizer
from bandmaster.progress import default_callback
from bandmaster.study.result import FMinResult

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["draw", "main", "run", "worker_processes"]


@contextmanager
def worker_processes(run_id: str, n_workers: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start workers as programs of their own, and wait for their end on the way out.

    Parameters
    ----------
    run_id : str
        All that they need to find the name server and its key.
    n_workers : int
    """
    command = [
        sys.executable,
        "-W", "ignore::UserWarning",  # liblinear that did not converge is just a bad configuration
        "-m", "bandmaster", "--quiet",
        "worker", "bandmaster.examples.automl:evaluator", "--run-id", run_id,
    ]  # fmt: skip
    # One thread each: they share the processors.
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(n_workers):
            started.append(subprocess.Popen(command, env=env))
        yield started
        for process in started:
            process.wait(timeout=15)  # the master has told them to end
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
        for process in started:
            process.wait()


def run(n_iterations: int = 30, n_workers: int = 2) -> Result:
    """Tune the classifiers and return what was found.

    Parameters
    ----------
    n_iterations : int, default 30
        Brackets of Hyperband; 30 make 130 evaluations.
    n_workers : int, default 2
    """
    generator = HyperBandIterGenerator(min_budget=1 / 4, max_budget=1, eta=2)
    print("Brackets (the budget is the share of the training data):")
    print(generator)
    optimizer = ETPEOptimizer()
    optimizer.initialize(config_space=HDL, budgets=generator.get_budgets())
    with NameServer() as server:
        print(f"name server of {server.run_id} at {server.address}")
        with worker_processes(server.run_id, n_workers) as workers:
            for process in workers:
                print(f"worker: process {process.pid}")
            master = Master(
                run_id=server.run_id,
                optimizer=optimizer,
                iter_generator=generator,
                progress_callback=default_callback,
            )
            try:
                master.run(n_iterations=n_iterations)
            finally:
                master.shutdown(shutdown_workers=True)
            if master.interrupted is not None:
                raise KeyboardInterrupt
    return FMinResult(optimizer)


def draw(result: Result, path: Path) -> None:
    """Draw the five plots of a result into one picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 8), layout="constrained")
    axes = figure.subplot_mosaic("AABBCC\nDDDEEE")
    result.plot_concurrent_over_time(num_points=200, ax=axes["A"])
    result.plot_finished_over_time(ax=axes["B"])
    result.plot_correlation_across_budgets(ax=axes["C"])
    result.plot_convergence_over_time(ax=axes["D"])
    result.plot_convergence_over_iter(budget=1, name="budget = 1", ax=axes["E"])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n-iterations", type=int, default=30, help="brackets, default 30")
    parser.add_argument("--n-workers", type=int, default=2, help="processes, default 2")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="a folder")
    options = parser.parse_args(arguments)
    try:
        import sklearn  # noqa: F401 - the workers need it; say so before anything starts
    except ModuleNotFoundError:
        print(f"Error: {MissingExtraError('the demo', 'sklearn')}", file=sys.stderr)
        return 2
    try:
        result = run(options.n_iterations, options.n_workers)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    print(result)
    picture = options.output / "result.png"
    draw(result, picture)
    print(f"{len(result.evaluations)} evaluations; best loss {result.best_loss:.4f}")
    print(f"plots: {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
