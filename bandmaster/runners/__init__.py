"""Driving a study without the network."""

from bandmaster.runners.batch import run_batches
from bandmaster.runners.serial import run_serial

__all__ = ["run_batches", "run_serial"]
