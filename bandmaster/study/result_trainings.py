"""The part of a result that is about trainings: what was reported, exploited, and went wrong."""

from __future__ import annotations

from bandmaster.core.history import History
from bandmaster.core.outcome import Status
from bandmaster.study.reported import Reported
from bandmaster.study.rows import own
from bandmaster.study.segments import ExploitRecord

__all__ = ["FAILURES", "ResultTrainings"]

FAILURES = frozenset({Status.FAILED, Status.TIMEOUT, Status.CRASHED})


class ResultTrainings:
    """Steps, exploits and errors of `Result`; ``result.history(trial)`` is `History.__call__`."""

    history: History

    @property
    def reported(self) -> Reported:
        """What trials reported while they ran, step by step.

        Raises
        ------
        ConfigurationError
            When nobody knows: the result is not of a study, or was read from a file that keeps no
            steps.
        """
        reports = self.history.reports
        assert isinstance(reports, Reported), "there is one implementation"
        return reports

    def exploits(self) -> list[ExploitRecord]:
        """Return the exploits of population based training, in their order.

        Returns
        -------
        list of ExploitRecord
            Each says who (`trial`) went on from whose (`donor`) checkpoint, saved at which `step`,
            with which `config` after which `old_config`; `job`, `time`, `checkpoint`.

        Raises
        ------
        ConfigurationError
            As `reported`.
        """
        return self.reported.exploits()

    @property
    def errors(self) -> dict[int, str]:
        """The trials that failed in the end, and why: ``{trial: traceback or reason}``.

        A trial whose last evaluation went well, since it was tried again, is not among them;
        `failures` has every evaluation that failed.
        """
        last = {e.trial: e for e in self.history if own(e)}
        failed = sorted(trial for trial, e in last.items() if e.status in FAILURES)
        return {trial: last[trial].error or last[trial].status.value for trial in failed}
