"""Where in a study an exception out of nowhere, such as Ctrl-C's, would do harm."""

from __future__ import annotations

from types import CodeType

from bandmaster.study.study import Study
from bandmaster.study.view import StudyView

__all__ = ["CRITICAL"]

CRITICAL: tuple[CodeType, ...] = (Study._commit.__code__, StudyView.wait_for.__code__)
"""For `Interrupts`: half an event applied poisons a study, a broken wait loses its lock."""
