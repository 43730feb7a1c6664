"""Options that are a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bandmaster.core.seconds import LONGEST, check_seconds
from bandmaster.errors import ConfigurationError


@pytest.mark.parametrize("value", [1, 0.5, LONGEST, np.float32(2.5), np.int64(3)])
def test_a_time_is_taken(value: Any) -> None:
    """Any finite number above zero will do, whoever made it."""
    check_seconds("patience", value, optional=False, zero=False)


@pytest.mark.parametrize(
    "value", [-1, float("nan"), float("inf"), -float("inf"), 2 * LONGEST, True, "3", [1], 1j]
)
def test_what_is_no_time_is_refused(value: Any) -> None:
    """The message names the option and what was given."""
    with pytest.raises(ConfigurationError, match=r"patience is a number of seconds .*got"):
        check_seconds("patience", value)


def test_zero_and_none_are_times_where_they_mean_something() -> None:
    """None is no limit."""
    check_seconds("patience", None)
    check_seconds("patience", 0)
    with pytest.raises(ConfigurationError, match="> 0 or None, got 0"):
        check_seconds("patience", 0, zero=False)
    with pytest.raises(ConfigurationError, match="≥ 0, got None"):
        check_seconds("patience", None, optional=False)
    with pytest.raises(ConfigurationError, match=r"got inf \(no limit is None\)"):
        check_seconds("patience", float("inf"))
