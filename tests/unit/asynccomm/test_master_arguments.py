"""What a master is made of."""

from __future__ import annotations

from typing import Any

import pytest

from bandmaster import ETPEOptimizer, Master
from bandmaster.errors import ConfigurationError

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


@pytest.mark.parametrize("optimizer", ["etpe", ETPEOptimizer, ETPEOptimizer()])
def test_an_optimizer_by_name_class_or_instance(optimizer: Any) -> None:
    """All three are the same to a master."""
    master = Master("made", optimizer, config_space=SPACE)
    assert isinstance(master.optimizer, ETPEOptimizer)
    master.shutdown()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"optimizer": "annealing"}, "there is no optimizer 'annealing'"),
        ({"iter_generator": "hyperband"}, "HyperBandIterGenerator"),
        ({"callbacks": 3}, "callbacks is a list of functions"),
        ({"config_space": None}, "no search space"),
        ({"checkpoint_store": 3}, "a directory or a URL"),
        ({"keep_checkpoints": 3}, "keep_checkpoints is"),
    ],
)
def test_wrong_parts_are_refused_at_once(options: dict[str, Any], says: str) -> None:
    """Nothing was started."""
    with pytest.raises(ConfigurationError, match=says):
        Master(**{"run_id": "made", "optimizer": "ETPE", "config_space": SPACE, **options})
