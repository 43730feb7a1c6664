"""What a study takes over from another one: what is legal here, with the loss it had."""

from __future__ import annotations

import logging
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from bandmaster import HyperBandIterGenerator, Master, RandomOptimizer, Result, Study, fmin
from bandmaster.core.evaluation import Evaluation
from bandmaster.core.events import Event, Imported
from bandmaster.core.objectives import Metric
from bandmaster.core.outcome import Status
from bandmaster.errors import BandmasterError, ConfigurationError, StorageError
from bandmaster.space import (
    Categorical,
    Condition,
    Constant,
    Equals,
    Float,
    Forbidden,
    Integer,
    Ordinal,
    Parameter,
    Space,
)
from bandmaster.storage import MemoryJournal, MemoryStorage
from bandmaster.testing.histories import make_evaluation, make_history
from bandmaster.testing.spaces import parameters, spaces

BEFORE = Space([Float("x", 0.0, 10.0), Integer("n", 1, 9), Categorical("k", ("a", "b", "c"))])


def rows(*configs: dict[str, object], budget: float = 1.0) -> list[Evaluation]:
    """Return an evaluation of each configuration, with its number for its loss."""
    return [
        make_evaluation(i, float(i), config=config, budget=budget)
        for i, config in enumerate(configs)
    ]


def study_of(*parameters: Parameter, **options: object) -> Study:
    """Return a new study of these parameters, or a changed one of `BEFORE`'s."""
    return Study(Space([*parameters]), optimizer="Random", **options)


