"""Every step that a trial reported is in its history once, whatever happened on the way."""

from __future__ import annotations

import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster import FMinResult, Study
from bandmaster.core import events as ev
from bandmaster.core.checkpoints import checkpoint_name
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import ConfigurationError, UnknownJobError
from bandmaster.study.reader import StudyReader
from bandmaster.study.reported import Reported
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


def _name(step, of="a"):
    return checkpoint_name(step, hashlib.sha256(of.encode()).hexdigest()[:16])


class Diary:
    """A journal that is written by hand, and what is read from it."""

    def __init__(self):
        self.events = []
        self.reported = Reported(lambda since: iter(self.events[since:]))
        self.jobs = 0
        self.clock = 0.0

    def _add(self, kind, *fields):
        self.clock += 1.0
        self.events.append(kind(self.clock, *fields))

    def issue(self, trial, checkpoint=None, *, config=None, donor=None):
        info = {} if donor is None else {"exploits": donor}
        self._add(
            ev.JobIssued, self.jobs, 0, "w", trial, 4.0, config, info, 0, 0, checkpoint, False
        )
        self.jobs += 1
        return self.jobs - 1

    def again(self, job, attempt, trial, checkpoint=None):
        self._add(ev.JobRequeued, job, attempt - 1, "gone", True)
        self._add(ev.JobIssued, job, attempt, "w", trial, 4.0, None, {}, 0, 0, checkpoint, False)

    def report(self, job, *steps, attempt=0, save=(), value=0.0):
        for step in steps:
            name = _name(step) if step in save else None
            self._add(ev.JobReported, job, attempt, step, {"Q": value}, -value, "continue", name)

    def finish(self, job, attempt=0, status=Status.OK):
        self._add(ev.JobFinished, job, attempt, Outcome(status))

    def steps(self, trial):
        return [step.step for step in self.reported.steps(trial)]

    def jobs_of(self, trial):
        return [(step.job, step.attempt, step.step) for step in self.reported.steps(trial)]


def test_segments_follow_one_another():
    """A job that goes on from the trial's last checkpoint adds its steps; the config stays."""
    diary = Diary()
    job = diary.issue(0, config={"x": 0.5})
    diary.report(job, 1, 2, save=(2,))
    diary.finish(job)
    job = diary.issue(0, _name(2))
    diary.report(job, 3, 4, save=(4,))
    assert [1, 2, 3, 4] == diary.steps(0)
    assert [{"x": 0.5}] * 4 == [dict(step.config) for step in diary.reported.steps(0)]
    assert [None] * 4 == [step.exploited_from for step in diary.reported.steps(0)]


def test_what_came_after_the_checkpoint_is_repeated_once():
    """A lost attempt's steps after its last checkpoint are dropped when they are reported again."""
    diary = Diary()
    job = diary.issue(0, config={"x": 0.5})
    diary.report(job, 1, 2, 3, save=(2,))
    diary.again(job, 1, 0, _name(2))
    assert [1, 2, 3] == diary.steps(0)  # nothing has taken its place yet
    diary.report(job, 3, 4, attempt=1)
    assert [(0, 0, 1), (0, 0, 2), (0, 1, 3), (0, 1, 4)] == diary.jobs_of(0)


def test_a_segment_that_starts_before_the_end_of_the_last_one_repeats_it():
    """Checkpoints may be rarer than segments."""
    diary = Diary()
    job = diary.issue(0, config={"x": 0.5})
    diary.report(job, 1, 2, 3, 4, save=(3,))
    diary.finish(job)
    job = diary.issue(0, _name(3))
    diary.report(job, 4, 5)
    assert [(0, 0, 1), (0, 0, 2), (0, 0, 3), (1, 0, 4), (1, 0, 5)] == diary.jobs_of(0)
    assert [1, 2, 3, 4] == [step.step for step in diary.reported.of_job(0)]


