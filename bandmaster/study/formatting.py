"""How losses and parameter values are written for people."""

from __future__ import annotations

import html
from typing import Any

__all__ = [
    "clean",
    "escape",
    "format_loss",
    "format_losses",
    "format_seconds",
    "format_value",
]

_WORDS = frozenset({"", "-", "True", "False", "None"})


def clean(text: str, *, keep: str = "") -> str:
    """Replace what is not printable by ``\ufffd``, but for the characters in `keep`.

    Escape sequences, line breaks and directions of writing would change what is around them.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)


def escape(text: str) -> str:
    """Make text for HTML: `clean` but for line breaks and tabs, and no markup."""
    return html.escape(clean(text, keep="\n\t"))


def format_loss(loss: float | None) -> str:
    """Write a loss with four decimals, or four significant digits if it is small; None is ``-``."""
    if loss is None:
        return "-"
    if loss == 0:
        return "0"
    if abs(loss) < 0.01:
        return f"{loss:.4g}"
    return f"{loss:.4f}" if abs(loss) < 10 else f"{loss:.6g}"


def format_losses(first: float, second: float) -> tuple[str, str]:
    """Write two losses as `format_loss` does, with more digits until they differ."""
    pair = format_loss(first), format_loss(second)
    digits = 5
    while pair[0] == pair[1] and first != second:
        pair = f"{first:.{digits}g}", f"{second:.{digits}g}"
        digits += 1
    return pair


def format_seconds(seconds: float) -> str:
    """Write a duration in its largest unit of which there are two or more: ``0.25 s``, ``3 h``."""
    for size, unit in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def format_value(value: Any, *, width: int = 40, quote: bool = False, digits: int = 6) -> str:
    """Write a parameter's value as the user knows it.

    Parameters
    ----------
    value : object
        Floats get `digits` significant digits. A string stays bare unless it could be taken for
        something else (``'2'``, ``'-'``, ``'True'``) or holds line breaks.
    width : int, default 40
        What is longer ends in ``...``.
    quote : bool, default False
        Quote every string.
    digits : int, default 6
        17 are all that a float has.
    """
    if isinstance(value, float) and len(repr(value)) > digits + 2 and digits < 17:
        text = f"{value:.{digits}g}"
    elif isinstance(value, str) and not quote and value.isprintable():
        text = repr(value) if _ambiguous(value) else value
    else:
        text = repr(value)
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= width else text[: width - 3] + "..."


def _ambiguous(text: str) -> bool:
    """Whether a bare string could be read as a number, a constant or nothing."""
    if text in _WORDS or text != text.strip():
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
