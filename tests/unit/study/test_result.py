"""Result: a read-only view on a History."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Status
from bandmaster.errors import CodecError, ConfigurationError
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.space import Categorical, Float, Integer, Space
from bandmaster.study import pickling
from bandmaster.study.result import FMinResult, Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history

SPACE = Space([Float("x", 0.0, 1.0), Integer("a", 1, 9), Categorical("kind", ("l1", "l2"))])


class _Nothing(Optimizer):
    """Proposes nothing; only its history is looked at."""

    def ask(self, budget, pending, key):
        return Suggestion({})

    def tell(self, evaluation):
        pass


def test_the_best_is_the_lowest_loss_at_the_largest_budget_with_a_success():
    """A lower loss at a lower budget, and a failure at a higher one, do not count."""
    result = Result(
        make_history(
            make_evaluation(0, 0.1, budget=1, config={"x": 1}),
            make_evaluation(1, 0.3, budget=3, config={"x": 2}, trial=7),
            make_evaluation(2, 0.4, budget=3, config={"x": 3}),
            make_evaluation(3, None, budget=9),
        )
    )
    assert {"x": 2} == result.best_config
    assert (0.3, 3, 7) == (result.best_loss, result.best_budget, result.best_trial)
    assert {1: 0.1, 3: 0.3} == {b: e.loss for b, e in result.incumbents.items()}


def test_without_a_success_there_is_no_best():
    """An empty and an all-failed result answer None instead of raising."""
    for result in (Result(History(0)), Result(make_history(make_evaluation(0, None)))):
        assert result.best is None
        assert result.best_config is None
        assert result.best_loss is None
        assert result.best_budget is None
        assert result.best_trial is None
        assert {} == result.incumbents
        assert 0 == len(result.get_incumbent_trajectory())


def test_failures_are_the_evaluations_that_went_wrong_with_their_tracebacks():
    """Raised, timed out and crashed count; stopped early does not."""
    history = make_history(
        make_evaluation(0, 0.1),
        make_evaluation(1, None),
        make_evaluation(2, None, status=Status.TIMEOUT, error="ran longer than 3 s"),
        make_evaluation(3, None, status=Status.CRASHED, error="its worker died"),
        make_evaluation(4, None, status=Status.STOPPED),
    )
    failures = Result(history).failures
    assert [1, 2, 3] == [e.job for e in failures]
    assert "ValueError" in failures[0].error


def test_a_configuration_counts_once_a_budget():
    """`n_configs` counts trials, failed ones included, and planned budgets that saw none."""
    history = make_history(
        make_evaluation(0, 0.1, budget=1, trial=0),
        make_evaluation(1, 0.2, budget=1, trial=0),
        make_evaluation(2, None, budget=1, trial=1),
        make_evaluation(3, 0.2, budget=3, trial=0),
    )
    assert {1: 2, 3: 1, 9: 0} == Result(history, budgets=(1, 3, 9)).n_configs


def test_the_view_is_live():
    """A result over a running study shows what finished since."""
    history = make_history(make_evaluation(0, 0.5))
    result = Result(history)
    history.append(make_evaluation(1, 0.2))
    assert 0.2 == result.best_loss
    assert 2 == len(result.evaluations)


def test_parameters_come_in_the_order_of_the_space():
    """Without a space they are those that occur, sorted."""
    history = make_history(make_evaluation(0, config={"b": 1, "a": 2}))
    assert ("x", "a", "kind", "b") == Result(history, SPACE).parameters
    assert ("a", "b") == Result(history).parameters


def test_unknown_policies_are_refused():
    """The message names those there are."""
    with pytest.raises(ConfigurationError, match="'any budget'"):
        Result(History(0)).get_incumbent_trajectory(policy="best")


def test_the_repr_is_the_table():
    """Printing a result shows the table of its incumbents."""
    result = Result(make_hyperband_history(), budgets=(0.25, 0.5, 1.0))
    text = repr(result)
    assert text == str(result)
    assert "| 1/4 " in text
    assert "| 1 (max) " in text
    assert "| Num Configs     | 40 " in text


def test_the_repr_says_how_many_failed_and_why_most_did():
    """Failures are mentioned below the table, with the last line of the most frequent traceback."""
    some = Result(make_history(make_evaluation(0, 0.1), make_evaluation(1, None)))
    every = Result(make_history(make_evaluation(0, None), make_evaluation(1, None)))
    kept = "(.failures has the tracebacks)"
    assert f"1 of 2 evaluations failed {kept}: ValueError: no luck" in repr(some)
    assert f"All 2 evaluations failed {kept}: ValueError: no luck" in repr(every)
    other = make_evaluation(2, None, error="KeyError: 'x'")
    mixed = Result(make_history(*(make_evaluation(i, None) for i in range(2)), other))
    assert f"All 3 evaluations failed {kept}, 2 of them with this: ValueError:" in repr(mixed)
    stopped = Result(make_history(make_evaluation(0, None, status=Status.STOPPED)))
    assert "1 of 1 evaluations were stopped early" in repr(stopped)


def test_a_failure_without_words_is_named_by_its_status():
    """An error of blanks does not break the table."""
    result = Result(make_history(make_evaluation(0, None, status=Status.CRASHED, error=" \n")))
    assert "tracebacks): crashed" in repr(result)


def test_an_empty_result_says_so():
    """Nothing to show is said in text and in HTML."""
    result = Result(History(0), SPACE)
    assert "no evaluation has finished" in repr(result)
    assert "No evaluation has finished" in result._repr_html_()


def test_html_is_escaped():
    """Names and values of users are text, not markup."""
    history = make_history(make_evaluation(0, config={"<b>": "<script>"}))
    html = Result(history)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;" in html


def _same(expected: Result, actual: Result) -> None:
    assert expected.evaluations == actual.evaluations
    assert expected.budgets == actual.budgets
    assert expected.parameters == actual.parameters
    assert repr(expected) == repr(actual)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_result_comes_back_equal(protocol):
    """Rows, budgets, space and table survive; so do failures."""
    result = Result(make_hyperband_history(6, p_failure=0.3), budgets=(0.25, 0.5, 1.0, 2.0))
    _same(result, pickle.loads(pickle.dumps(result, protocol)))


def test_a_pickle_keeps_the_space_and_the_vectors():
    """Encoded configurations come back bit for bit, those without stay without."""
    space = Space([Float("x", 0.0, 1.0)])
    history = History(1)
    for job, vector in enumerate((space.encode_one({"x": 0.1}), None)):
        row = make_evaluation(job, config={"x": 0.1})
        values = {name: getattr(row, name) for name in pickling._FIELDS}
        history.append(type(row)(**values, status=row.status, vector=vector))
    loaded = pickle.loads(pickle.dumps(Result(history, space)))
    assert space == loaded.space
    assert history.vectors.tobytes() == loaded.history.vectors.tobytes()
    assert loaded.history[0].vector is not None
    assert loaded.history[1].vector is None


def test_a_pickle_holds_the_rows_and_not_the_study():
    """Appending to the original later does not change what was loaded."""
    history = make_history(make_evaluation(0))
    loaded = pickle.loads(pickle.dumps(Result(history)))
    history.append(make_evaluation(1))
    assert 1 == len(loaded.evaluations)


def test_a_pickle_opens_in_another_process(tmp_path):
    """A fresh interpreter reads it without anything of ours imported before."""
    path = tmp_path / "result.pkl"
    result = Result(make_hyperband_history(3))
    path.write_bytes(pickle.dumps(result))
    code = (
        "import pickle, sys; r = pickle.loads(open(sys.argv[1], 'rb').read());"
        "sys.stdout.write(repr(r))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert repr(result) == done.stdout


def test_a_pickle_of_a_later_format_is_refused_with_what_to_do():
    """The version in the state is checked before anything else is read."""
    with pytest.raises(CodecError, match="update it"):
        pickling.load_result({"version": pickling.VERSION + 1})


def test_rows_of_other_versions_open(monkeypatch):
    """Fields that are unknown here are dropped, fields that lack take their default."""
    history = make_history(make_evaluation(0, 0.5))
    state = pickling.dump_result(history, None, (1.0,))
    state["rows"][0]["from_the_future"] = 1
    del state["rows"][0]["rung"]
    monkeypatch.setattr(pickling, "_DEFAULTS", {"rung": 0})
    loaded, _, _ = pickling.load_result(state)
    assert list(history) == list(loaded)


def test_a_pickle_without_objectives_minimises_the_loss(tmp_path):
    """As the first ones were."""
    restore, (state,) = Result(make_history(make_evaluation(0, 0.5))).__reduce__()
    del state["objectives"]
    assert Objectives() == restore(state).objectives
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps(_Reduced(restore, state)))
    assert Objectives() == Result.load(path).objectives


class _Reduced:
    """Pickles as a call of a function."""

    def __init__(self, function, state):
        self.call = function, (state,)

    def __reduce__(self):
        return self.call


def test_the_first_format_stays_readable():
    """Bytes written by format 1 open for ever (this literal must never be regenerated)."""
    row = {
        "job": 3, "attempt": 1, "trial": 2, "config": {"x": 0.5}, "budget": 0.25, "loss": 0.125,
        "metrics": {"f1": 0.9}, "info": None, "config_info": {"model_based_pick": True},
        "error": None, "checkpoint": None, "bracket": 1, "rung": 0, "submitted": 10.0,
        "started": 11.0, "finished": 12.0, "worker": "w", "status": "ok",
    }  # fmt: skip
    state = {
        "version": 1, "budgets": (0.25, 1.0), "space": None, "rows": [row], "dim": 1,
        "vectors": b"\x00\x00\x00\x00\x00\x00\xe0?",
    }  # fmt: skip
    history, space, budgets = pickling.load_result(state)
    assert space is None
    assert (0.25, 1.0) == budgets
    assert 0.125 == history.best().loss
    assert [[0.5]] == history.vectors.tolist()


def test_fminresult_is_the_result_over_an_optimizers_history():
    """It takes space, budgets and history from the optimizer."""
    optimizer = _Nothing()
    optimizer.initialize(SPACE, budgets=(1, 3))
    optimizer.history.append(make_evaluation(0, 0.5, budget=3, config={"x": 0.5, "a": 2}))
    result = FMinResult(optimizer)
    assert optimizer.history is result.history
    assert (1, 3) == result.budgets
    assert ("x", "a", "kind") == result.parameters
    assert repr(result).startswith("+--")


def test_fminresult_of_an_optimizer_never_initialized_is_refused():
    """The message says what to call."""
    with pytest.raises(ConfigurationError, match="initialize"):
        FMinResult(_Nothing())


ACCURACY = Objectives(
    [
        Metric("accuracy", objective="maximize"),
        Metric("seconds", strategy="constraint", threshold=2.0),
    ]
)


def _accuracies(*pairs):
    """Return the history of evaluations with these (accuracy, seconds)."""
    return make_history(
        *(
            make_evaluation(i, -accuracy, metrics={"accuracy": accuracy, "seconds": seconds})
            for i, (accuracy, seconds) in enumerate(pairs)
        )
    )


def test_a_metric_is_shown_by_its_name_and_with_its_own_value():
    """What is maximised is minimised with its sign turned, and shown as it was returned."""
    result = Result(_accuracies((0.5, 1.0), (0.75, 1.0)), objectives=ACCURACY)
    assert (-0.75, 0.75) == (result.best_loss, result.best_value)
    assert (0.5, 0.75) == result.get_incumbent_trajectory().values
    assert "| Optimal accuracy | 0.7500" in repr(result)
    loaded = pickle.loads(pickle.dumps(result))
    assert ACCURACY == loaded.objectives
    assert repr(result) == repr(loaded)


def test_the_best_of_many_budgets_is_found_at_once(monkeypatch):
    """Not by a look at all evaluations for each of them."""
    seen = []
    feasible = Objectives.counts

    def counts(self, evaluation):
        seen.append(evaluation.job)
        return feasible(self, evaluation)

    monkeypatch.setattr(Objectives, "counts", counts)
    n = 200
    history = make_history(
        *(
            make_evaluation(i, 0.5, budget=i + 1.0, metrics={"seconds": 3.0 if i > 190 else 1.0})
            for i in range(n)
        )
    )
    result = Result(history, objectives=ACCURACY)
    assert 191.0 == result.best_budget
    assert list(range(199, 189, -1)) == seen[: n - 190]
    seen.clear()
    assert 191 == len(result.incumbents)
    assert n == len(seen)


def test_what_breaks_a_constraint_is_never_the_best():
    """However good; the table says how many did."""
    result = Result(_accuracies((0.5, 1.0), (0.9, 3.0), (0.6, 2.0)), objectives=ACCURACY)
    assert 0.6 == result.best_value
    assert [0, 2] == list(result.get_incumbent_trajectory().trials)
    assert "1 of 3 evaluations break a constraint (seconds)." in repr(result)
    assert Result(_accuracies((0.9, 3.0)), objectives=ACCURACY).best is None


def test_the_repr_says_who_proposed_when_and_why():
    """Where several engines proposed, a line below the table says from which trial on, and why."""

    def row(trial: int, engine: str, **why: str):
        info = {"engine": engine, **why}
        return make_evaluation(abs(trial), 0.1, trial=trial, config_info=info)

    first = [row(-1, "Other"), row(0, "ETPE", why="it begins"), row(1, "ETPE")]
    assert "Proposed by" not in repr(Result(make_history(*first)))
    second = [*first, row(3, "GP"), row(2, "GP", why="it is better")]
    line = "Proposed by ETPE from trial 0 (it begins), GP from trial 2 (it is better)."
    assert line in repr(Result(make_history(*second)))
    assert line in Result(make_history(*second))._repr_html_()
    often = [row(i, ("ETPE", "GP")[i % 2]) for i in range(9)]
    assert "GP from trial 3, and 5 more changes." in repr(Result(make_history(*often)))
