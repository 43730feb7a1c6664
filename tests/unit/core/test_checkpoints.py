"""What an evaluation may save and load, through its context."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bandmaster.core.checkpoints import Checkpoints, checkpoint_name, step_of
from bandmaster.core.clock import ManualClock
from bandmaster.core.context import Context
from bandmaster.core.decisions import Decision
from bandmaster.core.evaluate import Objective, evaluate
from bandmaster.core.job import Job
from bandmaster.errors import ConfigurationError

JOB = Job(3, 0, 3, {"x": 1.0}, 8)
START = checkpoint_name(4, "0123456789abcdef")


class InMemory(Checkpoints):
    """Keeps states in a dictionary."""

    def __init__(self):
        self.kept = {START: "the state"}
        self.closed = 0

    def save(self, thing, *, job, step):
        name = checkpoint_name(step, f"{len(self.kept):016x}")
        self.kept[name] = thing
        return name

    def load(self, name):
        return self.kept[name]

    def close(self):
        self.closed += 1


def test_a_name_tells_its_step():
    """The step is in the name; a name that is not ours is at step 0, as is none."""
    assert 4 == step_of(START)
    assert [0, 0, 0, 0] == [step_of(name) for name in (None, "", "s3://mine/7", "7-xyz")]


def test_a_fresh_evaluation_counts_from_one_and_loads_nothing():
    """Without a checkpoint to start from, `load` is None and the first report is at step 1."""
    context = Context(JOB, checkpoints=InMemory())
    assert (None, None, 0) == (context.load(), context.checkpoint, context.step)
    context.report(0.5)
    assert 1 == context.step


def test_one_that_goes_on_counts_on():
    """The first report after a checkpoint at step 4 is at step 5: nothing repeated or skipped."""
    seen = []

    def reporter(job, metrics, step, checkpoint):
        seen.append((step, checkpoint))
        return Decision.CONTINUE

    context = Context(replace(JOB, checkpoint=START), checkpoints=InMemory(), reporter=reporter)
    assert "the state" == context.load()
    context.report(0.5)
    context.report(0.4, checkpoint="later")
    assert [(5, None), (6, context.saved)] == seen
    assert 6 == step_of(context.saved)


def test_a_checkpoint_is_kept_before_it_is_told():
    """Who hears of a checkpoint can load it at once."""
    store, seen = InMemory(), []

    def reporter(job, metrics, step, checkpoint):
        seen.append(store.load(checkpoint))
        return Decision.CONTINUE

    Context(JOB, checkpoints=store, reporter=reporter).report(0.5, checkpoint=["state"])
    assert [["state"]] == seen


def test_what_is_saved_before_its_report_says_how_far_it_is():
    """The step can be given; without it, it is that of the last report."""
    context = Context(replace(JOB, checkpoint=START), checkpoints=InMemory())
    assert [4, 5] == [step_of(context.save(1)), step_of(context.save(2, step=context.step + 1))]


@pytest.mark.parametrize("ending", ["returns", "pauses", "raises"])
def test_the_last_checkpoint_goes_with_the_outcome(ending):
    """However an evaluation ends: another may go on from there."""
    store = InMemory()

    def objective(config, context):
        context.report(0.5, checkpoint=1)
        context.save(2)
        if ending == "pauses":
            context.report(0.4)
        elif ending == "raises":
            raise ValueError("it breaks")
        return 0.3

    answers = iter([Decision.CONTINUE, Decision.PAUSE])
    context = Context(JOB, checkpoints=store, reporter=lambda *_: next(answers))
    outcome = evaluate(Objective(objective), JOB, context, ManualClock())
    assert 2 == store.load(outcome.checkpoint)
    assert 1 == step_of(outcome.checkpoint)
    assert 1 == store.closed


def test_what_was_unpacked_is_removed_whatever_ends_the_evaluation():
    """Also on Ctrl-C, which no outcome is made of."""
    store = InMemory()

    def interrupted(config):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(Objective(interrupted), JOB, Context(JOB, checkpoints=store), ManualClock())
    assert 1 == store.closed


def test_without_a_store_nothing_is_saved_or_loaded():
    """The error says why, and what to do."""
    with pytest.raises(ConfigurationError, match="no store to save"):
        Context(JOB).save("state")
    with pytest.raises(ConfigurationError, match="no store to load"):
        Context(replace(JOB, checkpoint=START)).load()
