"""BOHB's brackets: Hyperband in which some new trials are drawn at random."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity.budgets import as_count
from bandmaster.multifidelity.hyperband import HyperBandIterGenerator
from bandmaster.multifidelity.options import as_number
from bandmaster.multifidelity.shapes import Mode

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BOHBIterGenerator"]

_BLOCK = 256


class BOHBIterGenerator(HyperBandIterGenerator):
    """Hyperband in which a random fraction of the new trials bypasses the optimizer.

    BOHB (Falkner, Klein and Hutter, ICML 2018, Algorithm 2, line 1) draws a configuration uniformly
    with probability ρ, so that the theory of Hyperband still holds when the model misleads. With a
    TPE optimizer the whole is BOHB. Whether trial number i is drawn at random depends on `seed` and
    i alone.

    Parameters
    ----------
    min_budget, max_budget, eta, SH_only, mode
        As for `HyperBandIterGenerator`.
    random_fraction : float, default 1/3
        The probability ρ, from 0 (plain Hyperband) to 1 (no model).
    seed : int, default 0
        Not negative.

    Raises
    ------
    ConfigurationError
        When the arguments give no brackets, or `random_fraction` or `seed` is out of range.
    """

    def __init__(
        self,
        min_budget: float,
        max_budget: float,
        eta: float = 3,
        *,
        random_fraction: float = 1 / 3,
        seed: int = 0,
        SH_only: bool = False,
        mode: Mode = "default",
    ) -> None:
        super().__init__(min_budget, max_budget, eta, SH_only=SH_only, mode=mode)
        if not 0 <= as_number(random_fraction, "random_fraction") <= 1:
            raise ConfigurationError(
                f"random_fraction must be a probability from 0 to 1, got {random_fraction!r}"
            )
        self.random_fraction = random_fraction
        self.seed = as_count(seed, "seed", least=0)
        self._draws: tuple[int, np.ndarray] | None = None  # the block last drawn, a cache

    def _with_max_budget(self, max_budget: float) -> BOHBIterGenerator:
        return type(self)(
            self.min_budget, max_budget, self.eta, random_fraction=self.random_fraction,
            seed=self.seed, SH_only=self.SH_only, mode=self.mode,
        )  # fmt: skip

    def _source(self, number: int) -> str:
        if self.random_fraction in (0, 1):
            return "random" if self.random_fraction else "model"
        block, place = divmod(number, _BLOCK)
        if self._draws is None or self._draws[0] != block:
            rng = Key(self.seed).block_rng("bohb-random-fraction", block)
            self._draws = (block, rng.random(_BLOCK))
        return "random" if self._draws[1][place] < self.random_fraction else "model"

    def _signature(self) -> str:
        head = super()._signature().removesuffix(")")
        fraction = float(self.random_fraction)
        share = "1/3" if math.isclose(fraction, 1 / 3) else repr(fraction)
        return f"{head}, random_fraction={share}, seed={self.seed!r})"
