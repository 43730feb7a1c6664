"""Attempts that were lost or failed, as a result shows them."""

import pandas as pd
import pytest
from click.testing import CliRunner

from bandmaster import Study
from bandmaster.cli.app import app
from bandmaster.core.clock import ManualClock
from bandmaster.study.result import Result

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def study(url):
    """Job 0 is lost, fails and ends well; job 1 ends well at once; job 2 is lost and waits."""
    clock = ManualClock(100.0)
    with Study(
        SPACE, optimizer="Random", name="a", storage=url, retry_failed=1, clock=clock
    ) as study:
        job = study.ask(worker="w0")
        clock.advance(5)
        study.requeue(job, "its connection broke")
        clock.advance(1)
        again = study.ask(worker="w1")
        clock.advance(2)
        study.tell(again, ValueError("no luck"))
        study.tell(study.ask(worker="w2"), 0.5)
        study.tell(study.ask(worker="w0"), 0.25)
        study.requeue(study.ask(worker="w1"), "it never arrived there")
        study.wait_durable(study.position)
        yield study


def test_each_attempt_says_who_had_it_when_and_why_it_ended(study):
    """In the order of their ends; a job that waits is among them."""
    assert [
        (0, 0, "w0", 100.0, 105.0, "its connection broke", False),
        (0, 1, "w1", 106.0, 108.0, True),
        (2, 0, "w1", 108.0, 108.0, "it never arrived there", False),
    ] == [
        (*r.key, r.worker, r.issued, r.ended, *([] if r.failed else [r.reason]), r.failed)
        for r in study.result.retries
    ]
    assert "ValueError: no luck" in study.result.retries[1].reason
    assert study.history[0].config == study.result.retries[0].job.config


def test_a_stored_study_knows_them(study, url):
    """They are a fold of its events, as all is."""
    assert study.result.retries == Result.of_stored("a", url).retries


def test_the_frame_has_a_row_for_each_if_asked(study):
    """Before that of its evaluation, with who and when; by default it has evaluations only."""
    result = study.result
    assert [0, 1] == result.to_dataframe()["job"].tolist()
    assert "tried_again" not in result.to_dataframe()
    frame = result.to_dataframe(attempts=True)
    assert [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0)] == list(
        zip(frame["job"], frame["attempt"], strict=True)
    )
    assert ["lost", "failed", "ok", "ok", "lost"] == frame["status"].tolist()
    assert [True, True, False, False, True] == frame["tried_again"].tolist()
    assert ["w0", "w1", "w1"] == frame["worker"][frame["tried_again"]].tolist()
    assert 5.0 == frame["duration"][0]
    assert frame["config.x"].notna().all()
    evaluations = frame[~frame["tried_again"]].drop(columns="tried_again").reset_index(drop=True)
    pd.testing.assert_frame_equal(
        result.to_dataframe(), evaluations, check_dtype=False, check_categorical=False
    )


def test_a_note_says_how_many(study):
    """And why the last was; nothing when there was none."""
    note = (
        "3 attempts were tried again (2 lost with their workers, 1 failed; see .retries); the "
        "last: job 2 at w1: it never arrived there"
    )
    assert note in repr(study.result)
    assert note in study.result._repr_html_()
    other = Study(SPACE, optimizer="Random")
    other.tell(other.ask(), 1.0)
    assert "tried again" not in repr(other.result)
    other.requeue(other.ask(worker="w"), "gone")
    assert "1 attempt was tried again (1 lost with" in repr(other.result)


def test_a_late_result_that_counted_is_no_lost_attempt():
    """It ended its job, though its worker was thought lost."""
    study = Study(SPACE, optimizer="Random")
    job = study.ask()
    study.requeue(job, "its connection broke")
    assert [(0, 0)] == [r.key for r in study.result.retries]
    assert study.tell(job, 1.0)
    assert [] == study.result.retries


def test_show_prints_their_reasons(study, url):
    """After those of evaluations that failed in the end."""
    shown = CliRunner().invoke(app, ["show", url, "--failures"]).output
    assert "Job 0 (trial 0, budget 1), attempt 1 at w1, tried again:" in shown
    assert "ValueError: no luck" in shown
