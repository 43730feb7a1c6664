"""What a file keeps of a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.objectives import Objectives
from bandmaster.errors import BandmasterError, CodecError, SpaceError
from bandmaster.space import Space
from bandmaster.study.saving.spelling import spell, unspell
from bandmaster.study.trainings import load_trainings

__all__ = ["FORMAT", "Saved", "assemble", "header_of", "is_header"]

FORMAT = 2
"""The version of the header of JSON lines and Parquet files: 1 where no trial reported."""

_MARK = "bandmaster_result"


@dataclass(frozen=True, slots=True)
class Saved:
    """The parts of a result that can be kept.

    Parameters
    ----------
    history : History
    space : Space or None
    budgets : tuple of float
        Those that were planned.
    objectives : Objectives
    """

    history: History
    space: Space | None = None
    budgets: tuple[float, ...] = ()
    objectives: Objectives = field(default_factory=Objectives)


def header_of(saved: Saved, *, trainings: bool = False) -> dict[str, Any]:
    """Return what is beside the rows, as data for JSON; `trainings` says whether some follow."""
    return {
        _MARK: FORMAT if trainings else 1,
        "space": None if saved.space is None else saved.space.to_dict(),
        "budgets": spell(list(saved.budgets)),
        "objectives": spell(saved.objectives.to_data()),
    }


def is_header(data: Any) -> bool:
    """Whether this is what `header_of` makes."""
    return isinstance(data, Mapping) and _MARK in data


def assemble(
    rows: Iterable[Evaluation],
    header: Mapping[str, Any] | None,
    space: Space | None,
    trainings: Iterable[Mapping[str, Any]] = (),
) -> Saved:
    """Put rows and header together again, with the vectors that follow from the configurations.

    Parameters
    ----------
    rows : iterable of Evaluation
    header : Mapping or None
        None for a file that keeps none.
    space : Space or None
        Counts instead of the header's.
    trainings : iterable of Mapping
        What trials reported.

    Raises
    ------
    CodecError
        When a later version of Bandmaster wrote the header, or it is damaged.
    """
    budgets: tuple[float, ...] = ()
    objectives = Objectives()
    if header is not None:
        _check_version(header.get(_MARK))
        try:
            kept = header["space"]
            if space is None and kept is not None:
                space = Space.from_dict(kept)
            budgets = tuple(unspell(header["budgets"]))
            if not all(type(b) in (int, float) and b > 0 for b in budgets):
                raise CodecError(f"the budgets are {budgets!r:.80}")
            objectives = Objectives.from_data(unspell(header["objectives"]))
        except (KeyError, TypeError, ValueError, BandmasterError) as error:
            raise CodecError(f"the header is damaged: {error}") from error
    history = History(0 if space is None else space.dim)
    for row in _encoded(list(rows), space):
        history.append(row)
    history.reported = load_trainings(trainings)
    return Saved(history, space, budgets, objectives)


def _check_version(version: Any) -> None:
    if type(version) is not int or version < 1:
        raise CodecError(f"the header has no version but {version!r}")
    if version > FORMAT:
        raise CodecError(
            f"this result was saved in format {version}, and this Bandmaster reads up to "
            f"format {FORMAT}: update it"
        )


def _encoded(rows: Sequence[Evaluation], space: Space | None) -> Iterable[Evaluation]:
    if space is None:
        return rows
    try:
        vectors = space.encode([row.config for row in rows])
    except SpaceError:  # some do not fit, as after a space was given that is another one
        return [replace(row, vector=_vector(row, space)) for row in rows]
    return [replace(row, vector=v) for row, v in zip(rows, vectors, strict=True)]


def _vector(row: Evaluation, space: Space) -> Any:
    try:
        return space.encode_one(row.config)
    except SpaceError:
        return None
