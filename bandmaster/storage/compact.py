"""The stored form of a study's events: small, and checked against what came before.

`core.events.to_data` is the plain form. Two things in it repeat in every evaluation: the names of
parameters and of workers. A mapping is stored with its keys only where that sequence of keys
comes for the first time, later as ``[number of the keys, value, value, ...]``; a worker's name
likewise, later as a number. What is numbered follows from the events before, so nothing else has
to be kept. Each row begins with the CRC-32 of all rows up to and with it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from bandmaster.core import codec
from bandmaster.core.events import Event, from_data, to_data
from bandmaster.errors import CodecError, StorageError

__all__ = ["CHECK_BYTES", "Compactor"]

CHECK_BYTES = 4
_MAX_NUMBERED = 10_000  # of keys and of names: who makes up a new one each time gets no benefit
# Where in the plain form mappings and names stand. An outcome's info may be anything, so a list
# in its place could not be told from a numbered mapping: it stays plain.
_MAPPINGS = {"issued": (7, 8), "reported": (5,)}
_WORKER = 4  # of "issued"
_OUTCOME_METRICS, _OUTCOME_WORKER = 2, 8


class Compactor:
    """Turns events into rows and rows into events, in their order.

    One instance goes through a journal from its beginning; having decoded what is there, it
    encodes what follows.

    Attributes
    ----------
    position : int
        How many events it has seen.
    check : int
        CRC-32 of their rows.
    """

    def __init__(self) -> None:
        self.position = 0
        self.check = 0
        self._keys: list[tuple[str, ...]] = []
        self._key_numbers: dict[tuple[str, ...], int] = {}
        self._names: list[str] = []
        self._name_numbers: dict[str, int] = {}

    def copy(self) -> Compactor:
        """Return one that goes on from here on its own."""
        other = Compactor()
        other.position, other.check = self.position, self.check
        other._keys, other._key_numbers = list(self._keys), dict(self._key_numbers)
        other._names, other._name_numbers = list(self._names), dict(self._name_numbers)
        return other

    def encode(self, events: Sequence[Event]) -> list[bytes]:
        """Return a row for each event; on an error nothing has changed.

        Raises
        ------
        CodecError
            For a value that cannot be stored.
        """
        before = self.position, self.check, len(self._keys), len(self._names)
        try:
            return [self._encode(event) for event in events]
        except BaseException:
            self._go_back(*before)
            raise

    def decode(self, row: bytes) -> Event:
        """Return the event of the next row.

        Raises
        ------
        StorageError
            When the row is not what was written there.
        """
        body = row[CHECK_BYTES:]
        check = zlib.crc32(body, self.check)
        if check != int.from_bytes(row[:CHECK_BYTES], "big"):
            raise StorageError(f"event {self.position} is damaged or out of place")
        try:
            data = codec.unpack(body)
            kind = data[0]
            if kind == "finished":
                outcome = data[-1]
                if outcome[_OUTCOME_METRICS]:
                    outcome[_OUTCOME_METRICS] = self._mapping_of(outcome[_OUTCOME_METRICS])
                outcome[_OUTCOME_WORKER] = self._name_of(outcome[_OUTCOME_WORKER])
            elif kind in _MAPPINGS:
                for i in _MAPPINGS[kind]:
                    if data[i]:
                        data[i] = self._mapping_of(data[i])
                if kind == "issued":
                    data[_WORKER] = self._name_of(data[_WORKER])
            event = from_data(data)
        except (CodecError, LookupError, TypeError, ValueError) as error:
            raise StorageError(
                f"event {self.position} cannot be read: {error}; was it written by a newer "
                "version of bandmaster?"
            ) from error
        self.position += 1
        self.check = check
        return event

    def _encode(self, event: Event) -> bytes:
        data = to_data(event)
        kind = data[0]
        for i in _MAPPINGS.get(kind, ()):
            data[i] = self._number_mapping(data[i])
        if kind == "issued":
            data[_WORKER] = self._number_name(data[_WORKER])
        elif kind == "finished":
            outcome = data[-1]
            outcome[_OUTCOME_METRICS] = self._number_mapping(outcome[_OUTCOME_METRICS])
            outcome[_OUTCOME_WORKER] = self._number_name(outcome[_OUTCOME_WORKER])
        body = codec.pack(data)
        self.check = zlib.crc32(body, self.check)
        self.position += 1
        return self.check.to_bytes(CHECK_BYTES, "big") + body

    def _go_back(self, position: int, check: int, n_keys: int, n_names: int) -> None:
        self.position, self.check = position, check
        for keys in self._keys[n_keys:]:
            del self._key_numbers[keys]
        for name in self._names[n_names:]:
            del self._name_numbers[name]
        del self._keys[n_keys:], self._names[n_names:]

    def _number_mapping(self, mapping: Any) -> Any:
        if not mapping:
            return mapping
        if not isinstance(mapping, Mapping):
            raise CodecError(f"expected a mapping, got {mapping!r}")
        keys = tuple(mapping)
        number = self._key_numbers.get(keys)
        if number is None or not _plain(keys):
            # Decoding will see plain strings, so they are what is learned here.
            mapping = {str(k) if isinstance(k, str) else k: v for k, v in mapping.items()}
            keys = tuple(mapping)
            number = self._key_numbers.get(keys) if _plain(keys) else None
        if number is not None:
            return [number, *mapping.values()]
        self._learn_keys(keys)
        return mapping

    def _mapping_of(self, stored: Any) -> Any:
        if type(stored) is list:
            keys = self._keys[stored.pop(0)]
            return dict(zip(keys, stored, strict=True))
        self._learn_keys(tuple(stored))
        return stored

    def _learn_keys(self, keys: tuple[Any, ...]) -> None:
        if len(self._keys) < _MAX_NUMBERED and _plain(keys) and keys not in self._key_numbers:
            self._key_numbers[keys] = len(self._keys)
            self._keys.append(keys)

    def _number_name(self, name: Any) -> Any:
        if not isinstance(name, str):
            raise CodecError(f"a worker's name is a string, got {name!r}")
        name = str(name)
        number = self._name_numbers.get(name)
        if number is not None:
            return number
        if name:
            self._learn_name(name)
        return name

    def _name_of(self, stored: Any) -> Any:
        if type(stored) is int:
            return self._names[stored]
        if stored:
            self._learn_name(stored)
        return stored

    def _learn_name(self, name: str) -> None:
        if len(self._names) < _MAX_NUMBERED and name not in self._name_numbers:
            self._name_numbers[name] = len(self._names)
            self._names.append(name)


def _plain(keys: tuple[Any, ...]) -> bool:
    """Whether all are strings: 1, 1.0 and True would be one key to Python."""
    return all(type(key) is str for key in keys)