@st.composite
def two_spaces(draw: st.DrawFn) -> tuple[Space, Space]:
    """Draw a space, and what became of it: parameters changed, added, removed; other rules."""
    before = draw(spaces(max_parameters=5))
    kept = []
    for parameter in before.parameters:
        what = draw(st.sampled_from(["kept", "kept", "changed", "removed"]))
        if what != "removed":
            kept.append(parameter if what == "kept" else draw(parameters(parameter.name)))
    kept += [draw(parameters(f"new{i}")) for i in range(draw(st.integers(0, 2)))]
    assume(kept)
    rules = [*before.conditions, *before.forbidden]
    for _ in range(4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return before, Space(
                    kept,
                    conditions=[r for r in rules if isinstance(r, Condition)],
                    forbidden=[r for r in rules if isinstance(r, Forbidden)],
                )
            except BandmasterError:
                rules = rules[: len(rules) // 2]
    assume(False)
    raise AssertionError


@settings(max_examples=40)
@given(pair=two_spaces(), seed=st.integers(0, 99), data=st.data())
def test_what_is_taken_over_is_legal_and_has_its_old_loss(
    pair: tuple[Space, Space], seed: int, data: st.DataObject
) -> None:
    """Values stay as they were; only parameters that lacked are added, at their defaults."""
    before, after = pair
    configs = before.sample_configs(6, np.random.default_rng(seed))
    budgets = data.draw(st.lists(st.sampled_from([1, 3, 9, 27]), min_size=6, max_size=6))
    told = [
        make_evaluation(i, i / 7, config=config, budget=b)
        for i, (config, b) in enumerate(zip(configs, budgets, strict=True))
    ]
    study = Study(after, optimizer="Random", generator=HyperBandIterGenerator(1, 9, 3))
    assert study.learn_from(told) == len(study.history)
    for row in study.history:
        after.validate(row.config)
        assert row.budget in (1, 3, 9)
        (old,) = (e for e in told if e.loss == row.loss)
        assert old.budget == row.budget
        for name, value in row.config.items():
            column = after.columns[after.index[name]]
            assert repr(old.config.get(name, column.default_value())) == repr(value)
    if before == after:
        assert sum(b < 27 for b in budgets) == len(study.history)


def test_changed_bounds_leave_out_what_is_beyond(caplog: pytest.LogCaptureFixture) -> None:
    """The rest is learned from; the warning says how many and what they had."""
    study = study_of(Float("x", 0.0, 5.0), *BEFORE.parameters[1:])
    told = rows(*({"x": x, "n": 1, "k": "a"} for x in (1.0, 5.0, 5.1, 9.0)))
    assert 2 == study.learn_from(told)
    assert [1.0, 5.0] == [e.config["x"] for e in study.history]
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert (
        "Left out 2 of 4 earlier evaluations: 2 since 'x' has another range or other choices, "
        "e.g. parameter 'x': 5.1 (float) is not legal; legal is"
    ) in warning.getMessage()


def test_reasons_are_grouped_the_most_frequent_first(caplog: pytest.LogCaptureFixture) -> None:
    """One line for all, however many they are."""
    study = study_of(BEFORE.parameters[0], Integer("n", 1, 5), Ordinal("k", ("b", "a")))
    configs = [{"x": 1.0, "n": n, "k": k} for n in (1, 9) for k in "abc"]
    stopped = make_evaluation(9, None, status=Status.STOPPED, config=configs[0])
    study.learn_from([*rows(*configs), *rows(configs[0], budget=3.0), stopped])
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    parts = warning.getMessage().split("; ")
    assert "Left out 6 of 8" in parts[0]
    assert [
        "3 since 'n' has another range or other choices",
        "1 since 'k' has another range or other choices",
        "1 since their budget is none of this study's (1)",
        "1 since they were stopped early",
    ] == [p.rpartition("evaluations: ")[2].split(", e.g.")[0] for p in parts if " since " in p]


def test_a_parameter_that_was_added_gets_the_default_it_was_given(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It says how things were before; a constant and a single choice say so too."""
    caplog.set_level(logging.INFO)
    study = study_of(
        *BEFORE.parameters,
        Float("dropout", 0.0, 0.5, default=0.0),
        Constant("seed", 7),
        Categorical("only", ("one",)),
    )
    assert 1 == study.learn_from(rows({"x": 1.0, "n": 1, "k": "a"}))
    assert {"x": 1.0, "n": 1, "k": "a", "dropout": 0.0, "seed": 7, "only": "one"} == dict(
        study.history[0].config
    )
    assert "1 of them did not have 'dropout'; it is taken for its default, 0.0" in caplog.text


def test_without_a_default_nobody_knows_what_it_was(caplog: pytest.LogCaptureFixture) -> None:
    """The middle of its range would be made up; the warning says what to do."""
    study = study_of(*BEFORE.parameters, Float("dropout", 0.0, 0.5))
    assert 0 == study.learn_from(rows({"x": 1.0, "n": 1, "k": "a"}))
    assert "'dropout' is new and has no default (give it" in caplog.text


def test_a_parameter_that_was_removed_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """Made a constant instead, it keeps those evaluations that had its value."""
    caplog.set_level(logging.INFO)
    told = rows(*({"x": 1.0, "n": n, "k": "a"} for n in (1, 2, 1)))
    study = study_of(BEFORE.parameters[0], BEFORE.parameters[2])
    assert 3 == study.learn_from(told)
    assert {"x": 1.0, "k": "a"} == dict(study.history[1].config)
    assert "'n' in 3" in caplog.text
    study = study_of(BEFORE.parameters[0], BEFORE.parameters[2], Constant("n", 1))
    assert 2 == study.learn_from(told)


def test_a_parameter_that_became_conditional_is_dropped_where_it_is_inactive() -> None:
    """And one that is active now, but was not, needs a default."""
    rules = [Condition("n", Equals("k", "a"))]
    after = Space([*BEFORE.parameters], conditions=rules)
    study = Study(after, optimizer="Random")
    assert 2 == study.learn_from(rows(*({"x": 1.0, "n": 5, "k": k} for k in "ab")))
    assert [{"x": 1.0, "n": 5, "k": "a"}, {"x": 1.0, "k": "b"}] == [
        dict(e.config) for e in study.history
    ]
    study = study_of(*BEFORE.parameters)
    assert 1 == study.learn_from(rows({"x": 1.0, "n": 5, "k": "a"}, {"x": 1.0, "k": "b"}))


def test_budgets_that_differ_by_rounding_are_the_same() -> None:
    """A third is a third, however it was computed."""
    study = Study(BEFORE, optimizer="Random", generator=HyperBandIterGenerator(1 / 3, 1, 3))
    told = rows({"x": 1.0, "n": 1, "k": "a"}, budget=math.nextafter(1 / 3, 1))
    assert 1 == study.learn_from(told)
    assert 1 / 3 == study.history[0].budget


def test_failures_are_taken_over_without_a_loss() -> None:
    """They tell where not to look."""
    study = Study(BEFORE, optimizer="Random")
    assert 1 == study.learn_from([make_evaluation(0, None, config=BEFORE.default_config())])
    (row,) = study.history
    assert (Status.FAILED, None) == (row.status, row.loss)
    assert "ValueError" in (row.error or "")


def test_a_loss_that_is_no_finite_number_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """It ends nothing; of a failure it does not matter, as that has no loss."""
    config = BEFORE.default_config()
    told = [make_evaluation(i, loss, config=config) for i, loss in enumerate((math.nan, 1.0))]
    told.append(make_evaluation(2, -math.inf, config=config))
    failed = make_evaluation(3, None, config=config)
    told.append(structs.replace(failed, loss=math.nan))
    study = Study(BEFORE, optimizer="Random")
    assert 2 == study.learn_from(told)
    assert [(Status.OK, 1.0), (Status.FAILED, None)] == [(e.status, e.loss) for e in study.history]
    assert "Left out 2 of 4 earlier evaluations: 2 since they have no finite loss" in caplog.text


def test_the_loss_is_that_of_the_metric_that_is_optimised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Of a result whose losses are something else its metrics are taken, or nothing."""
    accuracy = [Metric("accuracy", objective="maximize")]
    configs = BEFORE.sample_configs(2, np.random.default_rng(0))
    told = [
        make_evaluation(0, 0.5, config=configs[0], metrics={"accuracy": 0.75}),
        make_evaluation(1, 0.5, config=configs[1]),
    ]
    study = Study(BEFORE, optimizer="Random", metrics=accuracy)
    assert 1 == study.learn_from(Result(make_history(*told), BEFORE))
    assert -0.75 == study.history[0].loss
    assert 0.75 == study.result.best_value
    assert "they have no 'accuracy', which this study optimises" in caplog.text
    again = Study(BEFORE, optimizer="Random", metrics=accuracy)
    assert 1 == again.learn_from(study)
    assert -0.75 == again.history[0].loss


def test_everything_that_has_results_can_be_given(tmp_path: Path) -> None:
    """A result, a study, an optimizer, a history, a file, a directory, a stored study."""
    url = f"sqlite:///{tmp_path}/search.db"
    with Study(BEFORE, optimizer="Random", name="mine", storage=url) as before:
        result = before.optimize(lambda config: config["x"], n_trials=5)
        for name in ("rows.jsonl", "rows.csv", "rows.parquet", "rows.pkl", "folder"):
            result.save(tmp_path / name)
        for previous in (
            result,
            before,
            before.optimizer,
            before.history,
            iter(before.history),
            tmp_path / "rows.jsonl",
            str(tmp_path / "rows.csv"),
            tmp_path / "rows.parquet",
            tmp_path / "rows.pkl",
            tmp_path / "folder",
            url,
            tmp_path / "search.db",
            ("mine", url),
            (url, "mine"),
            ("mine", tmp_path / "search.db"),
            (str(tmp_path / "search.db"), "mine"),
        ):
            study = Study(BEFORE, optimizer="Random", previous_result=previous)
            assert [e.loss for e in result.evaluations] == [e.loss for e in study.history], previous


def test_what_cannot_be_given_is_told(tmp_path: Path) -> None:
    """What is not there, what has several studies, what is nothing of the kind."""
    url = f"sqlite:///{tmp_path}/search.db"
    for previous in (f"{url}x", tmp_path / "gone.csv", ("mine", f"{url}x"), ("a", "b")):
        with pytest.raises(StorageError, match="there is no file"):
            study_of(*BEFORE.parameters).learn_from(previous)
    assert [] == [p for p in tmp_path.iterdir() if p.name.startswith("search")]
    for name in ("a", "b"):
        Study(BEFORE, name=name, storage=url).close()
    with pytest.raises(
        ConfigurationError, match=r"say which study, as \(name, storage\): there are 'a', 'b'"
    ):
        study_of(*BEFORE.parameters).learn_from(url)
    with pytest.raises(StorageError, match="'c'"):
        study_of(*BEFORE.parameters).learn_from(("c", url))
    for nothing in (1, [1], {"x": 1}, RandomOptimizer()):
        with pytest.raises(ConfigurationError, match="previous_result is a"):
            study_of(*BEFORE.parameters).learn_from(nothing)


def test_a_search_that_goes_on_learns_once(tmp_path: Path) -> None:
    """Also one that was ended before its first evaluation; fmin, Study and Master alike."""
    told = rows(*({"x": x, "n": 1, "k": "a"} for x in (1.0, 2.0)))
    url = f"sqlite:///{tmp_path}/search.db"
    for _ in range(2):
        with Study(
            BEFORE, optimizer="Random", name="s", storage=url, load_if_exists=True,
            previous_result=told,
        ) as study:  # fmt: skip
            assert 2 == len(study.history)
    for n in (1, 2):
        result = fmin(
            lambda config: config["x"], BEFORE, "Random", n_iterations=n, show_progressbar=False,
            checkpoint_file=tmp_path / "fmin.db", previous_result=told,
        )  # fmt: skip
        assert 2 + n == len(result.evaluations)
    for _ in range(2):
        optimizer = RandomOptimizer()
        with Master(
            "warm", optimizer, config_space=BEFORE, checkpoint_file=tmp_path / "master.db",
            previous_result=told,
        ) as master:  # fmt: skip
            assert 2 == len(master.result.evaluations)


def test_a_study_does_not_count_itself(tmp_path: Path) -> None:
    """What it learns from may be in its own database; the same call goes on later."""
    url, told = f"sqlite:///{tmp_path}/search.db", rows({"x": 1.0, "n": 1, "k": "a"})
    Study(BEFORE, optimizer="Random", name="first", storage=url, previous_result=told).close()
    for n in (1, 2):
        result = fmin(
            lambda config: config["x"], BEFORE, "Random", n_iterations=n, show_progressbar=False,
            storage=url, study_name="second", previous_result=tmp_path / "search.db",
        )  # fmt: skip
        assert 1 + n == len(result.evaluations)
    Study.delete_study("second", url)
    for _ in range(2):
        with Master(
            "third", RandomOptimizer(), config_space=BEFORE, checkpoint_file=url,
            previous_result=url,
        ) as master:  # fmt: skip
            assert 1 == len(master.result.evaluations)


def test_a_mistake_in_what_to_learn_from_leaves_no_study(tmp_path: Path) -> None:
    """Otherwise the corrected call would find a study that is there already."""
    url = f"sqlite:///{tmp_path}/search.db"
    with pytest.raises(StorageError, match=r"gone\.csv"):
        Study(BEFORE, name="mine", storage=url, previous_result=tmp_path / "gone.csv")
    with pytest.raises(StorageError, match=r"gone\.csv"):
        Master(
            "mine", RandomOptimizer(), config_space=BEFORE, checkpoint_file=url,
            previous_result=tmp_path / "gone.csv",
        )  # fmt: skip
    with MemoryStorage() as storage:
        with pytest.raises(ConfigurationError, match="previous_result is a"):
            Study(BEFORE, name="mine", storage=storage, previous_result=[1])
        assert [] == storage.list_studies()
    assert [] == list(tmp_path.iterdir())


def test_a_kill_leaves_all_that_was_learned_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The events go to the journal as one batch, which it keeps as a whole."""
    batches: list[list[type[Event]]] = []
    append = MemoryJournal.append

    def record(self: MemoryJournal, events: list[Event]) -> int:
        batches.append([type(event) for event in events])
        return append(self, events)

    monkeypatch.setattr(MemoryJournal, "append", record)
    told = rows(*({"x": x, "n": 1, "k": "a"} for x in (1.0, 2.0, 3.0)))
    Study(BEFORE, optimizer="Random", previous_result=told)
    assert [Imported] * 3 in batches
    assert [Imported] not in batches


def test_nothing_is_learned_when_the_rest_cannot_be_read() -> None:
    """What raises in the middle leaves the study as it was."""
    good, *_ = rows({"x": 1.0, "n": 1, "k": "a"})
    bad = make_evaluation(1, 1.0, config={"x": 1.0, "n": 1, "k": "a"}, budget="much")
    study = study_of(*BEFORE.parameters)
    with pytest.raises(TypeError):
        study.learn_from([good, bad])
    assert 0 == len(study.history)
