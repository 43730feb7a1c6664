"""A study that goes on with another optimizer or another seed."""

import inspect
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bandmaster import Master, Study, fmin
from bandmaster.cli.app import app
from bandmaster.core.events import OptimizerChanged
from bandmaster.errors import StudyError
from bandmaster.optimizers import (
    Cost,
    ETPEOptimizer,
    GPOptimizer,
    GridOptimizer,
    Prior,
    RandomOptimizer,
    get_optimizer,
    optimizer_names,
)
from bandmaster.storage import open_storage
from bandmaster.study.proposers import signature_of
from bandmaster.study.result import Result

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


class Mine(RandomOptimizer):
    """Has a repr with an address in it."""

    def __repr__(self):
        return f"Mine({object()!r})\nand more"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


def opened(url, optimizer, **options):
    return Study(
        SPACE, optimizer=optimizer, name="a", storage=url, load_if_exists=True, **options
    )  # fmt: skip


def evaluated(url, optimizer, n=1, **options):
    """Open the study, evaluate some trials, and return its result."""
    with opened(url, optimizer, **options) as study:
        for _ in range(n):
            study.tell(study.ask(), 1.0)
        return study.result


def changes(url):
    with open_storage(url) as storage:
        events = list(storage.read_journal("a").read())
    return [e.optimizer for e in events if isinstance(e, OptimizerChanged)]


@pytest.mark.parametrize(
    ("optimizer", "signature"),
    [
        (ETPEOptimizer(), "ETPEOptimizer"),
        (ETPEOptimizer(gamma=0.15), "ETPEOptimizer"),
        (ETPEOptimizer(gamma=0.2, n_startup=5), "ETPEOptimizer(n_startup=5, gamma=0.2)"),
        (GridOptimizer(shuffle=True), "GridOptimizer(shuffle=True)"),
        (GPOptimizer(cost="seconds"), "GPOptimizer(cost=Cost(of='seconds', total=None))"),
        (
            ETPEOptimizer(prior=Prior({"x": ("normal", 0.5, 0.1)})),
            "ETPEOptimizer(prior=Prior({'x': ('normal', 0.5, 0.1)}, confidence=10.0))",
        ),
        (Mine(), "Mine(<object object>)"),
    ],
)
def test_an_optimizer_is_known_by_its_class_and_options(optimizer, signature):
    """Those that are no defaults; never by where it lies in memory."""
    assert signature == signature_of(optimizer)


class Named(RandomOptimizer):
    """Has an option of any kind."""

    def __init__(self, *, names=frozenset()):
        super().__init__()
        self.names = names


@pytest.mark.parametrize(
    ("names", "signature"),
    [
        (frozenset(), "Named"),
        (set(), "Named(names=set())"),
        ({"beta", "alpha", "gamma"}, "Named(names={'alpha', 'beta', 'gamma'})"),
        (frozenset({2, 1}), "Named(names=frozenset({1, 2}))"),
        ([({"b", "a"},)], "Named(names=[({'a', 'b'},)])"),
        ({"x": {"b", "a"}, "y": ()}, "Named(names={'x': {'a', 'b'}, 'y': ()})"),
        (np.float64(0.15), "Named(names=0.15)"),
        (np.int32(3), "Named(names=3)"),
        (np.bool_(True), "Named(names=True)"),
        (np.str_("a"), "Named(names='a')"),
        (Cost(total=np.float64(9.5)), "Named(names=Cost(of='duration', total=9.5))"),
        ({np.int64(2), np.int64(1)}, "Named(names={1, 2})"),
    ],
)
def test_equal_options_are_described_alike(names, signature):
    """A set has another order in each process, and NumPy's numbers other words."""
    assert signature == signature_of(Named(names=names))


def test_the_optimizer_of_another_process_is_known_again():
    """Each has another seed for the hashes of texts."""
    program = (
        "from tests.unit.study.test_proposers import Named, signature_of\n"
        "print(signature_of(Named(names={'alpha', 'beta', 'gamma', 'delta'})))"
    )
    root = Path(__file__).parents[3]
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True, capture_output=True, cwd=root, env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "12"
    }  # fmt: skip
    assert 1 == len(said)


@pytest.mark.parametrize("name", optimizer_names())
def test_all_options_of_registered_optimizers_are_seen(name):
    """Each is an attribute of its name; otherwise another value would go unnoticed."""
    optimizer = get_optimizer(name)
    for option in inspect.signature(type(optimizer)).parameters:
        assert hasattr(optimizer, option), option


