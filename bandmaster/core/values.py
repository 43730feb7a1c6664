"""What the values of which there are millions have in common.

They are msgspec's structs: frozen like frozen dataclasses, but made in a tenth of a microsecond
instead of two, and invisible to the garbage collector (they hold plain data, which has no cycles).
A study makes ten of them an evaluation and keeps five.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

__all__ = ["Encoded"]


class Encoded(Struct, frozen=True, gc=False):
    """A value whose `vector` follows from its configuration: comparing and showing leave it out."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._compared() == other._compared()

    __hash__ = None  # type: ignore[assignment]  # it holds dicts

    def __repr__(self) -> str:
        names = (name for name in self.__struct_fields__ if name != "vector")
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in names)})"

    def _compared(self) -> list[Any]:
        return [getattr(self, name) for name in self.__struct_fields__ if name != "vector"]