def test_an_exploit_drops_nothing():
    """What the trial did before stays, though the step goes back to the donor's."""
    diary = Diary()
    for trial in (0, 1):
        job = diary.issue(trial, config={"x": trial / 2})
        diary.report(job, *range(1, 5 + trial), save=(4,))
        diary.finish(job)
    job = diary.issue(1, _name(4), config={"x": 0.1}, donor=0)
    diary.report(job, 5, 6, 7, save=(6,))
    diary.again(job, 1, 1, _name(6))
    diary.report(job, 7, 8, attempt=1, save=(8,))
    diary.finish(job, attempt=1)
    job = diary.issue(1, _name(8))
    diary.report(job, 9)
    assert [1, 2, 3, 4, 5, 5, 6, 7, 8, 9] == diary.steps(1)
    donors = [step.exploited_from for step in diary.reported.steps(1)]
    assert [None] * 5 + [0] * 4 + [None] == donors
    (exploit,) = diary.reported.exploits()
    assert (1, 0, 4, _name(4), 2) == (
        exploit.trial, exploit.donor, exploit.step, exploit.checkpoint, exploit.job
    )  # fmt: skip
    assert ({"x": 0.5}, {"x": 0.1}) == (dict(exploit.old_config), dict(exploit.config))


def test_an_exploit_that_failed_and_is_tried_again_is_one():
    """Its steps are those of the second try."""
    diary = Diary()
    for trial in (0, 1):
        job = diary.issue(trial, config={"x": trial / 2})
        diary.report(job, 1, 2, save=(2,))
        diary.finish(job)
    for donor in (0, None):
        job = diary.issue(1, _name(2), config={"x": 0.1}, donor=donor)
        diary.report(job, 3)
        diary.finish(job, status=Status.FAILED)
    assert [(1, 0, 1), (1, 0, 2), (3, 0, 3)] == diary.jobs_of(1)
    assert [None, None, 0] == [step.exploited_from for step in diary.reported.steps(1)]
    assert [2] == [exploit.job for exploit in diary.reported.exploits()]


@pytest.mark.parametrize("status", [Status.FAILED, Status.STOPPED])
def test_a_start_that_came_to_nothing_is_repeated(status):
    """Who failed, or was stopped, without a checkpoint begins again; its steps count once."""
    diary = Diary()
    for _ in range(2):
        job = diary.issue(0, config={"x": 0.5})
        diary.report(job, 1, 2)
        diary.finish(job, status=status)
    assert [(1, 0, 1), (1, 0, 2)] == diary.jobs_of(0)


def test_trainings_at_several_budgets_are_all_there():
    """A promotion without a checkpoint trains from the beginning; both trainings were reported."""
    diary = Diary()
    for steps in ((1, 2), (1, 2, 3)):
        job = diary.issue(0, config={"x": 0.5})
        diary.report(job, *steps)
        diary.finish(job)
    assert [(0, 0, 1), (0, 0, 2), (1, 0, 1), (1, 0, 2), (1, 0, 3)] == diary.jobs_of(0)


def test_the_attempt_that_ended_the_job_counts():
    """An attempt that was thought lost may come in first."""
    diary = Diary()
    job = diary.issue(0, config={"x": 0.5})
    diary.report(job, 1, 2)
    diary.again(job, 1, 0)
    diary.report(job, 1, attempt=1)
    diary.finish(job, attempt=0)
    assert [(0, 0, 1), (0, 0, 2)] == diary.jobs_of(0)


def test_a_step_reported_twice_is_the_last_one():
    """Two reports at one step are one row."""
    diary = Diary()
    job = diary.issue(0, config={"x": 0.5})
    diary.report(job, 1, value=1.0)
    diary.report(job, 1, value=2.0)
    assert [2.0] == [step.metrics["Q"] for step in diary.reported.steps(0)]


def test_names_of_other_stores_say_no_step():
    """A checkpoint that somebody named himself is looked up among the reports."""
    diary = Diary()
    job = diary.issue(0, config={"x": 0.5})
    diary.report(job, 1)
    diary._add(ev.JobReported, job, 0, 2, {}, None, "continue", "/mine/2")
    diary.report(job, 3)
    diary.again(job, 1, 0, "/mine/2")
    diary.report(job, 3, 4, attempt=1)
    assert [(0, 0, 1), (0, 0, 2), (0, 1, 3), (0, 1, 4)] == diary.jobs_of(0)


def test_a_training_that_ignores_its_checkpoint_begins_anew():
    """Who counts from 1 again repeats all of it."""
    diary = Diary()
    job = diary.issue(0, config={"x": 0.5})
    diary.report(job, 1, 2, 3, save=(2,))
    diary.again(job, 1, 0, _name(2))
    diary.report(job, 1, 2, attempt=1)
    assert [(0, 1, 1), (0, 1, 2)] == diary.jobs_of(0)


