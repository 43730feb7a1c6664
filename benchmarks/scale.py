"""How busy 1 to 1,000 workers are, what they find, and what the master does for it: simulated.

Run it as ``python benchmarks/scale.py``. Workers and durations are simulated (log-normal with
sigma 1, budgets 1 to 81 with eta 3); the study, its optimizer and its generator are real, so the
CPU of an evaluation is what a master would spend on it without the network.

Populations (PBT) train 50 members for 27 iterations of 3 units of budget, and look at each other
after each; when a worker has nothing else to do another population begins. A member's gap to what
its configuration would come to closes as fast as its configuration says at that moment.

Utilisation is taken until the last evaluation starts, and for brackets with synchronous rungs also
until the last bracket starts: what comes after has nothing to give to idle workers.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bandmaster.core.clock import ManualClock
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import (
    ASHAIterGenerator,
    HyperBandIterGenerator,
    IterGenerator,
    PBTIterGenerator,
)
from bandmaster.optimizers import get_optimizer
from bandmaster.runners import Computed, LogNormal, Trained, run_simulated
from bandmaster.runners.workload import Workload
from bandmaster.study.study import Study
from bandmaster.testing.problems import hartmann6

WORKERS = (1, 10, 100, 1000)
PROBLEM = hartmann6()
COLORS = {"HyperBand": "#0072b2", "ASHA": "#e69f00", "PBT": "#009e73"}


def learning(config: Mapping[str, Any], budget: float) -> float:
    """Return the loss after training with a budget: it falls to the problem's own value."""
    final = PROBLEM(config)
    # Who is better in the end is not always better at first: the speed depends on x0.
    return final + 3.0 * math.exp(-budget / (5 + 40 * config["x0"]))


def train(config: Mapping[str, Any], gap: float | None) -> tuple[float, float]:
    """Train for 3 units of budget: `learning`, also when the configuration changes."""
    gap = (3.0 if gap is None else gap) * math.exp(-3 / (5 + 40 * config["x0"]))
    return gap, PROBLEM(config) + gap


def make_hyperband() -> tuple[IterGenerator, Workload]:
    """Return Hyperband and what it runs."""
    return HyperBandIterGenerator(1, 81, 3), Computed(learning)


def make_asha() -> tuple[IterGenerator, Workload]:
    """Return ASHA and what it runs."""
    return ASHAIterGenerator(1, 81, 3), Computed(learning)


def make_pbt() -> tuple[IterGenerator, Workload]:
    """Return PBT and what it runs."""
    return PBTIterGenerator(1, num_samples=50, stop=27), Trained(train, seconds=LogNormal(3.0))


class Figures(NamedTuple):
    """What a search came to."""

    generator: str
    optimizer: str
    workers: int
    utilization: float  # until the last evaluation starts
    before_last: float  # until the last bracket starts
    cpu: float  # microseconds an evaluation
    hours: float
    regret: float
    times: np.ndarray  # of each new incumbent at the largest budget
    regrets: np.ndarray


def measure(
    generator: IterGenerator, workload: Workload, optimizer: str, workers: int, n: int
) -> Figures:
    """Return the figures of one search."""
    clock = ManualClock()
    study = Study(
        PROBLEM.space, optimizer=get_optimizer(optimizer), generator=generator, clock=clock
    )
    study.set_plan(Plan(n_evaluations=n))
    began = time.process_time()
    timeline = run_simulated(study, workload, workers, clock=clock)
    cpu = (time.process_time() - began) / n * 1e6
    done = [e for e in study.history if e.budget == study.optimizer.budgets[-1] and e.ok]
    losses = np.minimum.accumulate([PROBLEM.regret(e.config) for e in done] or [np.nan])
    last = max(e.bracket for e in study.history)
    last_bracket = min(e.submitted for e in study.history if e.bracket == last)
    return Figures(
        type(generator).__name__.removesuffix("IterGenerator"), optimizer, workers,
        timeline.utilization(timeline.last_start), timeline.utilization(last_bracket or None),
        cpu, clock() / 3600, float(losses[-1]),
        np.array([e.finished for e in done] or [np.nan]) / 3600, losses,
    )  # fmt: skip


def plot(all_figures: list[Figures], path: Path) -> None:
    """Draw the regret over simulated time, a panel a number of workers."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    workers = sorted({f.workers for f in all_figures})
    figure = Figure(figsize=(3.2 * len(workers), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(workers), sharey=True, squeeze=False)[0]
    for axes, n in zip(panels, workers, strict=True):
        for f in all_figures:
            if f.workers == n:
                color, style = COLORS[f.generator], "-" if f.optimizer == "Random" else "--"
                better = np.flatnonzero(np.diff(f.regrets, prepend=np.inf))
                axes.step(
                    f.times, f.regrets, style, where="post", color=color, marker=".", ms=4,
                    markevery=better.tolist(), label=f"{f.generator}, {f.optimizer}",
                )  # fmt: skip
        title = f"{n} worker{'s' * (n > 1)}"
        axes.set(xscale="log", yscale="log", xlabel="simulated hours", title=title)
    panels[0].set_ylabel("regret of the best at the full budget")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(6, 2 * len(workers)),
        fontsize="small",
    )
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=50_000, help="with random search")
    parser.add_argument("--modelled", type=int, default=5_000, help="evaluations with ETPE")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--plot", type=Path, help="where to write a picture")
    arguments = parser.parse_args()
    all_figures = []
    print("| generator | optimizer | evaluations | workers | busy | busy before the last bracket |"
          " CPU/evaluation | simulated h | regret |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for optimizer, n in (("Random", arguments.evaluations), ("ETPE", arguments.modelled)):
        for make in (make_hyperband, make_asha, make_pbt):
            for workers in arguments.workers:
                f = measure(*make(), optimizer, workers, n)
                all_figures.append(f)
                before = f"{f.before_last:.1%}" if make is make_hyperband else "-"
                print(
                    f"| {f.generator} | {f.optimizer} | {n} | {workers} | {f.utilization:.1%} | "
                    f"{before} | {f.cpu:.0f} us | {f.hours:.3g} | {f.regret:.3g} |",
                    flush=True,
                )
    if arguments.plot:
        plot(all_figures, arguments.plot)


if __name__ == "__main__":
    main()
