"""Plain data in strict JSON, so that every value comes back equal and of the same type.

What JSON has is written as it is. The rest is a dict with one tag: ``{"__tuple__": [...]}``,
``{"__float__": "nan"}``, ``{"__bytes__": "base64"}``, ``{"__items__": [[key, value], ...]}`` for
keys that are no strings, ``{"__int__": "0x..."}`` for integers beyond what parsers take, and
``{"__dict__": {...}}`` around a dict that could be taken for one of these.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from bandmaster.core.codec import native
from bandmaster.errors import CodecError

__all__ = ["dumps", "loads", "spell", "unspell"]

_PLAIN = frozenset({bool, str, type(None)})
_LONG = 10_000  # bits; Python reads at most 4,300 decimal digits


def spell(value: Any) -> Any:
    """Return data for JSON.

    Raises
    ------
    CodecError
        For what is no plain data; the message names it.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else {"__float__": repr(value)}
    if kind is int:
        return value if value.bit_length() < _LONG else {"__int__": hex(value)}
    if kind is list:
        return [spell(item) for item in value]
    if kind is dict:
        return _spell_dict(value)
    if kind is tuple:
        return {"__tuple__": [spell(item) for item in value]}
    if kind is bytes:
        return {"__bytes__": base64.b64encode(value).decode("ascii")}
    plain = dict(value) if isinstance(value, Mapping) else native(value)
    if type(plain) is kind:
        raise CodecError(f"a {kind.__name__} cannot be written")
    return spell(plain)


def unspell(data: Any) -> Any:
    """Undo `spell`.

    Raises
    ------
    CodecError
        When something is tagged that does not fit the tag, or nested too deep.
    """
    try:
        return _unspell(data)
    except RecursionError:
        raise CodecError("it is nested too deep") from None


def _unspell(data: Any) -> Any:
    if type(data) is list:
        return [_unspell(item) for item in data]
    if type(data) is not dict:
        return data
    if len(data) == 1:
        ((tag, inner),) = data.items()
        if tag in _TAGS:
            try:
                return _TAGS[tag](inner)
            except (TypeError, ValueError, AttributeError) as error:
                raise CodecError(f"{tag} does not fit {inner!r:.80}: {error}") from error
    return {name: _unspell(item) for name, item in data.items()}


def dumps(value: Any) -> str:
    """Write a value as a line of JSON."""
    return json.dumps(spell(value), separators=(", ", ": "))


def loads(text: str | bytes) -> Any:
    """Read what `dumps` wrote.

    Raises
    ------
    ValueError
        When it is no JSON (a CodecError is one).
    """
    try:
        return unspell(json.loads(text))
    except RecursionError:
        raise CodecError("it is nested too deep") from None


def _spell_dict(value: dict[Any, Any]) -> dict[str, Any]:
    if not all(type(key) is str for key in value):
        return {"__items__": [[spell(key), spell(item)] for key, item in value.items()]}
    plain = {key: spell(item) for key, item in value.items()}
    return {"__dict__": plain} if any(key.startswith("__") for key in plain) else plain


_TAGS: Mapping[str, Callable[[Any], Any]] = {
    "__bytes__": lambda inner: base64.b64decode(inner, validate=True),
    "__dict__": lambda inner: {name: _unspell(item) for name, item in inner.items()},
    "__float__": float,
    "__int__": lambda inner: int(inner, 16),
    "__items__": lambda inner: {_unspell(key): _unspell(item) for key, item in inner},
    "__tuple__": lambda inner: tuple(_unspell(item) for item in inner),
}
