"""Which checkpoints stay, beside those that somebody may still need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bandmaster.errors import ConfigurationError

__all__ = ["Keep", "keep_of"]


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept of checkpoints that nothing will go on from any more.

    Those that a job starts from, or that the iteration generator may still go on from, are kept
    whatever this says.

    Parameters
    ----------
    best : int, default 1
        Of so many trials that which their best-placed evaluation left: those at the largest
        budgets come first, of these the best.
    last : int, default 0
        Of each trial so many, the newest.
    all : bool, default False
        All of them.

    Raises
    ------
    ConfigurationError
        When a number is negative, or none.
    """

    best: int = 1
    last: int = 0
    all: bool = False

    def __post_init__(self) -> None:
        for name, value in (("best", self.best), ("last", self.last)):
            if type(value) is not int or value < 0:
                raise ConfigurationError(f"{name} must be a whole number ≥ 0, got {value!r}")
        if type(self.all) is not bool:
            raise ConfigurationError(f"all is True or False, got {self.all!r}")


def keep_of(option: Keep | Literal["all"] | None) -> Keep:
    """Return what an option ``keep_checkpoints`` says; None is the default.

    Raises
    ------
    ConfigurationError
        When it is something else.
    """
    if option is None:
        return Keep()
    if option == "all":
        return Keep(all=True)
    if not isinstance(option, Keep):
        raise ConfigurationError(
            f"keep_checkpoints is 'all', Keep(best=...) or Keep(last=...), got {option!r}"
        )
    return option
