"""Loading a study: its events applied again, by the code that applied them first."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Iterator

from bandmaster.core.events import Event, StudyCreated
from bandmaster.core.objectives import Objectives
from bandmaster.core.randomness import DEFAULT_SEED
from bandmaster.storage import Journal
from bandmaster.study.binding import check_same
from bandmaster.study.state import StudyState

__all__ = ["fold", "replay"]

_CHUNK = 10_000  # events


def replay(
    state: StudyState,
    journal: Journal,
    objectives: Objectives | None = None,
    seed: int = DEFAULT_SEED,
) -> int:
    """Apply what a journal holds; return how many events that were.

    Parameters
    ----------
    state : StudyState
        As it is made.
    journal : Journal
    objectives : Objectives, optional
        The metrics that the study is expected to have; None will take any.
    seed : int
        Its seed; a `DefaultSeed` will take any.

    Raises
    ------
    StudyError
        When the journal belongs to another study.
    StorageError
        When it cannot be read.
    """
    with _collector_off:
        events = journal.read(0)
        first = list(itertools.islice(events, 1))
        if first and isinstance(first[0], StudyCreated):
            check_same(first[0], state.space, state.generator, objectives, seed)
        return fold(state, itertools.chain(first, events))


def fold(state: StudyState, events: Iterator[Event]) -> int:
    """Apply events; return how many that were."""
    count = 0
    with _collector_off:
        while chunk := list(itertools.islice(events, _CHUNK)):
            state.prepare(chunk)
            for event in chunk:
                state.apply(event)
            count += len(chunk)
        state.prepare([])
    return count


class _CollectorOff:
    """Keeps the garbage collector from going through all that is loaded, again and again.

    Nothing of it is garbage. It is switched on again when nobody loads any more, if it was on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loading = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._loading:
                self._was_on = gc.isenabled()
                gc.disable()
            self._loading += 1

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._loading -= 1
            if not self._loading and self._was_on:
                gc.enable()


_collector_off = _CollectorOff()