def test_a_trial_that_was_never_issued_is_refused():
    """It is no empty history."""
    with pytest.raises(UnknownJobError, match="trial 3 was never issued"):
        Diary().reported.steps(3)


ACTIONS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["report", "save", "lose", "fail", "pause", "exploit"])
    ),
    max_size=40,
)


@given(ACTIONS)
def test_the_history_is_the_training_that_led_to_the_state(actions):
    """Whatever is lost, tried again, paused and exploited, each trial's rows are its state's log.

    The state of each member is the list of the reports that made it, since its last exploit; it
    travels in checkpoints. What is in the history since then is that list.
    """
    diary = Diary()
    stored, serial = {}, 0
    now = {}  # of a trial: job, attempt, its log, its step, the newest checkpoint, what stands
    for trial in range(3):
        now[trial] = [diary.issue(trial, config={"x": 0.5}), 0, [], 0, None, [], [], None]
    for trial, action in actions:
        job, attempt, log, step, newest, past, stands, start = now[trial]
        if action in ("report", "save"):
            serial, step = serial + 1, step + 1
            log = [*log, serial]
            name = _name(step, str(serial)) if action == "save" else None
            if name is not None:
                newest, stored[name] = name, (list(log), step)
            diary._add(ev.JobReported, job, attempt, step, {"id": serial}, None, "continue", name)
            stands = log
        elif action in ("lose", "fail", "pause"):
            if action == "lose":
                attempt += 1
                diary.again(job, attempt, trial, newest)
            else:
                diary.finish(job, attempt, Status.FAILED if action == "fail" else Status.OK)
                job, attempt = diary.issue(trial, newest), 0
                if newest is None and action == "pause":  # another training from the beginning
                    past, stands = past + stands, []
            log, step = stored.get(newest, ([], 0))
            if newest is not None and newest == start:
                log = []
        else:
            donor = (trial + 1) % 3
            name = now[donor][4]
            if name is None:
                continue
            diary.finish(job, attempt)
            job, attempt = diary.issue(trial, name, config={"x": 0.1}, donor=donor), 0
            past, stands, log, step, newest, start = (
                past + stands, [], [], stored[name][1], name, name
            )  # fmt: skip
        now[trial] = [job, attempt, log, step, newest, past, stands, start]
    for trial, (*_, past, stands, _) in now.items():
        rows = diary.reported.steps(trial)
        assert past + stands == [row.metrics["id"] for row in rows]


# ---- results


def _study():
    """Two trials; the second one exploits the first in all but name, by the journal's events."""
    study = Study(SPACE, metrics=[{"name": "Q", "objective": "maximize"}], name="mine")
    for x in (0.25, 0.75):
        study.enqueue({"x": x})
        job = study.ask(worker="w")
        for step in (1, 2):
            study.report(job, {"Q": x * step, "note": "text"}, checkpoint=_name(step))
        study.tell(job, {"Q": 2 * x})
    return study


def test_the_history_of_a_result_is_called_for_a_trial():
    """A frame with typed columns; the evaluations are where they were."""
    result = _study().result
    assert 2 == len(result.history)
    frame = result.history(1)
    assert [
        "trial", "step", "job", "attempt", "time", "loss", "checkpoint", "exploited_from",
        "metric.Q", "metric.note", "config.x",
    ] == list(frame.columns)  # fmt: skip
    assert [1, 2] == frame["step"].tolist()
    assert [0.75, 1.5] == frame["metric.Q"].tolist()
    assert [-0.75, -1.5] == frame["loss"].tolist()
    assert [0.75, 0.75] == frame["config.x"].tolist()
    assert [_name(1), _name(2)] == frame["checkpoint"].tolist()
    assert "UTC" == str(frame["time"].dt.tz)
    assert [0, 0, 1, 1] == result.history()["trial"].tolist()


def test_a_loss_has_one_column():
    """Where the loss is the metric, it is not there twice."""
    study = Study(SPACE)
    job = study.ask()
    study.report(job, 0.5)
    assert "metric.loss" not in study.result.history(0)
    assert [0.5] == study.result.history(0)["loss"].tolist()


