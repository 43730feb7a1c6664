"""The stored form of events: what old versions wrote stays readable."""

import json
from pathlib import Path

import pytest

from bandmaster.core import codec
from bandmaster.core import events as ev
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import CodecError
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.space import compile_space
from bandmaster.storage import MemoryJournal
from bandmaster.study import Study

GOLDEN = Path(__file__).parents[2] / "golden" / "journal" / "schema-1.json"
SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}

OUTCOME = Outcome(
    Status.OK, 0.5, {"accuracy": 0.75}, {"note": [1, (2, 3)]}, None, "chk", 1.5, 2.5, "w.1"
)
EVENTS = [
    ev.StudyCreated(1.0, 1, "golden", compile_space(SPACE).to_dict(),
                    [["loss", "optimize", "minimize", None]], 7, "RandomOptimizer",
                    "FlatIterGenerator(budget=1)"),
    ev.PlanSet(2.0, [3, None, None, -1.0]),
    ev.Imported(2.25, {"x": 0.75}, 1, {}, OUTCOME),
    ev.Enqueued(2.5, {"x": 0.25}),
    ev.JobIssued(3.0, 0, 0, "w.1", 0, 1, {"x": 0.25}, {"model_based_pick": False}, 0, 0, None,
                 True),
    ev.JobReported(4.0, 0, 0, 1, {"loss": 0.5}, 0.5, "continue", None),
    ev.JobRequeued(5.0, 0, 0, "the connection broke", True),
    ev.JobIssued(6.0, 0, 1, "w.2", 0, 1, None, {}, 0, 0, None, False),
    ev.JobFinished(7.0, 0, 1, OUTCOME),
    ev.Noted(8.0, "remark"),
    ev.IntakeClosed(9.0, "n_trials"),
    ev.Stopped(10.0, "enough"),
]  # fmt: skip


def test_events_are_stored_as_they_were_in_schema_1():
    """To the byte: a change here needs a new schema version and a migration."""
    stored = [codec.pack(ev.to_data(event)).hex() for event in EVENTS]
    assert json.loads(GOLDEN.read_text()) == stored


def test_a_golden_journal_loads():
    """What schema 1 wrote becomes the study that it was."""
    events = [
        ev.from_data(codec.unpack(bytes.fromhex(data))) for data in json.loads(GOLDEN.read_text())
    ]
    assert events == EVENTS
    study = Study(
        SPACE,
        optimizer=RandomOptimizer(),
        generator=FlatIterGenerator(),
        journal=MemoryJournal(events),
    )
    assert ("golden", 7, "enough") == (study.name, study.seed, study.stopped)
    assert [(-1, 0.5), (0, 0.5)] == [(e.trial, e.loss) for e in study.history]
    assert 1 == study.history[1].attempt


@pytest.mark.parametrize(
    "data", [None, [], ["unknown", 1], ["stopped"], ["stopped", 1.0, "x", "y", "z"], "stopped"]
)
def test_what_is_no_event_is_refused(data):
    """With an error that says which event it was."""
    with pytest.raises(CodecError):
        ev.from_data(data)


EXTENDED = ev.GeneratorExtended(9.0, "HyperBandIterGenerator(min_budget=1, max_budget=9, eta=3)")


def test_an_extension_is_stored_beside_the_events_of_the_first_schema():
    """A journal that has one cannot be read by a version that knows none: it says so."""
    stored = (
        "93a8657874656e646564cb4022000000000000d93948797065724261"
        "6e644974657247656e657261746f72286d696e5f6275646765743d31"
        "2c206d61785f6275646765743d392c206574613d3329"
    )
    assert stored == codec.pack(ev.to_data(EXTENDED)).hex()
    assert EXTENDED == ev.from_data(codec.unpack(bytes.fromhex(stored)))


PLACED = ev.CheckpointsPlaced(9.5, "/data/checkpoints")


def test_where_checkpoints_are_is_stored_likewise():
    """It is there only when a place was given."""
    stored = "93ab636865636b706f696e7473cb4023000000000000b12f646174612f636865636b706f696e7473"
    assert stored == codec.pack(ev.to_data(PLACED)).hex()
    assert PLACED == ev.from_data(codec.unpack(bytes.fromhex(stored)))


CHANGED = ev.OptimizerChanged(9.75, "ETPEOptimizer(gamma=0.2)")


def test_another_optimizer_is_stored_likewise():
    """It is there only when somebody gave another one."""
    stored = (
        "93a96f7074696d697a6572cb4023800000000000b8455450454f7074696d697a65722867616d6d613d302e3229"
    )
    assert stored == codec.pack(ev.to_data(CHANGED)).hex()
    assert CHANGED == ev.from_data(codec.unpack(bytes.fromhex(stored)))


INTERRUPTED = ev.Interrupted(10.5, "SIGTERM")


def test_an_interruption_is_stored_likewise():
    """It is there only when a run was interrupted."""
    stored = "93ab696e746572727570746564cb4025000000000000a75349475445524d"
    assert stored == codec.pack(ev.to_data(INTERRUPTED)).hex()
    assert INTERRUPTED == ev.from_data(codec.unpack(bytes.fromhex(stored)))


def test_a_limit_that_stopped_a_study_is_one_field_more():
    """Only there: what has no such field was told to stop."""
    told, limit = (ev.Stopped(5.0, "why", cause) for cause in ("stopped", "timeout"))
    assert ["stopped", 5.0, "why"] == ev.to_data(told)
    assert ["stopped", 5.0, "why", "timeout"] == ev.to_data(limit)
    assert [told, limit] == [ev.from_data(ev.to_data(event)) for event in (told, limit)]


def test_every_kind_of_event_has_a_golden_form():
    """A new event needs one."""
    kinds = {cls for cls in vars(ev).values() if hasattr(cls, "kind")}
    assert kinds == {type(e) for e in [*EVENTS, EXTENDED, PLACED, CHANGED, INTERRUPTED]}


def test_a_retried_failure_has_one_field_more():
    """Only there: what has no such field is stored as before there was one, and reads as False."""
    lost, failed = (ev.JobRequeued(5.0, 0, 0, "why", False, failed=f) for f in (False, True))
    assert ["requeued", 5.0, 0, 0, "why", False] == ev.to_data(lost)
    assert ["requeued", 5.0, 0, 0, "why", False, True] == ev.to_data(failed)
    assert [lost, failed] == [ev.from_data(ev.to_data(event)) for event in (lost, failed)]
