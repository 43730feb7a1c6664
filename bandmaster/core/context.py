"""What a running evaluation knows of its surroundings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bandmaster.core.checkpoints import Checkpoints, step_of
from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.errors import ConfigurationError

__all__ = ["Context", "EvaluationEnded"]

Reporter = Callable[[Job, Mapping[str, Any], int, str | None], Decision]


class EvaluationEnded(BaseException):
    """Raised by `Context.report` to end an evaluation that is told to stop or to pause.

    It is no Exception, so that ``except Exception`` in an objective does not keep it from ending.

    Parameters
    ----------
    decision : Decision
    metrics : Mapping of str to float
        What was reported last.
    """

    def __init__(self, decision: Decision, metrics: Mapping[str, Any]) -> None:
        super().__init__(decision, metrics)
        self.decision = decision
        self.metrics = metrics


class Context:
    """Handed to an evaluation that has a parameter ``context``.

    An evaluation that goes on where another one left off::

        def train(config, budget, context):
            model = context.load() or make_model()
            for _ in range(context.step, budget):
                loss = train_an_epoch(model, config)
                context.report(loss, checkpoint=model)
            return loss

    Parameters
    ----------
    job : Job
        What is being evaluated.
    worker : str, default ""
        Who evaluates it.
    working_directory : str, default "."
        Where it may write files.
    reporter : callable, optional
        Takes job, metrics, step and the name of a checkpoint or None, and answers a Decision.
    checkpoints : Checkpoints, optional
        Where `save` and `load` keep states.

    Attributes
    ----------
    checkpoints : Checkpoints or None
        As given.
    step : int
        The last step that was reported; that of the checkpoint to start from before the first
        report, or 0.
    saved : str or None
        The last checkpoint that was saved.
    should_stop : bool
        Whether the evaluation is asked to return early.
    cancelled : str
        Why it is to be ended by who can do that; empty if it is not.
    """

    def __init__(
        self,
        job: Job,
        *,
        worker: str = "",
        working_directory: str = ".",
        reporter: Reporter | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.job = job
        self.worker = worker
        self.working_directory = working_directory
        self.should_stop = False
        self.cancelled = ""
        self.step = step_of(job.checkpoint)
        self.saved: str | None = None
        self._reporter = reporter
        self.checkpoints = checkpoints
        self._untold: str | None = None  # what was saved since the last report

    @property
    def checkpoint(self) -> str | None:
        """The name of the checkpoint to start from, None for a fresh start."""
        return self.job.checkpoint

    def load(self) -> Any:
        """Return what `save` was given where this evaluation is to start from.

        Returns
        -------
        object, pathlib.Path or None
            The state; or a directory with all that was in the one saved, which is this
            evaluation's own and is removed when it ends; or None for a fresh start.

        Raises
        ------
        CheckpointError
            When the checkpoint is not there any more, or damaged.
        """
        name = self.checkpoint
        return None if name is None else self._store("load").load(name)

    def save(self, state: Any, *, step: int | None = None) -> str:
        """Keep a state, for whoever goes on from here; `report` does so with ``checkpoint=``.

        Parameters
        ----------
        state : object or os.PathLike
            A path is that of a directory, which is kept with all that is in it; anything else is
            pickled.
        step : int, optional
            How far it is: whoever goes on from it reports the next one. Default: `step`, that of
            the last report; what is saved before its own report is at ``context.step + 1``.

        Returns
        -------
        str
            Its name. The last one goes with the next report, and with the outcome of this
            evaluation.
        """
        store, at = self._store("save"), self.step if step is None else step
        self.saved = store.save(state, job=self.job, step=at)
        self._untold = self.saved
        return self.saved

    def close(self) -> None:
        """Remove what `load` unpacked; who runs evaluations calls it at the end of each."""
        if self.checkpoints is not None:
            self.checkpoints.close()

    def _store(self, verb: str) -> Checkpoints:
        if self.checkpoints is None:
            raise ConfigurationError(
                f"there is no store to {verb} a checkpoint: this evaluation was run by hand, or "
                "by batches (MapReduce); use another strategy, or Context(checkpoints=...)"
            )
        return self.checkpoints

    def report(
        self,
        metrics: Mapping[str, Any] | float,
        *,
        step: int | None = None,
        checkpoint: Any = None,
        auto_stop: bool = True,
    ) -> Decision:
        """Say how the evaluation is doing, and learn whether it shall go on.

        Parameters
        ----------
        metrics : Mapping of str to float, or float
            A number is the loss.
        step : int, optional
            Default: counts the reports from 1, or on from the checkpoint that it started from.
        checkpoint : object or os.PathLike, optional
            The state by now, or a directory with it, as in `save`: kept before the report is made.
        auto_stop : bool, default True
            End the evaluation here when it shall not go on, with these metrics: as stopped, or,
            when it is to pause, as if it had returned them. False leaves that to the caller, who
            may still save something and return a loss.

        Returns
        -------
        Decision
            What to do now; anything but CONTINUE also sets `should_stop`.

        Raises
        ------
        EvaluationEnded
            With `auto_stop`. ``finally`` blocks and context managers run as usual.
        """
        self.step = self.step + 1 if step is None else step
        if checkpoint is not None:
            self.save(checkpoint)
        name, self._untold = self._untold, None
        if not isinstance(metrics, Mapping):
            metrics = {"loss": metrics}
        decision = self.pass_on(metrics, self.step, name)
        if self.should_stop and auto_stop:
            raise EvaluationEnded(decision, metrics)
        return decision

    def pass_on(
        self, metrics: Mapping[str, Any], step: int, checkpoint: str | None = None
    ) -> Decision:
        """Make a report whose checkpoint is kept already, and end nothing.

        For who runs an evaluation elsewhere; an evaluation itself calls `report`.
        """
        self.step, self.saved = step, checkpoint or self.saved
        decision = Decision.CONTINUE
        if self._reporter is not None:
            decision = self._reporter(self.job, metrics, step, checkpoint)
        self.should_stop = decision is not Decision.CONTINUE
        return decision
