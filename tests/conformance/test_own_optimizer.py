"""The optimizer of examples/own_optimizer.py keeps the rules, as a user's own would be tested."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from bandmaster.optimizers import Optimizer
from bandmaster.testing.optimizers import OptimizerSuite

_PATH = Path(__file__).parents[2] / "examples" / "own_optimizer.py"


class TestHillClimber(OptimizerSuite):
    def make(self) -> Optimizer:
        spec = importlib.util.spec_from_file_location("own_optimizer", _PATH)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        climber: Optimizer = module.HillClimber()
        return climber
