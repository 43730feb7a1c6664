"""What a user may say about isolation."""

from __future__ import annotations

from typing import Any

import pytest

from bandmaster import Worker, fmin
from bandmaster.core.isolation import Isolation, isolation_of
from bandmaster.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        (1 << 30, 1 << 30),
        ("2000000", 2_000_000),
        ("512MB", 512_000_000),
        ("2GiB", 2 << 30),
        ("2G", 2 << 30),
        ("1.5 mib", 1536 * 1024),
        (" 3 tb ", 3 * 10**12),
    ],
)
def test_memory_is_said_in_bytes_or_with_a_unit(given: Any, expected: int | None) -> None:
    """Decimal units have a B, binary ones an i or nothing."""
    isolation = isolation_of(True, 2.5, given)
    assert Isolation(2.5, expected) == isolation


@pytest.mark.parametrize("memory", ["much", "2 GB/s", "-1", -1, 0, 100, 1e9, True, "5 B", ""])
def test_malformed_memory_is_refused(memory: Any) -> None:
    """Also what is too little for any process, which is a forgotten unit."""
    with pytest.raises(ConfigurationError, match="memory_limit"):
        isolation_of(True, None, memory)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "5", True])
def test_malformed_time_is_refused(seconds: Any) -> None:
    """A time limit is a finite number of seconds."""
    with pytest.raises(ConfigurationError, match="time_limit is a number of seconds > 0"):
        isolation_of(True, seconds, None)


@pytest.mark.parametrize("options", [{"time_limit": 5.0}, {"memory_limit": "1GiB"}])
def test_limits_without_isolation_are_refused(options: dict[str, Any]) -> None:
    """The message says what to do."""
    space = {"x": {"_type": "uniform", "_value": [0, 1]}}
    with pytest.raises(ConfigurationError, match="needs isolate=True"):
        Worker("run", **options)
    with pytest.raises(ConfigurationError, match="needs isolate=True"):
        fmin(lambda config: 0.0, space, **options)


def test_without_isolation_there_are_no_limits() -> None:
    """None means: in the worker's own process."""
    assert isolation_of(False, None, None) is None
    assert Worker("run").isolation is None
    assert Isolation() == Worker("run", isolate=True).isolation


@pytest.mark.parametrize("strategy", ["Serial", "MapReduce"])
@pytest.mark.parametrize("option", [{"isolate": True}, {"job_timeout": 5}])
def test_what_needs_worker_processes_says_so(strategy: str, option: dict[str, Any]) -> None:
    """A strategy that was asked for by name is not replaced silently."""
    space = {"x": {"_type": "uniform", "_value": [0, 1]}}
    with pytest.raises(ConfigurationError, match=r"needs parallel_strategy='AsyncComm'"):
        fmin(lambda config: 0.0, space, parallel_strategy=strategy, **option)
