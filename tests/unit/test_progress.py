"""The tqdm progress bar."""

from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest

from bandmaster import Study, fmin
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Status
from bandmaster.core.progress import NoProgress
from bandmaster.progress import TqdmProgress, default_callback, make_progress, no_progress
from bandmaster.testing.histories import make_evaluation


def _shown(*evaluations, total=4):
    """Return the last state of the bar."""
    screen = io.StringIO()
    progress = TqdmProgress(file=screen)
    progress.start(total)
    for evaluation in evaluations:
        progress.update(evaluation)
    progress.close()
    return screen.getvalue().rstrip("\n").split("\r")[-1].strip()


def test_the_bar_counts_evaluations_and_shows_the_best_loss_at_the_largest_budget():
    """A lower loss at a lower budget does not count any more, a worse one never."""
    text = _shown(
        make_evaluation(0, 0.01, budget=0.25),
        make_evaluation(1, 0.048, budget=0.5),
        make_evaluation(2, 0.5, budget=0.5),
    )
    assert " 3/4 [" in text
    assert text.endswith("evaluation/s, max budget: 0.5, best loss: 0.048]")
    assert "75%" in text


def test_a_whole_budget_looks_like_the_seeds():
    """Floats keep their point, integers have none."""
    assert "max budget: 1.0, best loss: 0.012]" in _shown(make_evaluation(0, 0.0117))
    assert "max budget: 27, best loss: 1.5e-05]" in _shown(make_evaluation(0, 1.5e-5, budget=27))


def test_failures_are_counted_and_move_the_bar():
    """One that stopped early is no failure."""
    text = _shown(
        make_evaluation(0, None),
        make_evaluation(1, None, status=Status.STOPPED),
    )
    assert " 2/4 [" in text
    assert text.endswith("failed: 1]")


def test_an_open_total_is_shown_without_a_share():
    """With no planned number only the count is known."""
    text = _shown(make_evaluation(0, 0.5), total=None)
    assert text.startswith("1evaluation [")


def test_close_may_come_at_any_time():
    """Before `start`, twice, and before an update that comes late."""
    progress = TqdmProgress(file=io.StringIO())
    progress.close()
    progress.start(1)
    progress.close()
    progress.close()
    progress.update(make_evaluation(0, 0.5))


def test_a_search_that_did_all_it_could_is_shown_as_complete():
    """What is planned is a ceiling: here the space has three configurations."""
    screen = io.StringIO()
    fmin(
        lambda config: 1.0, {"x": {"_type": "choice", "_value": [1, 2, 3]}}, "Random",
        n_iterations=9, callbacks=[], show_progressbar=lambda: TqdmProgress(file=screen),
    )  # fmt: skip
    assert " 0/9 [" in screen.getvalue()
    assert "100%" in screen.getvalue().split("\r")[-1]
    assert " 3/3 [" in screen.getvalue().split("\r")[-1]


def test_a_search_that_was_ended_early_is_not():
    """Its bar stays where it was."""
    screen = io.StringIO()
    study = Study({"x": {"_type": "uniform", "_value": [0, 1]}}, optimizer="Random")
    study.optimize(
        lambda config: 1.0, n_trials=4, progress=lambda: TqdmProgress(file=screen),
        callbacks=[lambda study, evaluation: study.stop("enough")],
    )  # fmt: skip
    assert " 1/4 [" in screen.getvalue().split("\r")[-1]


def test_a_log_line_has_a_line_of_its_own(monkeypatch):
    """The bar is cleared before it, and drawn again below; afterwards handlers are as before."""
    screen = io.StringIO()
    handler, other = logging.StreamHandler(screen), logging.StreamHandler(io.StringIO())
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler, other])
    progress = TqdmProgress(file=screen)
    progress.start(4)
    try:
        assert [] == other.filters
        logging.getLogger("bandmaster.study").warning("something is odd")
        progress.update(make_evaluation(0, 0.5))
    finally:
        progress.close()
    shown = screen.getvalue()
    before, after = shown.split("something is odd\n")
    assert before.endswith("\r")
    assert set() == set(before.split("\r")[-2]) - {" "}, "the bar was overwritten with blanks"
    assert "1/4" in after
    assert [] == handler.filters


def test_python_s_last_resort_counts_as_a_handler(monkeypatch):
    """It is what prints warnings where nobody has set up logging."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    progress = TqdmProgress()
    progress.start(4)
    assert 1 == len(logging.lastResort.filters)
    logging.getLogger("bandmaster").warning("something is odd")
    progress.close()
    assert "\rsomething is odd\n" in sys.stderr.getvalue()
    assert [] == logging.lastResort.filters


def test_default_callback_makes_a_progress():
    """What the seed's script hands to a Master is a factory; a ready progress is kept."""
    assert isinstance(make_progress(default_callback), TqdmProgress)
    assert isinstance(make_progress(no_progress), NoProgress)
    ready = TqdmProgress()
    assert ready is make_progress(ready)
    assert ready is make_progress(lambda: ready)


@pytest.mark.parametrize(
    ("spec", "kind"), [(True, TqdmProgress), (False, NoProgress), (None, NoProgress)]
)
def test_yes_and_no_are_understood(spec, kind):
    """True is the bar, False and None are nothing."""
    assert kind is type(make_progress(spec))


def test_tqdm_is_loaded_by_the_first_bar_only():
    """Importing the module is free of it."""
    code = "import sys, bandmaster.progress; sys.exit('tqdm' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


def test_a_maximised_metric_is_shown_by_its_name_and_value():
    """What breaks a constraint is no best; a factory by its name knows the metrics too."""
    objectives = Objectives(
        [Metric("acc", objective="maximize"), Metric("s", strategy="constraint", threshold=2.0)]
    )
    screen = io.StringIO()
    progress = TqdmProgress(file=screen, objectives=objectives)
    progress.start(2)
    progress.update(make_evaluation(0, -0.5, metrics={"acc": 0.5, "s": 1.0}))
    progress.update(make_evaluation(1, -0.9, metrics={"acc": 0.9, "s": 3.0}))
    progress.close()
    assert "best acc: 0.500]" in screen.getvalue()
    assert objectives == make_progress(True, objectives)._objectives
    assert objectives == make_progress(default_callback, objectives)._objectives


def test_a_notebook_without_ipywidgets_gets_a_bar_of_text_and_no_warning():
    """tqdm.auto warns about it when imported, which the user of a search did not ask for."""
    code = (
        "import sys, types, warnings\n"
        "kernel = types.SimpleNamespace(config={'IPKernelApp': {}})\n"
        "sys.modules['IPython'] = types.SimpleNamespace(get_ipython=lambda: kernel)\n"
        "sys.modules['ipykernel.zmqshell'] = types.ModuleType('zmqshell')\n"
        "sys.modules['ipywidgets'] = None\n"
        "from bandmaster.progress import TqdmProgress\n"
        "warnings.simplefilter('always')\n"
        "progress = TqdmProgress()\n"
        "progress.start(1)\n"
        "progress.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    assert "0/1" in done.stderr
    assert "TqdmWarning" not in done.stderr
