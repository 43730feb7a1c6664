"""What `fmin` and `Study.optimize` are told of a run comes to who runs it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bandmaster import Study, fmin, wiring
from bandmaster.checkpoints import Keep
from bandmaster.core.isolation import Isolation
from bandmaster.errors import ConfigurationError
from bandmaster.wiring import RunOptions

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


def objective(config, context):
    return config["x"]


def callback(study, evaluation):
    """Do nothing."""


SAID: dict[str, Any] = {
    "parallel_strategy": "AsyncComm", "n_jobs": 2, "timeout": 3.0, "grace": 4.0,
    "job_timeout": 5.0, "catch": (KeyError,), "callbacks": (callback,), "isolate": True,
    "time_limit": 6.0, "max_initial_failures": 7, "handle_signals": False, "sigterm_grace": 8.0,
    "checkpoint_store": "store", "keep_checkpoints": Keep(last=9),
}  # fmt: skip


@pytest.mark.parametrize("how", ["fmin", "optimize"])
def test_every_option_arrives(how, monkeypatch):
    """Under its name, in both."""
    found: list[RunOptions] = []
    monkeypatch.setattr(wiring, "run", lambda study, function, options, **_: found.append(options))
    if how == "fmin":
        fmin(objective, SPACE, show_progressbar=True, **SAID)
    else:
        Study(SPACE).optimize(objective, n_trials=3, progress=True, **SAID)
    (options,) = found
    expected = {
        **SAID, "strategy": "AsyncComm", "isolation": Isolation(time_limit=6.0), "progress": True,
    }  # fmt: skip
    got = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    assert {name: expected[name] for name in got} == got
    assert got.keys() - {"strategy", "isolation", "progress"} == expected.keys() - {
        "parallel_strategy", "isolate", "time_limit", "strategy", "isolation", "progress",
    }  # fmt: skip


@pytest.mark.parametrize(
    "mistake",
    [{"grace": -1}, {"catch": 3}, {"callbacks": 3}, {"keep_checkpoints": 3}, {"timeout": "x"}, {}],
)
def test_a_call_of_optimize_that_is_refused_changes_nothing(mistake, tmp_path):
    """No limit of it is in the journal."""
    with Study(SPACE, storage=f"sqlite:///{tmp_path}/s.db", name="a") as study:
        before = study.position
        with pytest.raises(ConfigurationError):
            study.optimize(objective, **({"n_trials": 3, **mistake} if mistake else {}))
        assert before == study.position
