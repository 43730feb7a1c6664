"""Reports in a journal become learning curves."""

from __future__ import annotations

import pytest

from bandmaster import Study
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import StorageError
from bandmaster.storage import MemoryStorage
from bandmaster.study.reports import ReportedCurves
from bandmaster.study.result import Result

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


def _search(storage):
    """Two trials that report three and two losses, and one that reports nothing."""
    study = Study(SPACE, storage=storage, name="mine")
    for losses in ((3.0, 2.0, 1.0), (5.0, float("nan"), 4.0), ()):
        job = study.ask(worker="w")
        for loss in losses:
            study.report(job, loss)
        study.tell(job, Outcome(Status.OK, 0.5))
    return study


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_each_run_is_a_curve_of_its_reports(kind, tmp_path):
    """Steps ascend; a NaN is no point; a run without reports has no curve."""
    storage = MemoryStorage() if kind == "memory" else f"sqlite:///{tmp_path / 'search.db'}"
    study = _search(storage)
    curves = ReportedCurves.of_stored("mine", storage)
    assert 5 == len(curves)
    found = study.result.get_learning_curves(curves)
    assert [[[(1, 3.0), (2, 2.0), (3, 1.0)]], [[(1, 5.0), (3, 4.0)]], []] == list(found.values())
    study.close()


def test_only_the_attempt_that_ended_the_job_counts():
    """What a lost worker reported is not of the curve; a step reported again replaces the first."""
    storage = MemoryStorage()
    study = Study(SPACE, storage=storage, name="mine")
    job = study.ask(worker="a")
    study.report(job, 9.0)
    study.requeue(job, "gone")
    job = study.ask(worker="b")
    study.report(job, 7.0, step=1)
    study.report(job, 6.0, step=1)
    study.tell(job, Outcome(Status.OK, 0.5))
    (curves,) = study.result.get_learning_curves(ReportedCurves.of_stored("mine", storage)).values()
    assert [[(1, 6.0)]] == curves
    study.close()


def test_they_are_drawn_over_steps():
    """The plot takes the extractor as it is."""
    from matplotlib.figure import Figure

    storage = MemoryStorage()
    study = _search(storage)
    ax = Result.of_stored("mine", storage).plot_learning_curves(
        ReportedCurves.of_stored("mine", storage), ax=Figure().add_subplot()
    )
    assert "Step" == ax.get_xlabel()
    lines = [line for c in ax.collections for line in c.get_segments()]
    assert [[[1, 5], [3, 4]], [[1, 3], [2, 2], [3, 1]]] == sorted(
        (line.tolist() for line in lines), key=len
    )
    study.close()


def test_a_study_that_is_not_there_is_refused(tmp_path):
    """Looking makes no file."""
    with pytest.raises(StorageError, match="no file"):
        ReportedCurves.of_stored("mine", str(tmp_path / "none.db"))
    assert not list(tmp_path.glob("none*"))
