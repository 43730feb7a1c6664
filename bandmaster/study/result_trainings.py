"""The part of a result that is about trainings: what was reported, exploited, and went wrong."""

from __future__ import annotations

from bandmaster.core.history import History
from bandmaster.core.outcome import Status
from bandmaster.core.retried import Retried
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
    def retries(self) -> list[Retried]:
        """The attempts that were lost or failed and were tried again, in the order of their ends.

        Each says which `job` (with its number, attempt, trial, configuration and budget) had been
        at which `worker`, from when (`issued`) to when (`ended`), for which `reason` it ended, and
        whether it `failed` or was lost. Not among them are the last attempt of an evaluation,
        which is in `failures` if it failed too, and one whose result came late and counted.

        They are known of a study, also a stored one; files of results do not keep them.
        """
        known = list(self.history.retried)
        jobs = {retried.job.number for retried in known}
        ended = {(e.job, e.attempt) for e in self.history if e.job in jobs} if jobs else set()
        return [retried for retried in known if retried.key not in ended]

    @property
    def errors(self) -> dict[int, str]:
        """The trials that failed in the end, and why: ``{trial: traceback or reason}``.

        A trial whose last evaluation went well, since it was tried again, is not among them;
        `failures` has every evaluation that failed.
        """
        last = {e.trial: e for e in self.history if own(e)}
        failed = sorted(trial for trial, e in last.items() if e.status in FAILURES)
        return {trial: last[trial].error or last[trial].status.value for trial in failed}
