"""Keyed randomness."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.randomness import DEFAULT_SEED, DefaultSeed, Key, make_seed
from bandmaster.errors import ConfigurationError

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


def test_a_seed_is_what_was_given_or_one_that_nobody_insists_on():
    """Numbers of other libraries count; None draws another one each time."""
    assert (7, int) == (make_seed(np.int64(7)), type(make_seed(np.int64(7))))
    assert DEFAULT_SEED is make_seed(DEFAULT_SEED)
    drawn = [make_seed(None) for _ in range(2)]
    assert drawn[0] != drawn[1]
    assert all(isinstance(seed, DefaultSeed) for seed in drawn)
    assert "0" == repr(DEFAULT_SEED), "signatures show it"


@pytest.mark.parametrize("wrong", [-1, True, 1.0, "1"])
def test_what_is_no_seed_is_refused(wrong):
    """Before anything is made of it."""
    with pytest.raises(ConfigurationError, match="random_state"):
        make_seed(wrong)
