"""How long each plot takes to draw 10,000 evaluations.

Run with ``python benchmarks/plots.py [n_iterations]``. Prints seconds of CPU for making each plot
of a made-up Hyperband search with 20 workers and for drawing its figure to pixels, the best of
three, without imports and fonts; and which plots take more than a second.
"""

from __future__ import annotations

import sys
import time

import matplotlib as mpl

from bandmaster import plotting
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_hyperband_history

LIMIT = 1.0


def measure(name: str, result: Result) -> tuple[float, float]:
    """Return the seconds for making a plot and for drawing it, in a new figure each time."""
    from matplotlib import pyplot as plt

    runs = []
    for _ in range(3):
        plt.close("all")
        began = time.process_time()
        ax = getattr(plotting, name)(result)
        made = time.process_time()
        ax.figure.canvas.draw()
        runs.append((time.process_time() - began, made - began))
    total, making = min(runs)
    return making, total - making


if __name__ == "__main__":
    mpl.use("Agg")
    n_iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 2310
    result = Result(make_hyperband_history(n_iterations, n_workers=20, p_failure=0.02))
    few = Result(make_hyperband_history(30))
    print(f"{len(result.history):,} evaluations; seconds of CPU for making and for drawing")
    slow = []
    for name in sorted(set(plotting.__all__) - {"make_animation", "plot_hdl"}):
        measure(name, few)
        making, drawing = measure(name, result)
        print(f"{name:34} {making:6.2f} + {drawing:5.2f} = {making + drawing:5.2f}", flush=True)
        if making + drawing > LIMIT:
            slow.append(name)
    print(f"over {LIMIT:g} s: {', '.join(slow) or 'none'}")
