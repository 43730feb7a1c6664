"""You run the evaluations, the study says which: for a lab, a queue of your own, a game engine."""

from __future__ import annotations

from bandmaster import Metric, Study

study = Study(
    {
        "temperature": {"_type": "uniform", "_value": [20.0, 120.0]},
        "catalyst": {"_type": "choice", "_value": ["none", "iron", "nickel"]},
    },
    metrics=[
        Metric("yield", objective="maximize"),
        Metric("cost", strategy="store"),
    ],
    random_state=1,
)

EFFECT = {"none": 0.0, "iron": 0.2, "nickel": 0.3}

for _ in range(30):
    job = study.ask()
    # Here an experiment would take place, in whatever way and for however long.
    temperature, catalyst = job.config["temperature"], job.config["catalyst"]
    outcome = 0.6 - ((temperature - 80) / 100) ** 2 + EFFECT[catalyst]
    study.tell(job, {"yield": outcome, "cost": temperature / 10 + 5 * EFFECT[catalyst]})

print(study.result)
print("best:", study.result.best_config)
