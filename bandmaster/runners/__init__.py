"""Driving a study without the network."""

from bandmaster.runners.batch import run_batches
from bandmaster.runners.fleet import Fleet
from bandmaster.runners.serial import run_serial
from bandmaster.runners.simulated import Timeline, run_simulated
from bandmaster.runners.training import Trained
from bandmaster.runners.workload import Computed, Curve, LogNormal, Recorded, Run

__all__ = [
    "Computed",
    "Curve",
    "Fleet",
    "LogNormal",
    "Recorded",
    "Run",
    "Timeline",
    "Trained",
    "run_batches",
    "run_serial",
    "run_simulated",
]
