"""Why a search has ended."""

import gc
import pickle
import signal
import threading
import weakref

import pytest

from bandmaster import HyperBandIterGenerator, Study, fmin
from bandmaster.core.clock import ManualClock
from bandmaster.core.decisions import Done
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.study.reader import StudyReader
from bandmaster.study.result import Result

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}
GRID = {"x": {"_type": "choice", "_value": ["a", "b", "c"]}}


def search(space=SPACE, objective=lambda config: 1.0, **options):
    return fmin(objective, space, "Random", show_progressbar=False, **options)


def stop(study, evaluation):
    if len(study.history) == 3:
        study.stop("that is enough")


@pytest.mark.parametrize(
    ("options", "cause", "why"),
    [
        ({"n_evaluations": 3}, "n_evaluations", "n_evaluations=3"),
        ({"n_trials": 3}, "n_trials", "n_trials=3"),
        ({"n_iterations": 3}, "n_iterations", "n_iterations=3 evaluations run"),
        ({"n_iterations": 9, "space": GRID}, "exhausted", "all 3 configurations"),
        ({"n_iterations": 9, "target_loss": 2}, "target_loss", "target loss 2"),
        ({"n_iterations": 9, "timeout": 0}, "timeout", "timeout of 0 s"),
        ({"n_iterations": 9, "callbacks": [stop]}, "stopped", "that is enough"),
    ],
)
def test_each_end_has_a_word_and_words(options, cause, why):
    """For programs and for people."""
    result = search(**options)
    assert cause == result.ended == result.ending.cause
    assert why in str(result.ending)


def test_a_search_that_goes_on_has_no_end():
    """Nor has one of which the last evaluation is out, or one that was read from a file."""
    study = Study(SPACE, optimizer="Random")
    study.set_plan(Plan(n_evaluations=2))
    assert None is study.result.ended
    study.tell(study.ask(), 1.0)
    job = study.ask()
    assert None is study.result.ended
    study.tell(job, 1.0)
    assert "n_evaluations" == study.result.ended
    assert None is pickle.loads(pickle.dumps(study.result)).ended


def test_a_result_knows_the_end_of_a_study_that_is_gone():
    """It keeps what it shows, and neither the study nor its optimizer."""
    study = Study(SPACE, optimizer="Random")
    growing = study.result
    result = study.optimize(lambda config: 1.0, n_evaluations=2)
    assert "n_evaluations" == growing.ended
    gone = weakref.ref(study), weakref.ref(study.optimizer)
    del study
    gc.collect()
    assert [None, None] == [reference() for reference in gone]
    assert "n_evaluations" == result.ended
    assert 2 == len(result.history)


def last_trial(study):
    study.tell(study.ask(), 1.0)


@pytest.mark.parametrize(
    ("last", "ended"),
    [
        (lambda study: None, None),
        (last_trial, "n_trials"),
        (lambda study: study.interrupt("SIGTERM"), "interrupted"),
        (lambda study: study.stop("enough"), "stopped"),
        (lambda study: study.optimize(lambda config: 1.0, n_evaluations=3), "n_evaluations"),
    ],
)
def test_a_result_that_was_taken_before_the_run_knows_its_end_too(last, ended):
    """Like its rows, when the study is gone; nobody has to have looked before."""
    study = Study(SPACE, optimizer="Random")
    result = study.result
    study.set_plan(Plan(n_trials=3))
    for _ in range(2):
        study.tell(study.ask(), 1.0)
    last(study)
    gone = weakref.ref(study)
    del study
    gc.collect()
    assert None is gone()
    assert ended == result.ended


def test_a_result_of_a_reader_that_is_gone_knows_what_was_read(tmp_path):
    """The last time that the reader looked."""
    url = f"sqlite:///{tmp_path}/a.db"
    with Study(SPACE, optimizer="Random", name="a", storage=url) as study:
        reader = StudyReader("a", url)
        result = Result.of(reader)
        study.stop("enough")
    assert None is result.ended
    reader.refresh()
    reader.close()
    del reader
    gc.collect()
    assert "stopped" == result.ended


