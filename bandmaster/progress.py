"""A progress bar for the terminal and for Jupyter."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any, TextIO

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.objectives import Objectives
from bandmaster.core.progress import NoProgress, Progress

__all__ = ["TqdmProgress", "default_callback", "make_progress", "no_progress"]


class TqdmProgress:
    """Shows a tqdm bar: finished evaluations, time left, rate, best loss at the largest budget.

    Called from the thread that drives the study. While it is there, log lines that go to the same
    screen clear it first; it is drawn again below them with the next evaluation.

    Parameters
    ----------
    file : text file, optional
        Where to write in a terminal, default standard error.
    leave : bool, default True
        Whether the bar stays when it is done.
    objectives : Objectives, optional
        Names what is optimised. Default: minimise ``loss``.
    """

    def __init__(
        self,
        *,
        file: TextIO | None = None,
        leave: bool = True,
        objectives: Objectives | None = None,
    ) -> None:
        self._objectives = objectives or Objectives()
        self._file = file
        self._leave = leave
        self._bar: Any = None
        self._lines: _LogLines | None = None
        self._budget = float("-inf")
        self._loss = float("inf")
        self._failed = 0

    def start(self, total: int | None) -> None:
        """Begin; `total` is the planned number of evaluations, None if it is open."""
        self.close()
        self._lines = _LogLines(self._file or sys.stderr, self._clear)
        self._lines.attach()
        self._bar = _tqdm()(total=total, unit="evaluation", file=self._file, leave=self._leave)

    def update(self, evaluation: Evaluation) -> None:
        """Count one more evaluation; it does nothing before `start`."""
        if evaluation.loss is not None and self._objectives.counts(evaluation):
            # A larger budget wins whatever its loss, as in Result.best.
            challenger = (-evaluation.budget, evaluation.loss)
            if challenger < (-self._budget, self._loss):
                self._budget, self._loss = evaluation.budget, evaluation.loss
        elif evaluation.error is not None:
            self._failed += 1
        if self._bar is not None:
            self._bar.set_postfix_str(self._postfix(), refresh=False)
            self._bar.update(1)

    def set_total(self, total: int) -> None:
        """Say that another number of evaluations is planned, counted from `start`."""
        if self._bar is not None:
            self._bar.total = total

    def close(self) -> None:
        """End; more calls do nothing."""
        if self._lines is not None:
            self._lines.detach()
            self._lines = None
        if self._bar is not None:
            # tqdm draws at most ten times a second, so the last update may not be shown yet.
            self._bar.refresh()
            self._bar.close()
            self._bar = None

    def _clear(self) -> None:
        if self._bar is not None:
            # Without tqdm's lock: an exception, such as Ctrl-C, may have left it taken.
            self._bar.clear(nolock=True)

    def _postfix(self) -> str:
        parts = []
        if self._budget > 0:
            budget = self._budget
            text = str(budget) if isinstance(budget, int) else str(float(f"{budget:.4g}"))
            best = self._objectives.value(self._loss)
            shown = f"{best:.3f}" if 0.01 <= abs(best) < 1000 else f"{best:.4g}"
            parts += [f"max budget: {text}", f"best {self._objectives.primary.name}: {shown}"]
        if self._failed:
            parts.append(f"failed: {self._failed}")
        return ", ".join(parts)


class _LogLines(logging.Filter):
    """Has handlers that write to a bar's screen clear it before each line; adds no handler.

    Parameters
    ----------
    screen : text file
        Where the bar is.
    clear : callable
    """

    def __init__(self, screen: TextIO, clear: Callable[[], None]) -> None:
        super().__init__()
        self._screen, self._clear = screen, clear
        self._handlers: list[logging.Handler] = []

    def attach(self) -> None:
        """Begin with the handlers that there are."""
        ours, root = logging.getLogger("bandmaster"), logging.getLogger()
        there = [*ours.handlers, *root.handlers]
        if not there and logging.lastResort is not None:
            there = [logging.lastResort]
        self._handlers = [handler for handler in there if self._shares(handler)]
        for handler in self._handlers:
            handler.addFilter(self)

    def detach(self) -> None:
        """Leave them as they were."""
        for handler in self._handlers:
            handler.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Clear the screen's last line; every record passes."""
        self._clear()
        return True

    def _shares(self, handler: logging.Handler) -> bool:
        stream = getattr(handler, "stream", None)
        if stream is None or isinstance(handler, logging.FileHandler):
            return False
        return stream is self._screen or (_terminal(stream) and _terminal(self._screen))


def _terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # an object of somebody's own, or a closed file
        return False


def make_progress(
    spec: Progress | Callable[[], Progress] | bool | None, objectives: Objectives | None = None
) -> Progress:
    """Return the progress that an argument asks for.

    Parameters
    ----------
    spec : Progress, callable, bool or None
        One that is ready, what makes one (`default_callback`), True for the bar, False or None
        for nothing.
    objectives : Objectives, optional
        What the bar shows; default: ``loss``.
    """
    if spec is None or isinstance(spec, bool):
        return TqdmProgress(objectives=objectives) if spec else NoProgress()
    if spec is TqdmProgress:
        return TqdmProgress(objectives=objectives)
    # A class has an `update` too, so what can be called is called.
    return spec() if callable(spec) else spec


def _tqdm() -> Any:
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        # In a notebook without ipywidgets it warns that its bar is drawn as text; that is fine.
        warnings.simplefilter("ignore", TqdmWarning)
        from tqdm.auto import tqdm

    return tqdm


default_callback = TqdmProgress
no_progress = NoProgress
