"""Deadlines: what is due when."""

from __future__ import annotations

import queue

from hypothesis import given
from hypothesis import strategies as st

from bandmaster.asynccomm.deadlines import DeadlineQueue, Deadlines

_steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 9))), max_size=30
)


@given(_steps, st.integers(0, 9))
def test_what_is_due_is_what_a_plain_dict_would_say(
    steps: list[tuple[str, int | None]], now: int
) -> None:
    """The last `set` of a key counts; a discarded key is never due; nothing comes twice."""
    deadlines, plain = DeadlineQueue(), dict[str, int]()
    for key, at in steps:
        if at is None:
            deadlines.discard(key)
            plain.pop(key, None)
        else:
            deadlines.set(key, at)
            plain[key] = at
    assert sorted(k for k, at in plain.items() if at <= now) == sorted(map(str, deadlines.pop(now)))
    assert [] == deadlines.pop(now)
    left = [at for at in plain.values() if at > now]
    assert (deadlines.next() is None) == (not left)
    assert not left or deadlines.next() <= min(left)  # type: ignore[operator]  # not None: the line above


def test_what_was_discarded_takes_no_room_until_it_would_be_due() -> None:
    """Of a thousand jobs a second none is kept for its hour; what runs is due when it was."""
    deadlines = DeadlineQueue()
    deadlines.set("runs", 100.0)
    for number in range(10_000):
        deadlines.set(number, 3600.0 + number)
        deadlines.discard(number)
    assert len(deadlines._heap) < 100
    assert ["runs"] == deadlines.pop(5000.0)


def test_thread_calls_back_in_order_and_ends() -> None:
    """One thread sleeps until the next deadline; a callback that fails does not end it."""
    seen: queue.Queue[object] = queue.Queue()

    def expired(key: object) -> None:
        seen.put(key)
        if key == "first":
            raise ValueError("a callback that fails")

    deadlines = Deadlines(expired, name="test")
    deadlines.set("never", 60.0)
    deadlines.set("second", 0.02)
    deadlines.set("first", 0.01)
    assert ["first", "second"] == [seen.get(timeout=5), seen.get(timeout=5)]
    deadlines.close()
    deadlines.set("after", 0.0)
    assert seen.empty()
