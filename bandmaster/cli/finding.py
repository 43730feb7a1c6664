"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    Parameters
    ----------
    level : {"ok", "warn", "fail"}
    subject : str
        What was checked, in a word or two.
    found : str
        What was found.
    advice : str, default ""
        What to do about it.
    """

    level: Literal["ok", "warn", "fail"]
    subject: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        text = f"{self.level:<4}  {self.subject:<15}  {self.found}"
        return f"{text}\n{'':23}→ {self.advice}" if self.advice else text
