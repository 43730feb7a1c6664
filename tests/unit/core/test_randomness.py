"""Keyed randomness."""

from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.randomness import Key

KEYS = st.builds(Key, st.integers(0, 2**63 - 1), st.integers(0, 2**40))


@given(KEYS, st.sampled_from(["ask", "random"]))
def test_the_same_key_and_stream_draw_the_same(key, stream):
    """There is no state: a draw is a function of its key."""
    assert key.rng(stream).random(4).tolist() == key.rng(stream).random(4).tolist()


@given(KEYS, KEYS)
def test_different_keys_and_streams_draw_differently(left, right):
    """Seeds, numbers and streams are all part of the name."""
    if left != right:
        assert left.rng().random(4).tolist() != right.rng().random(4).tolist()
    assert left.rng("a").random(4).tolist() != left.rng("b").random(4).tolist()


def test_draws_are_the_same_on_every_machine():
    """A golden draw: changing how keys are made would change every stored study."""
    expected = [0.4002721165864238, 0.924553240898274]
    assert expected == Key(1, 2).rng("ask").random(2).tolist()
