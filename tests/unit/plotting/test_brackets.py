"""The diagram of brackets shows how far each trial came, and why it ended."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from bandmaster.core.outcome import Status
from bandmaster.errors import ConfigurationError
from bandmaster.plotting.brackets import find_climbs
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def _result(*rows):
    """Rows are (bracket, trial, budget, loss)."""
    return Result(
        make_history(
            *(
                make_evaluation(i, loss, trial=trial, budget=budget, bracket=bracket)
                for i, (bracket, trial, budget, loss) in enumerate(rows)
            )
        )
    )


def test_climbs_are_the_trials_by_bracket_the_furthest_first():
    """Of those that came as far the better one, and failures last."""
    result = _result(
        (0, 0, 1, 0.5), (0, 1, 1, None), (0, 2, 1, 0.4), (0, 3, 1, 0.6), (0, 2, 3, 0.3),
        (1, 4, 3, 0.1),
    )  # fmt: skip
    climbs = find_climbs(result)
    assert [2, 0, 3, 1, 4] == [climb.trial for climb in climbs]
    assert [(1, 3), (1,), (1,), (1,), (3,)] == [climb.budgets for climb in climbs]
    assert [1] == [climb.trial for climb in climbs if climb.failed]


def test_an_attempt_that_succeeded_later_is_no_failure():
    """Nor is what was stopped early."""
    stopped = make_evaluation(9, None, trial=5, status=Status.STOPPED)
    history = _result((0, 0, 1, None), (0, 0, 1, 0.5)).history
    history.append(stopped)
    assert [False, False] == [climb.failed for climb in find_climbs(Result(history))]


def test_markers_say_what_became_of_each_trial():
    """Promoted, ended, at the largest budget, or failed: counted in the legend."""
    result = Result(make_hyperband_history(p_failure=0.1))
    ax = result.plot_brackets(ax=Figure().add_subplot())
    trials: dict[int, list] = {}
    for e in result.evaluations:
        trials.setdefault(e.trial, []).append(e)
    lasts = [max(rows, key=lambda e: e.budget) for rows in trials.values()]
    expected = {
        "promoted": len(result.evaluations) - len(trials),
        "ended here": sum(e.ok and e.budget < 1 for e in lasts),
        "at the largest budget": sum(e.ok and e.budget == 1 for e in lasts),
        "failed": sum(not e.ok for e in lasts),
    }
    entries = {text.get_text() for text in ax.get_legend().get_texts()}
    assert {f"{words} ({count})" for words, count in expected.items()} == entries
    assert len(trials) == len(ax.collections[0].get_segments())
    assert ["1/4", "1/2", "1"] == [label.get_text() for label in ax.get_yticklabels()]


def test_the_last_brackets_are_shown_or_those_asked_for():
    """A picture has room for 120 trials; the title says what is left out."""
    result = Result(make_hyperband_history(300))
    ax = result.plot_brackets(ax=Figure().add_subplot())
    assert 120 >= len(ax.collections[0].get_segments()) > 100
    assert "Brackets and rungs (40 of 300 brackets)" == ax.get_title()
    ax = result.plot_brackets([0, 3], ax=Figure().add_subplot())
    assert 8 == len(ax.collections[0].get_segments())
    assert ["0", "3"] == [label.get_text() for label in ax.get_xticklabels()]
    with pytest.raises(ConfigurationError, match=r"bracket 300 .*0 to 299"):
        result.plot_brackets([300])


def test_one_budget_has_no_rungs():
    """The axes say so."""
    ax = _result((0, 0, 1, 0.5), (1, 1, 1, 0.4)).plot_brackets(ax=Figure().add_subplot())
    assert "There are no rungs: 2 trials ran at budget 1 only" == ax.texts[0].get_text()