def test_it_follows_a_live_study():
    """Also through the optimizer's result, and before anything has finished."""
    study = Study(SPACE)
    result, other = study.result, FMinResult(study.optimizer)
    job = study.ask()
    study.report(job, 1.0)
    assert [1] == result.history(0)["step"].tolist()
    study.report(job, 0.5)
    assert [1, 2] == result.history(0)["step"].tolist() == other.history(0)["step"].tolist()


def test_a_stored_study_has_them_too(tmp_path):
    """While another one writes it, after it was closed, and by its name."""
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    study = Study(SPACE, storage=storage, name="mine")
    job = study.ask()
    study.report(job, 1.0)
    study.wait_durable(study.position)
    with StudyReader("mine", storage) as reader:
        result = Result.of(reader)
        assert [1] == result.history(0)["step"].tolist()
        study.report(job, 0.5)
        study.wait_durable(study.position)
        assert [1, 2] == result.history(0)["step"].tolist()
    study.close()
    assert [1, 2] == study.result.history(0)["step"].tolist()
    assert [1, 2] == Result.of_stored("mine", storage).history(0)["step"].tolist()


def test_a_result_without_a_journal_says_why_it_has_no_steps():
    """It does not pretend that nothing was reported."""
    result = Result(make_history(make_evaluation(0, 0.5)))
    for look in (lambda: result.history(0), result.exploits, lambda: result.reported):
        with pytest.raises(ConfigurationError, match="in the journal of their study"):
            look()


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "pkl"])
def test_a_saved_result_keeps_them(suffix, tmp_path):
    """Steps, configurations, exploits and times come back equal."""
    diary, study = Diary(), _study()
    for trial in (0, 1):
        job = diary.issue(trial, config={"x": trial / 2, "deep": (1, b"x")})
        diary.report(job, 1, 2, save=(2,), value=0.1)
        diary.finish(job)
    diary.report(diary.issue(1, _name(2), config={"x": 0.1}, donor=0), 3)
    study.history.reported = diary.reported
    path = tmp_path / f"result.{suffix}"
    study.result.save(path)
    loaded = Result.load(path)
    assert diary.reported.all_steps() == loaded.reported.all_steps()
    assert diary.reported.exploits() == loaded.exploits()
    assert diary.reported.segments == loaded.reported.segments
    loaded.save(path)
    assert study.result.history(1).equals(Result.load(path).history(1))
    if suffix == "pkl":
        opened = pickle.loads(path.read_bytes())
        assert diary.reported.all_steps() == opened.reported.all_steps()


def test_a_journal_that_is_gone_is_no_reason_not_to_save(tmp_path, caplog):
    """What was read before is kept, with a warning."""
    path, storage = tmp_path / "result.jsonl", tmp_path / "search.db"
    study = Study(SPACE, storage=f"sqlite:///{storage}", name="mine")
    job = study.ask()
    study.report(job, 1.0)
    study.tell(job, 1.0)
    assert 1 == len(study.result.history(0))
    study.close()
    for file in tmp_path.glob("search.db*"):
        file.unlink()
    study.result.save(path)
    assert "cannot be read to its end" in caplog.text
    assert 1 == len(Result.load(path).history(0))


def test_steps_are_pickled_without_their_journal():
    """As with an optimizer, whose history has them."""
    study = _study()
    copied = pickle.loads(pickle.dumps(study.history.reported))
    assert study.result.reported.all_steps() == copied.all_steps()


def test_errors_are_of_trials_that_failed_in_the_end():
    """Who was tried again and went well is no error, though it is among the failures."""
    result = Result(
        make_history(
            make_evaluation(0, None, trial=0, error="bad"), make_evaluation(1, 0.5, trial=0),
            make_evaluation(2, 0.5, trial=1), make_evaluation(3, None, trial=1, error="worse"),
            make_evaluation(4, None, trial=2, status=Status.CRASHED, error=""),
            make_evaluation(5, None, trial=3, status=Status.STOPPED),
            make_evaluation(-1, None, trial=-1, error="borrowed"),
        )
    )  # fmt: skip
    assert {1: "worse", 2: "crashed"} == result.errors
    assert 4 == len(result.failures)
