"""The jobs that a run leaves when an exception has ended it: they are given back."""

from __future__ import annotations

import contextlib
import os
import threading

from bandmaster.errors import StudyPoisonedError
from bandmaster.study.study import Study

__all__ = ["give_back", "worker_name"]


def worker_name(kind: str) -> str:
    """Return a name that no other run has at the same time."""
    here = threading.current_thread()
    suffix = "" if here is threading.main_thread() else f".{here.ident}"
    return f"{kind}.{os.getpid()}{suffix}"


def give_back(study: Study, worker: str, error: BaseException) -> None:
    """Requeue all that `worker` has; also a job whose `ask` was interrupted before it returned."""
    with contextlib.suppress(StudyPoisonedError):
        for entry in study.open_jobs:
            if entry.worker == worker and not entry.waiting:
                study.requeue(entry.job, f"the run was ended by {error!r}", counted=False)