class Breaks(FlatIterGenerator):
    """Raises instead of the third job."""

    def next(self):
        if self._begun == 2:
            raise ZeroDivisionError
        return super().next()


def test_a_generator_that_raises_does_so_where_it_is_asked():
    """What was told before is told, whether or not somebody has a result."""
    study = Study(SPACE, optimizer="Random", generator=Breaks())
    result = study.result
    for _ in range(2):
        assert study.tell(study.ask(), 1.0)
    assert (2, None) == (len(result.history), result.ended)
    with pytest.raises(ZeroDivisionError):
        study.ask()


def test_what_was_stopped_has_ended_when_nothing_is_out():
    """Its last evaluation may still end well; before that there is more to come."""
    study = Study(SPACE, optimizer="Random")
    job = study.ask()
    study.stop("enough")
    assert None is study.ending
    study.tell(job, 1.0)
    assert ("stopped", "enough") == (study.ending.cause, study.ending.why)


def test_an_interruption_is_no_end_of_the_study():
    """A new plan takes it back; one that came when all was done changes nothing."""
    study = Study(SPACE, optimizer="Random")
    study.set_plan(Plan(n_trials=2))
    study.tell(study.ask(), 1.0)
    study.interrupt("SIGTERM")
    study.interrupt("SIGINT")
    assert ("interrupted", "interrupted (SIGTERM)") == (study.ending.cause, study.ending.why)
    study.set_plan(Plan(n_trials=2))
    assert None is study.ending
    study.tell(study.ask(), 1.0)
    study.interrupt("SIGTERM")
    assert "n_trials" == study.ending.cause


def test_what_is_out_when_a_run_is_interrupted_may_still_end():
    """Until then there is no end; a job that waits to run again is not out."""
    study = Study(SPACE, optimizer="Random")
    job = study.ask()
    study.interrupt("SIGTERM")
    assert None is study.ending
    study.requeue(job, "its worker has left")
    assert "interrupted" == study.ending.cause
    job = study.ask()
    assert None is study.ending
    study.interrupt("SIGTERM")
    study.tell(job, 1.0)
    assert "interrupted" == study.ending.cause


def test_a_study_that_issues_again_is_interrupted_no_more(tmp_path):
    """Whoever goes on by ask and tell sets no plan; a study that is loaded knows it too."""
    storage = f"sqlite:///{tmp_path}/a.db"
    with Study(SPACE, optimizer="Random", name="a", storage=storage) as study:
        study.tell(study.ask(), 1.0)
        study.interrupt("Ctrl-C")
        study.tell(study.ask(), 1.0)
        assert None is study.ending
        assert "ended early" not in repr(study.result)
    with Study.load("a", storage, optimizer="Random") as study:
        assert None is study.ending
    assert None is Result.of_stored("a", storage).ended


