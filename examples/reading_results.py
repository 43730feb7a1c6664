"""What one can ask a result, during a search and after it."""

from __future__ import annotations

import logging

from bandmaster import HyperBandIterGenerator, Metric, Study

logging.getLogger("bandmaster").setLevel(logging.ERROR)  # failures are looked at in the end


def evaluate(config, budget):
    """Two metrics; a short look is too optimistic, and what is too large does not work."""
    if config["width"] * config["depth"] > 500:
        raise MemoryError("the network is too large")
    error = 1 / config["width"] + 0.1 * abs(config["depth"] - 4) + 0.02 * budget
    return {"error": error, "size": config["width"] * config["depth"], "seconds": budget / 100}


def watch(study, evaluation):
    """Look at the result while it grows."""
    best = study.result.best
    if best is not None and best.job == evaluation.job:
        print(f"job {best.job}: {best.loss:.3f} at budget {best.budget}")


study = Study(
    {
        "width": {"_type": "int_loguniform", "_value": [4, 128]},
        "depth": {"_type": "int_uniform", "_value": [1, 8]},
    },
    generator=HyperBandIterGenerator(min_budget=1, max_budget=9, eta=3),
    metrics=[
        Metric("error"),
        Metric("size"),
        Metric("seconds", strategy="constraint", threshold=1.0),
    ],
    random_state=1,
)
result = study.optimize(evaluate, n_iterations=9, callbacks=[watch])
print(result)

for policy in ("largest budget", "any budget", "non-decreasing budget"):
    best = result.get_incumbent(policy)
    print(f"{policy}: {best.loss:.3f} at budget {best.budget} with {dict(best.config)}")

print("neither smaller nor better is possible:")
for evaluation in result.pareto_front():
    print(f"  error {evaluation.metrics['error']:.3f}, size {evaluation.metrics['size']}")

print(f"{len(result.failures)} failed; the first:")
print(result.failures[0].error.strip().splitlines()[-1])

frame = result.to_dataframe()
print(frame[frame["feasible"].fillna(False)].groupby("budget")["loss"].agg(["count", "min"]))
print(f"workers were busy for {result.utilization().share:.0%} of the time,")
print(f"and proposals took {result.optimizer_time:.2f} s")
