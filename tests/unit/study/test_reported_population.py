"""The history of a population is whole, whatever is lost, fails, or is killed on the way."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from bandmaster.core.checkpoints import checkpoint_name, step_of
from bandmaster.core.decisions import Decision
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import PBTIterGenerator, grid_search, uniform
from bandmaster.optimizers import RandomOptimizer
from bandmaster.storage import MemoryJournal
from bandmaster.study.result import Result
from bandmaster.study.study import Study

LAST = 12


class Cluster:
    """Two workers, a master and a store of checkpoints, any of which may be told to fail."""

    def __init__(self, save_every):
        self.save_every = save_every
        self.stored = {}
        self.journal = MemoryJournal()
        self.start()

    def start(self):
        """Make the study, or load it as after a crash: what was out is lost."""
        generator = PBTIterGenerator(
            4, metric="Q", mode="max", quantile_fraction=0.5, synch=True, max_failures=-1,
            hyperparam_mutations={"lr": uniform(0.0, 1.0)},
            param_space={"lr": grid_search([0.1, 0.5, 0.9])}, stop={"training_iteration": LAST},
        )  # fmt: skip
        self.journal = MemoryJournal(list(self.journal.read(0)))
        self.study = Study(
            generator.search_space(), optimizer=RandomOptimizer(), generator=generator,
            objectives=[{"name": "Q", "objective": "maximize"}], journal=self.journal,
        )  # fmt: skip
        if not self.study.n_jobs:
            self.study.set_plan(Plan(n_iterations=1))
        self.study.requeue_orphans("the master was killed")
        self.out = []

    def fill(self):
        """Give each free worker a job."""
        while len(self.out) < 2 and (job := self.study.ask(worker=f"w{len(self.out)}")) is not None:
            theta = 1.0 if job.checkpoint is None else self.stored[job.checkpoint]
            self.out.append([job, theta, step_of(job.checkpoint)])

    def train(self, worker):
        """Train one step, report it, and end if that is the answer."""
        job, theta, step = self.out[worker]
        theta, step, name = theta * (1 - job.config["lr"] / 2), step + 1, None
        if step % self.save_every == 0 or step == job.budget:
            name = checkpoint_name(step, hashlib.sha256(repr(theta).encode()).hexdigest()[:16])
            self.stored[name] = theta
        metrics = {"Q": -theta, "theta": theta}
        decision = self.study.report(job, metrics, step=step, checkpoint=name)
        self.out[worker][1:] = theta, step
        if decision is not Decision.CONTINUE:
            del self.out[worker]
            self.study.tell(job, Outcome(Status.OK, metrics=metrics, checkpoint=name))

    def do(self, action):
        """Let something happen: a step, or what goes wrong."""
        self.fill()
        worker = action % max(len(self.out), 1)
        if action == 0:
            self.start()
        elif not self.out:
            return
        elif action == 1:
            self.study.requeue(self.out.pop(worker)[0], "its worker died")
        elif action == 2:
            self.study.tell(self.out.pop(worker)[0], Outcome.failed("out of memory"))
        else:
            self.train(worker)

    def finish(self):
        """Go on to the end without trouble."""
        while True:
            self.fill()
            if not self.out:
                return
            self.train(0)


@settings(max_examples=60)
@given(st.integers(1, 4), st.lists(st.integers(0, 15), max_size=60))
def test_every_step_is_there_once_and_follows_from_the_one_before(save_every, actions):
    """Killed masters, dead workers, failures: to the end, and each step trained from the last.

    The first step after an exploit is trained from the donor's checkpoint, and follows its step.
    """
    cluster = Cluster(save_every)
    cluster.study.max_retries = len(actions)
    for action in actions:
        cluster.do(action)
        cluster.study.max_retries = len(actions)
    cluster.finish()
    result = Result.of(cluster.study)
    assert {} == result.errors
    for trial in range(3):
        rows = result.reported.steps(trial)
        theta, step = 1.0, 0
        for before, row in zip([None, *rows], rows, strict=False):
            if row.exploited_from is not None and before.job != row.job:
                theta, step = (
                    cluster.stored[row.segment.checkpoint],
                    step_of(row.segment.checkpoint),
                )
            theta, step = theta * (1 - row.config["lr"] / 2), step + 1
            assert (step, theta) == (row.step, row.metrics["theta"])
        assert LAST == step
    again = Result.of(_loaded(cluster))
    assert result.reported.all_steps() == again.reported.all_steps()
    assert result.exploits() == again.exploits()


def _loaded(cluster):
    cluster.start()
    return cluster.study