def test_another_optimizer_is_warned_of_and_stored_once(url, caplog):
    """From the trial that it proposes first; the result says so, from the journal too."""
    evaluated(url, "Random", 2)
    result = evaluated(url, ETPEOptimizer(gamma=0.2), 2)
    (record,) = caplog.records
    assert (logging.WARNING, "bandmaster.study.proposers") == (record.levelno, record.name)
    assert re.search(r"from trial 2 on ETPEOptimizer\(gamma=0.2\) .* RandomOptimizer", caplog.text)
    note = (
        "The optimizer was changed: first RandomOptimizer, then ETPEOptimizer(gamma=0.2) from "
        "trial 2 on."
    )
    assert note in repr(result)
    assert note in repr(Result.of_stored("a", url))
    evaluated(url, ETPEOptimizer(gamma=0.2))
    assert ["ETPEOptimizer(gamma=0.2)"] == changes(url)
    evaluated(url, "Random")
    assert ["ETPEOptimizer(gamma=0.2)", "RandomOptimizer"] == changes(url)


def test_who_only_looks_changes_nothing(url, caplog):
    """Nor does who evaluates again what an earlier optimizer proposed."""
    with opened(url, "Random") as study:
        study.ask()
    with Study.load("a", url) as study:
        study.requeue_orphans("gone")
        assert 1 == study.ask().attempt
    assert "another optimizer" not in caplog.text
    assert [] == changes(url)


def test_the_same_optimizer_goes_on_silently(url, caplog):
    """Given by name, by class or itself."""
    for optimizer in ("etpe", ETPEOptimizer, ETPEOptimizer(cost=None)):
        result = evaluated(url, optimizer)
    assert [] == caplog.records
    assert "was changed" not in repr(result)


def test_a_change_is_replayed(url):
    """Loaded after it, the study proposes what it would have proposed next."""
    evaluated(url, "Random", 3)
    with opened(url, "ETPE") as study:
        study.tell(study.ask(), 1.0)
        position, proposed = study.position, study.ask().config
    with open_storage("memory://") as storage, open_storage(url) as source:
        journal = storage.open_journal("a", create=True)
        journal.append(list(source.read_journal("a").read())[:position])
        journal.close()
        with opened(storage, "ETPE") as study:
            assert proposed == study.ask().config


def test_many_changes_are_cut_short(url):
    """The note names the first and the last five."""
    for i in range(8):
        result = evaluated(url, GridOptimizer(n_points=2 + i))
    (note,) = [line for line in repr(result).splitlines() if "was changed" in line]
    assert "first GridOptimizer(n_points=2), then 2 others, GridOptimizer(n_points=5) from" in note
    assert note.endswith("GridOptimizer(n_points=9) from trial 7 on.")


def by_study(url, **seed):
    evaluated(url, "Random", **seed)


def by_fmin(url, **seed):
    fmin(
        lambda config: 1.0, SPACE, optimizer="Random", storage=url, study_name="a",
        show_progressbar=False, n_trials=3, **seed,
    )  # fmt: skip


def by_master(url, **seed):
    Master("a", "Random", config_space=SPACE, checkpoint_file=url, **seed).shutdown()


@pytest.mark.parametrize("go_on", [by_study, by_fmin, by_master])
def test_another_seed_is_refused(url, go_on):
    """All randomness is keyed by it, so it cannot change; who insists on none gets the stored."""
    by_study(url, random_state=5)
    with pytest.raises(StudyError, match="made with the seed 5, not with 0: give the same or none"):
        go_on(url, random_state=0)
    for seed in ({}, {"random_state": None}, {"random_state": 5}):
        go_on(url, **seed)


def test_all_searches_have_one_default_seed(url):
    """The same search gives the same whoever drives it."""
    study = Study(SPACE, optimizer="Random")
    configs = [dict(study.ask().config) for _ in range(3)]
    result = fmin(lambda config: 1.0, SPACE, optimizer="Random", n_trials=3, show_progressbar=False)
    assert configs == [e.config for e in result.evaluations]
    assert 0 == study.seed == Master("a", "Random", config_space=SPACE).study.seed


def test_the_command_line_refuses_another_seed_too(url, tmp_path):
    """And names the seed that counts."""
    by_study(url, random_state=5)
    space = tmp_path / "space.yaml"
    space.write_text("x: {_type: uniform, _value: [0.0, 1.0]}")
    arguments = [
        "master", str(space), "--run-id", "a", "--checkpoint-file", url, "--generator", "flat",
        "--optimizer", "random", "--n-trials", "3",
    ]  # fmt: skip
    outcome = CliRunner().invoke(app, [*arguments, "--seed", "0"])
    assert isinstance(outcome.exception, StudyError), outcome.output
    assert "made with the seed 5, not with 0" in str(outcome.exception)


def test_cost_is_an_option_like_others():
    """An optimizer that counts costs is another one."""
    same = [signature_of(ETPEOptimizer(cost=cost)) for cost in ("duration", Cost())]
    assert same[0] == same[1] != signature_of(ETPEOptimizer())
