"""The strict codec: how configurations, outcomes and events become bytes and come back.

msgpack with nothing implicit: every value comes back equal *and of the same type*, or packing
raises. Tuples, big integers and numpy scalars and arrays are the cases where plain msgpack loses
the type or fails at the receiver.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgpack

from bandmaster.errors import CodecError

__all__ = ["MAX_DEPTH", "native", "pack", "unpack"]

MAX_DEPTH = 64
_TUPLE, _BIGINT = 1, 2
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1


def pack(value: Any) -> bytes:
    """Pack plain data.

    Parameters
    ----------
    value : object
        None, bool, int of any size, float, str, bytes, list, tuple; dict with scalar keys (an
        integer key has at most 64 bits); nested at most `MAX_DEPTH` deep.

    Raises
    ------
    CodecError
        For any other type; the message names the path to it.
    """
    try:
        return _pack(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        # The slow walk finds out what is wrong, or rewrites what msgpack alone cannot do.
        plain = _prepare(value, "", 0, wire=True)
    try:
        return _pack(plain)
    except UnicodeEncodeError as error:
        raise CodecError(f"{error.object!r:.60} is no valid text: {error.reason}") from error


def unpack(data: bytes | bytearray | memoryview) -> Any:
    """Unpack what `pack` made.

    Raises
    ------
    CodecError
        When the bytes are truncated, have a tail, or hold anything `pack` never writes.
    """
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=False,
            use_list=True,
            ext_hook=_UNPACK_HOOKS[0],
            timestamp=0,
        )
    except CodecError:
        raise
    except Exception as error:
        # Not its repr: that may hold all that was received.
        why = f"{type(error).__name__}: {error!s:.200}"
        raise CodecError(f"these bytes are no message of ours: {why}") from error


def native(value: Any, *, path: str = "") -> Any:
    """Rewrite numpy scalars, arrays and mappings in `value` as plain Python data.

    Returns
    -------
    object
        Data that `pack` accepts, if everything in it is a scalar, a string, a sequence, a mapping
        or a numpy value.

    Raises
    ------
    CodecError
        For an object that has no plain form; the message names the path to it.
    """
    return _prepare(value, path, 0, wire=False)


def _pack_hook(depth: int) -> Callable[[Any], Any]:
    """Return what packs tuples inside `depth` tuples; what can be packed can be unpacked."""

    def pack_ext(value: Any) -> Any:
        if type(value) is tuple and depth < MAX_DEPTH:
            return msgpack.ExtType(_TUPLE, _packer(depth + 1).pack(list(value)))
        raise TypeError(type(value).__name__)

    return pack_ext


_PACK_HOOKS = [_pack_hook(depth) for depth in range(MAX_DEPTH + 1)]


def _unpack_hook(depth: int) -> Callable[[int, bytes], Any]:
    """Return what reads the extension types inside `depth` tuples.

    Each tuple in a tuple is an unpacker within an unpacker, of 40 KiB of the thread's stack: 200
    of them end the process. So deep ones are refused before.
    """

    def unpack_ext(code: int, data: bytes) -> Any:
        if code == _TUPLE:
            if depth == MAX_DEPTH:
                raise CodecError(f"tuples are nested deeper than {MAX_DEPTH} levels")
            inner = msgpack.unpackb(
                data,
                raw=False,
                strict_map_key=False,
                ext_hook=_UNPACK_HOOKS[depth + 1],
                timestamp=0,
            )
            if type(inner) is list:
                return tuple(inner)
        if code == _BIGINT:
            return int.from_bytes(data, "big", signed=True)
        raise CodecError(f"unknown extension type {code}")

    return unpack_ext


_UNPACK_HOOKS = [_unpack_hook(depth) for depth in range(MAX_DEPTH + 1)]


def _packer(depth: int) -> Any:
    # strict_types: a subclass (np.float64 is a float) goes to `default`, which refuses it, and the
    # slow walk makes it native.
    return msgpack.Packer(use_bin_type=True, strict_types=True, default=_PACK_HOOKS[depth])


_packers: list[Any] = []  # that nobody is using: each works for one thread at a time
_LARGE = 1 << 16  # bytes; a packer keeps its buffer


def _pack(value: Any) -> bytes:
    try:
        packer = _packers.pop()
    except IndexError:
        packer = _packer(0)
    data: bytes = packer.pack(value)  # when it raises, the packer is given up
    if len(data) < _LARGE:
        _packers.append(packer)
    return data


_BASES: tuple[Any, ...] = (bool, int, float, str, bytes)
_SCALARS = (str, bytes, bool, float, type(None))


def _prepare(value: Any, path: str, depth: int, *, wire: bool) -> Any:
    """Make plain data; for the `wire` also what msgpack alone cannot do, long integers."""
    if depth > MAX_DEPTH:
        raise CodecError(f"{path or 'the value'} is nested deeper than {MAX_DEPTH} levels")
    kind = type(value)
    if kind is str and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise CodecError(
                f"{path or 'the value'} is no valid text ({error.reason}): {value!r:.60}"
            ) from error
    if kind in _SCALARS:
        return value
    if kind is int:
        return _bigint(value) if wire and not _INT_MIN <= value <= _INT_MAX else value
    if isinstance(value, Mapping):
        return {
            _key(key, path, depth): _prepare(item, f"{path}[{key!r}]", depth + 1, wire=wire)
            for key, item in value.items()
        }
    if kind is list or isinstance(value, (set, frozenset)):
        return [
            _prepare(item, f"{path}[{i}]", depth + 1, wire=wire) for i, item in enumerate(value)
        ]
    if isinstance(value, tuple):
        return tuple(
            _prepare(item, f"{path}[{i}]", depth + 1, wire=wire) for i, item in enumerate(value)
        )
    numpy = sys.modules.get("numpy")  # only one who uses numpy can hand us a numpy value
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        plain = value.tolist()
        if type(plain) in _SCALARS or type(plain) in (int, list):
            return _prepare(plain, path, depth + 1, wire=wire)
    for base in _BASES:  # subclasses: IntEnum, np.str_, ...
        if isinstance(value, base):
            return _prepare(base(value), path, depth + 1, wire=wire)
    raise CodecError(
        f"{path or 'the value'} is a {kind.__module__}.{kind.__qualname__}, which cannot be "
        "stored or sent; use numbers, strings, lists, tuples and dicts"
    )


def _key(key: Any, path: str, depth: int) -> Any:
    plain = _prepare(key, f"{path}: key {key!r}", depth + 1, wire=True)
    if isinstance(plain, (list, dict, msgpack.ExtType)):
        raise CodecError(f"{path or 'the value'}: {key!r} cannot be a key; use a string or number")
    return plain


def _bigint(value: int) -> msgpack.ExtType:
    return msgpack.ExtType(_BIGINT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
