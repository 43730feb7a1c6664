"""Loading a study."""

import gc

import pytest

from bandmaster.core import events as ev
from bandmaster.errors import StudyError
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.storage import MemoryJournal
from bandmaster.study import Study

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


class Watching(MemoryJournal):
    """Notes whether garbage is collected while it is read."""

    def __init__(self, events):
        super().__init__(events)
        self.collecting = []

    def read(self, since=0):
        for event in super().read(since):
            self.collecting.append(gc.isenabled())
            yield event


def load(journal):
    return Study(SPACE, optimizer=RandomOptimizer(), generator=FlatIterGenerator(), journal=journal)


@pytest.fixture
def events():
    journal = MemoryJournal()
    load(journal).ask()
    return list(journal.read())


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_off_while_a_study_is_loaded(events, enabled):
    """It is off in between, and afterwards what it was before."""
    journal = Watching(events)
    before = gc.isenabled()
    try:
        gc.enable() if enabled else gc.disable()
        load(journal)
        assert enabled is gc.isenabled()
    finally:
        gc.enable() if before else gc.disable()
    assert [False, False] == journal.collecting


def test_a_journal_that_cannot_be_loaded_leaves_the_collector_on(events):
    """The error passes, and everything else is as before."""
    journal = Watching([*events, ev.JobFinished(1.0, 99, 0, None)])
    with pytest.raises(KeyError):
        load(journal)
    assert gc.isenabled()
    with pytest.raises(StudyError):
        load(MemoryJournal(events[1:]))
    assert gc.isenabled()
