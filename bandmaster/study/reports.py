"""What running jobs reported, as learning curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bandmaster.core.events import Event, JobReported
from bandmaster.storage import Storage, checkpoint_url, open_storage
from bandmaster.study.runs import Curve, Run

__all__ = ["ReportedCurves"]


class ReportedCurves:
    """The losses that jobs reported while they ran: an extractor for `Result.get_learning_curves`.

    A study keeps reports in its journal only, so they are read from there::

        curves = ReportedCurves.of_stored("mine", "search.db")
        result.plot_learning_curves(curves)

    Parameters
    ----------
    events : iterable of Event
        A study's journal, or a part of it.

    Notes
    -----
    Only the reports of the attempt that ended a job count; at a step that was reported twice, the
    last one. Reports without a finite loss are left out.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self._losses: dict[tuple[int, int], dict[int, float]] = {}
        for event in events:
            if isinstance(event, JobReported) and event.loss is not None:
                self._losses.setdefault((event.job, event.attempt), {})[event.step] = event.loss

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
            return cls(storage.read_journal(name).read(0))
        with open_storage(checkpoint_url(storage), create=False) as opened:
            return cls(opened.read_journal(name).read(0))

    def __call__(self, runs: Sequence[Run]) -> list[Curve]:
        """Return a curve for each run that reported a loss: [(step, loss), ...], ascending."""
        keys = [(run.evaluation.job, run.evaluation.attempt) for run in runs]
        return [sorted(self._losses[key].items()) for key in keys if key in self._losses]

    def __len__(self) -> int:
        return sum(map(len, self._losses.values()))
