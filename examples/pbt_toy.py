"""Population based training, seen at work: the quadratic of Jaderberg et al. (2017), section 4.1.

Q(θ) = 1.2 - (3/4 θ₀² + θ₁²) is to grow, but training sees only the gradient of an estimate with
weights h, which are hyper-parameters. With h = [0, 1] or [1, 0] alone nobody gets to the top; with
a population of two that take over each other's θ and change h, both do.

    python examples/pbt_toy.py

prints what came of it, and leaves pbt_2.png, pbt_grid.png, pbt_4.png and pbt_4.gif here.
"""

from __future__ import annotations

import time

import numpy as np

from bandmaster import Result, fmin
from bandmaster.multifidelity import (
    PBTIterGenerator,
    grid_search,
    qloguniform,
    sample_from,
    uniform,
)

INTERVAL = 4
RATES = qloguniform(5e-3, 1e-1, 5e-4)


def q(theta):
    """The function that is to grow."""
    return 1.2 - (3 / 4 * theta[0] ** 2 + theta[1] ** 2)


def train(config, context):
    """Follow the gradient of the estimate, from the checkpoint if there is one; `report` ends."""
    theta = context.load()
    if theta is None:
        theta = np.array([0.9, 0.9])
    slope = 2 * np.array([3 / 4 * config["h0"], config["h1"]])
    while True:
        theta = theta - config["lr"] * slope * theta
        step = context.step + 1
        context.report(
            {"Q": float(q(theta)), "theta0": float(theta[0]), "theta1": float(theta[1])},
            checkpoint=theta if step % INTERVAL == 0 else None,
        )


def members(h0, lr, *, exploit=True) -> PBTIterGenerator:
    """Return a population with one member for each value of h0; h1 begins as 1 - h0."""
    return PBTIterGenerator(
        perturbation_interval=INTERVAL,
        checkpoint_interval=INTERVAL,
        metric="Q",
        mode="max",
        quantile_fraction=0.5 if exploit else 0.0,
        resample_probability=0.5,
        hyperparam_mutations={"lr": RATES, "h0": uniform(0.0, 1.0), "h1": uniform(0.0, 1.0)},
        synch=True,
        max_failures=3,
        param_space={
            "lr": lr,
            "h0": grid_search(h0),
            "h1": sample_from(lambda spec: 1.0 - spec.config["h0"]),
        },
        stop={"training_iteration": 100},
    )


def fit(population, *, seed=0) -> Result:
    """Train a population with two worker processes."""
    result = fmin(
        train,  # the population has the space and the metric
        multi_fidelity_iter_generator=population,
        n_jobs=2,
        random_state=seed,
        show_progressbar=False,
    )
    if result.errors:
        raise RuntimeError(result.errors)
    return result


def first_step(result, trial, least=1.19):
    """The first step at which a member reaches a value of Q, None if it never does."""
    frame = result.history(trial)
    reached = frame["step"][frame["metric.Q"] >= least]
    return None if reached.empty else int(reached.iloc[0])


def draw(result, labels, colors, path):
    """Draw the two plots of the paper's Figure 2 beside each other."""
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(13, 6), gridspec_kw={"width_ratios": [1.5, 1]}, layout="constrained"
    )
    result.plot_parameter_history(
        colors, labels, perturbation_interval=INTERVAL, fig=figure, ax=left, function=q
    )
    result.plot_Q_history(colors, labels, ax=right)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def main() -> None:
    """Train the three populations, say what came of them, and draw them."""
    runs = {
        # The grid lists h0 = 0 first, so trial 0 is the one with h = [0, 1].
        "2": ([0.0, 1.0], 0.05, True, ["h = [0, 1]", "h = [1, 0]"]),
        "grid": ([0.0, 1.0], 0.1, False, ["h = [0, 1]", "h = [1, 0]"]),
        "4": (
            [0.0, 1.0, 0.01, 0.99], RATES, True,
            ["h = [0, 1]", "h = [1, 0]", "h = [0.01, 0.99]", "h = [0.99, 0.01]"],
        ),
    }  # fmt: skip
    colors = ["black", "red", "blue", "green"]
    results = {}
    for name, (h0, lr, exploit, labels) in runs.items():
        began = time.perf_counter()
        result = results[name] = fit(members(h0, lr, exploit=exploit))
        seconds = time.perf_counter() - began
        print(f"{name}: {len(result.exploits())} exploits, {seconds:.1f} s with two processes")
        for trial, label in enumerate(labels):
            frame = result.history(trial)
            assert frame["step"].tolist() == list(range(1, 101))
            end, step = frame["metric.Q"].iloc[-1], first_step(result, trial)
            print(f"  {label:17} ends at Q = {end:.4f}; 1.19 at step {step}")
        draw(result, labels, colors[: len(labels)], f"pbt_{name}.png")
    path = results["4"].make_animation(
        colors, runs["4"][3], perturbation_interval=INTERVAL, filename="pbt_4.gif", function=q
    )
    print("drawn:", path)


if __name__ == "__main__":
    main()
