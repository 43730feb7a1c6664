"""What a running evaluation knows of its surroundings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job

__all__ = ["Context", "EvaluationEnded"]

Reporter = Callable[[Job, Mapping[str, Any], int], Decision]


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

    Parameters
    ----------
    job : Job
        What is being evaluated.
    worker : str, default ""
        Who evaluates it.
    working_directory : str, default "."
        Where it may write files.
    reporter : callable, optional
        Takes job, metrics and step, and answers a Decision.

    Attributes
    ----------
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
    ) -> None:
        self.job = job
        self.worker = worker
        self.working_directory = working_directory
        self.should_stop = False
        self.cancelled = ""
        self._reporter = reporter
        self._step = 0

    def report(
        self,
        metrics: Mapping[str, Any] | float,
        *,
        step: int | None = None,
        auto_stop: bool = True,
    ) -> Decision:
        """Say how the evaluation is doing, and learn whether it shall go on.

        Parameters
        ----------
        metrics : Mapping of str to float, or float
            A number is the loss.
        step : int, optional
            Default: counts the reports from 1.
        auto_stop : bool, default True
            End the evaluation here when it shall not go on: it ends as stopped, with these metrics.
            False leaves that to the caller, who may still save something and return a loss.

        Returns
        -------
        Decision
            What to do now; anything but CONTINUE also sets `should_stop`.

        Raises
        ------
        EvaluationEnded
            With `auto_stop`. ``finally`` blocks and context managers run as usual.
        """
        self._step = self._step + 1 if step is None else step
        if not isinstance(metrics, Mapping):
            metrics = {"loss": metrics}
        decision = Decision.CONTINUE
        if self._reporter is not None:
            decision = self._reporter(self.job, metrics, self._step)
        self.should_stop = decision is not Decision.CONTINUE
        if self.should_stop and auto_stop:
            raise EvaluationEnded(decision, metrics)
        return decision
