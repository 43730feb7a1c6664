"""The part of a result that is about time: its end, and where the time went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bandmaster.core.history import History

if TYPE_CHECKING:
    import numpy as np

    from bandmaster.study.ending import Ending, LastEnding
    from bandmaster.study.timings import Timings
    from bandmaster.study.utilization import Utilization

__all__ = ["ResultTimes"]


class ResultTimes:
    """Ending, utilization and waits of `Result`."""

    history: History
    _timings: Timings | None = None
    # Not the study itself: results outlive studies and the models of their optimizers.
    _last: LastEnding | None = None

    @property
    def ended(self) -> str | None:
        """Why the search has ended, in a word: `ending.cause`; None while it goes on."""
        ending = self.ending
        return None if ending is None else ending.cause

    @property
    def ending(self) -> Ending | None:
        """Why the search has ended, in a word (`cause`) and in words (`why`).

        ``"n_evaluations"``, ``"n_trials"``, ``"n_iterations"``, ``"target_loss"``, ``"timeout"``:
        this limit was reached. ``"exhausted"``: the space has no more configurations.
        ``"done"``: the iteration generator has nothing more to run, though no limit was reached.
        ``"stopped"``: `Study.stop` was called, by a callback or elsewhere. ``"interrupted"``: by
        Ctrl-C, SIGTERM or `Master.drain`; the study can go on.

        None while something is out or may start, and for a result that was read from a file. A
        stored study that is only read does not know of iterations and of trials whether they have
        all ended; then it is None, too.
        """
        return None if self._last is None else self._last.ending

    def utilization(self) -> Utilization:
        """Return how busy each worker was, and all together.

        An evaluation that no worker timed (its worker died), attempts that were lost, and those of
        a previous result count for nothing.
        """
        from bandmaster.study.utilization import measure_utilization

        return measure_utilization(self.history)

    def queue_waits(self) -> np.ndarray:
        """Return the seconds from the first issue of each evaluation's job to its start.

        Attempts that were lost or tried again are part of it. The issue has the study's clock and
        the start the worker's, so that between machines it may be off, even below zero.

        Returns
        -------
        ndarray of shape (n,)
            In the order of `evaluations`; NaN where no worker timed it, and for evaluations of a
            previous result.
        """
        from bandmaster.study.utilization import queue_waits

        return queue_waits(self.history)

    @property
    def optimizer_time(self) -> float | None:
        """The seconds that optimizer and iteration generator took for their proposals.

        It is measured in the process of the study, from when that was made or loaded, and not
        stored: None for a result that was read, from a pickle or a stored study.
        """
        return None if self._timings is None else self._timings.seconds
