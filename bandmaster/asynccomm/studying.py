"""The study of a master, made of what the master was given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.randomness import make_seed
from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity import FlatIterGenerator, IterGenerator
from bandmaster.optimizers import Optimizer, get_optimizer
from bandmaster.storage import Journal, checkpoint_url, open_study_journal
from bandmaster.study.binding import check_generator, choose_space
from bandmaster.study.previous import Previous, learn_first, past_before
from bandmaster.study.study import Study

__all__ = ["StudyOptions", "open_study"]


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """What makes a study, with the meanings that `Master` documents."""

    config_space: Any
    objectives: Objectives | Sequence[Metric | Mapping[str, Any] | str] | None
    random_state: int | None
    max_retries: int
    retry_failed: int
    previous_result: Previous | None
    checkpoint_file: str | os.PathLike[str] | None
    journal: Journal | None
    standby: bool
    lease_seconds: float

    def __post_init__(self) -> None:
        if self.checkpoint_file is not None and self.journal is not None:
            raise ConfigurationError("give checkpoint_file or journal, not both")
        if self.checkpoint_file is None and self.standby:
            raise ConfigurationError("standby=True needs a checkpoint_file")

    @property
    def url(self) -> str | None:
        """Of the storage, if there is a checkpoint file."""
        return None if self.checkpoint_file is None else checkpoint_url(self.checkpoint_file)


def open_study(
    run_id: str,
    optimizer: str | Optimizer | type[Optimizer],
    generator: IterGenerator | None,
    options: StudyOptions,
) -> Study:
    """Return the study of a run, loaded if it is stored; it owns the journal of a checkpoint file.

    Raises
    ------
    ConfigurationError
        When the options do not fit together.
    StudyBusyError
        When another master has the checkpoint file, and this one does not stand by.
    """
    optimizer = get_optimizer(optimizer)
    generator = FlatIterGenerator() if generator is None else generator
    check_generator(generator)
    space = choose_space(options.config_space, optimizer, generator)
    journal, previous, url = options.journal, options.previous_result, options.url
    if url is not None:
        previous = past_before(previous, run_id, url)
        journal = open_study_journal(
            url, run_id, load_if_exists=True, lease_seconds=options.lease_seconds,
            standby=options.standby,
        )  # fmt: skip
    try:
        study = Study(
            space,
            optimizer=optimizer,
            generator=generator,
            objectives=options.objectives,
            journal=journal,
            name=run_id,
            seed=make_seed(options.random_state),
            max_retries=options.max_retries,
            retry_failed=options.retry_failed,
        )
        learn_first(study, previous)
    except BaseException:
        if url is not None and journal is not None:
            journal.close()
        raise
    return study
