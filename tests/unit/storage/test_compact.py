"""The stored form: what comes back is what was written, in few bytes, or an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core import codec
from bandmaster.core import events as ev
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import CodecError, StorageError
from bandmaster.storage.compact import Compactor

keys = st.sampled_from(["a", "b", "learning_rate", "", "ü"]) | st.integers(0, 2) | st.booleans()
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.tuples(inner, inner), max_leaves=5
)
mappings = st.dictionaries(keys, values, max_size=4)
workers = st.sampled_from(["", "w", "host.1", "host.2"])
events = st.one_of(
    st.builds(
        ev.JobIssued, st.floats(0, 9), st.integers(0, 9), st.just(0), workers, st.integers(0, 9),
        st.just(1.0), st.none() | mappings, mappings, st.just(0), st.just(0), st.none(),
        st.booleans(),
    ),
    st.builds(
        ev.JobFinished, st.floats(0, 9), st.integers(0, 9), st.just(0),
        st.builds(
            Outcome, st.sampled_from(Status), st.none(), mappings, values | mappings,
            st.none() | st.text(), st.none(), st.just(0.0), st.just(1.0), workers,
        ),
    ),
    st.builds(
        ev.JobReported, st.just(1.0), st.just(0), st.just(0), st.just(1), mappings, st.none(),
        st.just("continue"), st.none(),
    ),
    st.builds(ev.Enqueued, st.just(1.0), mappings),
    st.builds(ev.Noted, st.just(1.0), st.text()),
)  # fmt: skip


def typed(event):
    """Return a text in which 1, 1.0 and True differ, and the order of keys."""
    return repr(event)


@given(st.lists(st.lists(events, max_size=5), max_size=6))
def test_every_journal_comes_back(groups):
    """Decoding gives equal events, of the same types and orders; a copy goes on alike."""
    writer, reader = Compactor(), Compactor()
    for group in groups:
        rows = writer.encode(group)
        assert [typed(e) for e in group] == [typed(reader.decode(row)) for row in rows]
        assert (writer.position, writer.check) == (reader.position, reader.check)
        writer = reader.copy()


@given(st.lists(events, max_size=5), st.lists(events, max_size=5))
def test_a_refused_group_leaves_no_trace(first, second):
    """After an encode that failed, the next gives the bytes that it would have given."""
    tried, plain = Compactor(), Compactor()
    with pytest.raises(CodecError):
        tried.encode([*first, ev.Enqueued(1.0, {"new key": object()})])
    assert plain.encode(second) == tried.encode(second)


@given(st.lists(events, min_size=2, max_size=5), st.data())
def test_other_bytes_are_never_other_events(group, data):
    """A changed byte, a missing row or a swapped one is an error at its place."""
    rows = Compactor().encode(group)
    place = data.draw(st.integers(0, len(rows) - 1))
    byte = data.draw(st.integers(0, len(rows[place]) - 1))
    changed = bytearray(rows[place])
    changed[byte] ^= data.draw(st.integers(1, 255))
    reader = Compactor()
    for row in rows[:place]:
        reader.decode(row)
    with pytest.raises(StorageError, match=f"event {place}"):
        reader.decode(bytes(changed))


def test_names_are_stored_once():
    """However long parameters' and workers' names are, from the second time they cost nothing."""

    def size(name, worker):
        compactor = Compactor()
        for n in range(2):
            config = {f"{name}{i}": 0.5 for i in range(10)}
            outcome = Outcome(Status.OK, 0.5, {name: 1.0}, None, None, None, 1.0, 2.0, worker)
            rows = compactor.encode(
                [
                    ev.JobIssued(1.0, n, 0, worker, n, 1.0, config, {}, 0, 0, None, False),
                    ev.JobFinished(2.0, n, 0, outcome),
                ]
            )
        return sum(map(len, rows))

    assert size("x", "w") == size("a long name of a parameter", "a long name of a worker")
    assert size("x", "w") < 250


def test_subclasses_of_str_are_strings():
    """Keys and names that are numpy strings come back as plain ones, and number as they do."""

    class Text(str):
        __slots__ = ()

    config = {Text("a"): 1.0, "b": 2}
    event = ev.JobIssued(1.0, 0, 0, Text("w"), 0, 1.0, config, {}, 0, 0, None, False)
    writer, reader = Compactor(), Compactor()
    for _ in range(3):
        for row in writer.encode([event]):
            found = reader.decode(row)
            assert event == found
            assert [str, str, str] == [type(found.worker), *map(type, found.config)]


def test_a_worker_that_is_no_text_is_refused():
    """A number in place of a worker's name could be mistaken for the number of a name."""
    with pytest.raises(CodecError, match="worker"):
        Compactor().encode([ev.JobFinished(1.0, 0, 0, Outcome(Status.OK, 1.0, worker=5))])


def test_an_event_of_a_newer_version_says_so():
    """A row that is whole but means nothing to this version points to an upgrade."""
    compactor = Compactor()
    (row,) = compactor.encode([ev.Noted(1.0, "x")])
    body = codec.pack(["from the future", 1.0])
    import zlib

    with pytest.raises(StorageError, match="newer version"):
        Compactor().decode(zlib.crc32(body, 0).to_bytes(4, "big") + body)
    assert ev.Noted(1.0, "x") == Compactor().decode(row)
