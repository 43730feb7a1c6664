"""The strict codec."""

import concurrent.futures
import contextlib
import enum
import math

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.codec import MAX_DEPTH, native, pack, unpack
from bandmaster.errors import CodecError

KEYS = st.one_of(st.text(), st.integers(-(2**63), 2**64 - 1), st.booleans(), st.binary(), st.none())
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=5).map(tuple),
        st.dictionaries(KEYS, inner, max_size=5),
    ),
    max_leaves=20,
)


def same(left, right):
    """Whether two values are equal and of the same types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            same(lk, rk) and same(lv, rv)
            for (lk, lv), (rk, rv) in zip(left.items(), right.items(), strict=True)
        )
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


@given(VALUES)
def test_every_plain_value_comes_back_equal_and_of_the_same_type(value):
    """What pack accepts, unpack gives back unchanged."""
    assert same(value, unpack(pack(value)))


def test_nan_and_infinities_survive():
    """Floats are IEEE doubles, also the odd ones."""
    assert math.isnan(unpack(pack(math.nan)))
    assert unpack(pack([math.inf, -math.inf])) == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.arange(3), [0, 1, 2]),
        ({np.int64(1): (np.float64(2.0),)}, {1: (2.0,)}),
        (frozenset([1]), [1]),
        (enum.IntEnum("E", "A")(1), 1),
    ],
)
def test_numpy_values_and_subclasses_become_native(value, expected):
    """numpy scalars and arrays, sets and subclasses of scalars are sent as plain data."""
    assert same(expected, unpack(pack(value)))
    assert same(expected, native(value))


def test_native_leaves_long_integers_and_pack_takes_them():
    """How they travel is the business of `pack`; as a key they are refused by both."""
    value = {"n": 2**70, "deep": [(-(2**70), np.int64(1))]}
    plain = native(value)
    assert same({"n": 2**70, "deep": [(-(2**70), 1)]}, plain)
    assert same(plain, unpack(pack(plain)))
    for refuse in (native, pack):
        with pytest.raises(CodecError, match="cannot be a key"):
            refuse({2**70: 1})


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, object()]}, "['a'][1]"),
        ({"f": lambda: 0}, "['f']"),
        (np.datetime64("2020-01-01"), "datetime"),
        (1j, "complex"),
        ({"name": ["\ud800"]}, "['name'][0] is no valid text"),
        ("\udc80.csv", "no valid text"),
        ({"\ud800": 1}, "no valid text"),
    ],
)
def test_what_has_no_plain_form_is_refused_with_its_path(value, path):
    """The error says where in the value the trouble is."""
    with pytest.raises(CodecError) as caught:
        pack(value)
    assert path in str(caught.value)


@given(VALUES, VALUES)
def test_what_was_packed_before_leaves_nothing_behind(before, value):
    """Packers are used again: after a success, a failure half way and a large message alike."""
    expected = pack(value)
    for other in (before, [before, {"deep": [1, 2, object()]}], [before, bytes(1 << 17)]):
        with contextlib.suppress(CodecError):
            pack(other)
        assert expected == pack(value)


def test_packing_in_many_threads_mixes_nothing_up():
    """Each packer works for one thread at a time."""

    def work(number):
        value = [number, {"x": (number, str(number)) * 20}]
        return all(same(value, unpack(pack(value))) for _ in range(200))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(32)))


def test_deep_nesting_is_refused_on_both_sides():
    """Neither a sender nor a receiver recurses without bound."""
    value = []
    for _ in range(MAX_DEPTH * 40):
        value = [value]
    with pytest.raises(CodecError):
        pack(value)
    with pytest.raises(CodecError):
        unpack(b"\x91" * 100_000 + b"\xc0")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        pack([1, 2])[:-1],
        pack(1) + b"\x00",
        msgpack.packb(msgpack.ExtType(77, b"x")),
        msgpack.packb(msgpack.ExtType(1, pack({}))),
        b"\xdd\xff\xff\xff\xff",
    ],
)
def test_bad_bytes_raise_codec_error(data):
    """Truncated, trailing, unknown or huge-claiming bytes are one kind of error."""
    with pytest.raises(CodecError):
        unpack(data)


@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data):
    """Whatever arrives, the outcome is a value or a CodecError."""
    with contextlib.suppress(CodecError):
        unpack(data)


def test_deep_tuples_do_not_end_the_process():
    """A tuple in a tuple costs stack: deep ones are refused, by sender and receiver alike."""
    data = pack(None)
    for _ in range(5000):
        inner = b"\x91" + data
        data = b"\xc9" + len(inner).to_bytes(4, "big") + b"\x01" + inner
    with pytest.raises(CodecError, match="deeper than"):
        unpack(data)


@given(st.integers(0, 2 * MAX_DEPTH), st.lists(st.booleans(), max_size=2 * MAX_DEPTH))
def test_what_can_be_packed_can_be_unpacked(depth, kinds):
    """However lists and tuples are nested, nothing is packed that could not be read again."""
    value = None
    for in_tuple in [True] * depth + kinds:
        value = (value,) if in_tuple else [value]
    try:
        data = pack(value)
    except CodecError:
        assert depth + len(kinds) > MAX_DEPTH
    else:
        assert value == unpack(data)


@given(VALUES, st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), max_size=5))
def test_changed_messages_never_raise_anything_else(value, changes):
    """Bytes that were ours before something changed them: a value, or a CodecError."""
    data = bytearray(pack(value))
    for place, byte in changes:
        data[place % len(data)] = byte
    with contextlib.suppress(CodecError):
        unpack(data)


def test_an_error_does_not_repeat_what_was_received():
    """A large message that cannot be read makes no large line in a log."""
    for data in (pack(["x" * 10_000]) + b"\x00" * 10_000, b"\xda\x27\x10" + b"\xff" * 10_000):
        with pytest.raises(CodecError) as caught:
            unpack(data)
        assert len(str(caught.value)) < 300
