"""What running jobs reported, as learning curves."""

from __future__ import annotations

from collections.abc import Sequence

from bandmaster.storage import Storage, checkpoint_url, open_storage
from bandmaster.study.reported import Reported
from bandmaster.study.runs import Curve, Run

__all__ = ["ReportedCurves"]


class ReportedCurves:
    """The losses that jobs reported while they ran: an extractor for `Result.get_learning_curves`.

    ::

        result.plot_learning_curves(ReportedCurves(result.reported))

    Parameters
    ----------
    reported : Reported
        Looked at once, now.

    Notes
    -----
    A run that was tried again has the steps that lead up to its end; of two reports at one step the
    last one counts (`Reported.of_job`). Reports without a finite loss are left out.
    """

    def __init__(self, reported: Reported) -> None:
        self._losses: dict[int, Curve] = {}
        for segment in reported.segments:
            steps = reported.of_job(segment.job)
            curve = [(step.step, step.loss) for step in steps if step.loss is not None]
            if curve:
                self._losses[segment.job] = sorted(curve)

    @classmethod
    def of_stored(cls, name: str, storage: str | Storage) -> ReportedCurves:
        """Read the reports of a stored study, also while another process writes it.

        Parameters
        ----------
        name : str
        storage : str or Storage
            A URL, or the path of an SQLite file.

        Raises
        ------
        StorageError
            If there is no such study, or the storage cannot be read.
        """
        if isinstance(storage, Storage):
            return cls(Reported(storage.read_journal(name).read))
        with open_storage(checkpoint_url(storage), create=False) as opened:
            return cls(Reported(opened.read_journal(name).read))

    def __call__(self, runs: Sequence[Run]) -> list[Curve]:
        """Return a curve for each run that reported a loss: [(step, loss), ...], ascending."""
        jobs = [run.evaluation.job for run in runs]
        return [self._losses[job] for job in jobs if job in self._losses]

    def __len__(self) -> int:
        return sum(map(len, self._losses.values()))
