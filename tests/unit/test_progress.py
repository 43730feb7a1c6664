"""The tqdm progress bar."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

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


def test_the_bar_counts_trials_and_shows_the_best_loss_at_the_largest_budget():
    """A lower loss at a lower budget does not count any more, a worse one never."""
    text = _shown(
        make_evaluation(0, 0.01, budget=0.25),
        make_evaluation(1, 0.048, budget=0.5),
        make_evaluation(2, 0.5, budget=0.5),
    )
    assert " 3/4 [" in text
    assert text.endswith("trial/s, max budget: 0.5, best loss: 0.048]")
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
    assert text.startswith("1trial [")


def test_close_may_come_at_any_time():
    """Before `start`, twice, and before an update that comes late."""
    progress = TqdmProgress(file=io.StringIO())
    progress.close()
    progress.start(1)
    progress.close()
    progress.close()
    progress.update(make_evaluation(0, 0.5))


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
