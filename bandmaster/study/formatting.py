"""How losses and parameter values are written for people."""

from __future__ import annotations

from typing import Any

__all__ = ["format_loss", "format_losses", "format_value"]

_WORDS = frozenset({"", "-", "True", "False", "None"})


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


def format_value(value: Any, *, width: int = 40, quote: bool = False) -> str:
    """Write a parameter's value as the user knows it.

    Parameters
    ----------
    value : object
        Floats get six significant digits. A string stays bare unless it could be taken for
        something else (``'2'``, ``'-'``, ``'True'``) or holds line breaks.
    width : int, default 40
        What is longer ends in ``...``.
    quote : bool, default False
        Quote every string.
    """
    if isinstance(value, float) and len(repr(value)) > 8:
        text = f"{value:.6g}"
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