@pytest.fixture
def usual_handler():
    """Hear Ctrl-C also in what a shell has started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_handler")
def test_a_job_that_is_issued_after_ctrl_c_does_not_hide_it(monkeypatch):
    """The signal may come where the next job is being asked for."""
    study = Study(SPACE, optimizer="Random")
    ask, interrupt, noted = study.ask, study.interrupt, threading.Event()

    def interrupt_and_say(reason):
        interrupt(reason)
        noted.set()

    def ask_meanwhile(**options):
        if study.n_trials == 1:
            signal.raise_signal(signal.SIGINT)
            assert noted.wait(10)
        return ask(**options)

    monkeypatch.setattr(study, "interrupt", interrupt_and_say)
    monkeypatch.setattr(study, "ask", ask_meanwhile)
    result = study.optimize(lambda config: 1.0, n_trials=9)
    assert (2, "interrupted") == (len(result.history), result.ended)
    assert "interrupted (Ctrl-C)" == str(result.ending)


def test_brackets_that_promote_go_on_after_the_last_configuration():
    """The intake is closed, but there is more to do."""
    generator = HyperBandIterGenerator(min_budget=1, max_budget=3, eta=3)
    study = Study(SPACE, optimizer="Random", generator=generator)
    study.set_plan(Plan(n_trials=3))
    for _ in range(3):
        study.tell(study.ask(), 1.0)
    assert None is study.ending
    study.tell(study.ask(), 1.0)
    assert "n_trials" == study.ending.cause


def test_brackets_are_called_brackets():
    """Where they are more than one evaluation each."""
    brackets = HyperBandIterGenerator(min_budget=1, max_budget=3, eta=3)
    result = search(n_iterations=2, multi_fidelity_iter_generator=brackets)
    assert "n_iterations=2 brackets run" == str(result.ending)


class OnlyThree(FlatIterGenerator):
    """Ends by itself."""

    def next(self):
        action = super().next()
        return Done() if self._begun == 3 else action


@pytest.mark.parametrize("plan", [Plan(n_trials=9), Plan(n_evaluations=9), Plan()])
def test_a_generator_that_ends_by_itself_is_no_limit_that_was_reached(plan):
    """It is said who ended it; and all was done that was to be."""
    study = Study(SPACE, optimizer="Random", generator=OnlyThree())
    study.set_plan(plan)
    while (job := study.ask()) is not None:
        study.tell(job, 1.0)
    assert 3 == len(study.history)
    assert ("done", "OnlyThree has nothing more to run") == (study.ending.cause, study.ending.why)
    assert study.ending.complete


def test_early_ends_are_said_below_the_table():
    """A search that did what it should needs no note."""
    assert "has ended early: that is enough." in repr(search(n_iterations=9, callbacks=[stop]))
    assert "has ended" not in repr(search(n_iterations=2))


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        (lambda study: study.stop("enough"), "stopped"),
        (lambda study: study.stop("timeout of 5 s", cause="timeout"), "timeout"),
        (lambda study: study.interrupt("SIGTERM"), "interrupted"),
        (lambda study: study.set_plan(Plan(n_evaluations=1)), "n_evaluations"),
        (lambda study: study.set_plan(Plan(n_trials=1)), None),
        (lambda study: study.interrupt(""), "interrupted"),
    ],
)
def test_a_stored_study_knows_most_ends(tmp_path, end, ended):
    """The journal has them; whether brackets have all ended, their generator alone can say."""
    url = f"sqlite:///{tmp_path}/a.db"
    with Study(SPACE, optimizer="Random", name="a", storage=url, clock=ManualClock()) as study:
        study.tell(study.ask(), 1.0)
        end(study)
    assert ended == Result.of_stored("a", url).ended
    with Study.load("a", url, optimizer="Random") as study:
        assert (ended or "n_trials") == study.result.ended


@pytest.mark.parametrize(
    ("space", "plan", "ended"),
    [
        (SPACE, Plan(n_trials=2), "n_trials"),
        (SPACE, Plan(n_iterations=2), "n_iterations"),
        (GRID, Plan(n_trials=9), "exhausted"),
    ],
)
def test_what_was_complete_when_an_interruption_came_is_read_as_complete(
    tmp_path, space, plan, ended
):
    """Ctrl-C during the last evaluation ends nothing early, for who has no generator either."""
    url = f"sqlite:///{tmp_path}/a.db"
    with Study(space, optimizer="Random", name="a", storage=url) as study:
        study.set_plan(plan)
        while (job := study.ask()) is not None:
            study.interrupt("Ctrl-C")
            study.tell(job, 1.0)
        study.interrupt("Ctrl-C")
        assert ended == study.result.ended
    result = Result.of_stored("a", url)
    assert None is result.ended
    assert "ended early" not in repr(result)
    with Study.load("a", url, optimizer="Random") as study:
        assert ended == study.result.ended


def test_what_still_had_to_be_promoted_is_read_as_interrupted(tmp_path):
    """All configurations were issued, but the search was not over."""
    url = f"sqlite:///{tmp_path}/a.db"
    generator = HyperBandIterGenerator(min_budget=1, max_budget=3, eta=3)
    with Study(SPACE, optimizer="Random", generator=generator, name="a", storage=url) as study:
        study.set_plan(Plan(n_trials=3))
        for _ in range(3):
            study.tell(study.ask(), 1.0)
        study.interrupt("Ctrl-C")
    assert "interrupted" == Result.of_stored("a", url).ended
