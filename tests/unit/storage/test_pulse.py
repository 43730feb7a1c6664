"""Whether a process was stopped: what the monotonic clock and the processor time say."""

from __future__ import annotations

from bandmaster.storage.sql.pulse import Pulse


class Times:
    """Two clocks that go when they are told."""

    def __init__(self, lease: float) -> None:
        self.now, self.used = 100.0, 10.0
        self.pulse = Pulse(lease, lambda: self.now, lambda: self.used)

    def after(self, seconds: float, used: float = 0.0, planned: float = 0.0) -> float | None:
        self.now += seconds
        self.used += used
        return self.pulse.feel(planned=planned)


def test_who_was_stopped_for_longer_than_the_lease_hears_for_how_long() -> None:
    """Up to the lease it is nobody's business."""
    times = Times(lease=30)
    assert times.after(30) is None
    assert 31 == times.after(31)


def test_who_computed_was_not_stopped() -> None:
    """A processor shared with four others is enough of a sign."""
    times = Times(lease=30)
    assert times.after(100, used=100) is None
    assert times.after(100, used=20) is None
    assert 100 == times.after(100, used=19)


def test_processor_time_of_before_does_not_count() -> None:
    """What was used while the pulse was felt all the time says nothing of a later silence."""
    times = Times(lease=30)
    for _ in range(1000):
        assert times.after(0.1, used=0.1) is None
    assert 31 == times.after(31, used=1)


def test_a_sleep_of_its_own_is_not_counted() -> None:
    """Only what goes beyond what was planned was a stop."""
    times = Times(lease=1)
    assert times.after(2.5, planned=2) is None
    assert 2 == times.after(4, planned=2)
