"""The search distribution of CMA-ES over the columns of a space."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bandmaster.errors import MissingExtraError
from bandmaster.optimizers.population import Units
from bandmaster.space.columns import make_column

__all__ = ["Distribution", "Layout", "load_cmaes"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_LARGEST_GRID = 32  # finer grids are taken for continuous
_SIGMA = 0.2  # of the first distribution, as a share of the range
_LEAST_SIGMA, _LARGEST_SIGMA = 1e-9, 1e4
_SAMPLES = 100  # for one that lies in the box
_KEPT = 4  # draws, in population sizes: until their evaluations have been counted


def load_cmaes() -> Any:
    """Import the package `cmaes`.

    Raises
    ------
    MissingExtraError
        When it is not installed.
    """
    try:
        import cmaes
    except ImportError as error:
        raise MissingExtraError("the optimizer CMAES", "cmaes") from error
    return cmaes


class Layout:
    """Which columns are continuous, discrete numbers, and choices.

    What has two values is a choice, also when it has an order.

    Attributes
    ----------
    floats, grids, choices : intp
        The columns of each kind; constants are in none.
    codes : list of float64
        The codes of each grid on [0, 1].
    """

    def __init__(self, units: Units) -> None:
        self.units, space = units, units.space
        floats, grids, choices = list[int](), list[int](), list[int]()
        for j in units.free.tolist():
            if space.is_categorical[j] or space.n_values[j] == 2:
                choices.append(j)
            else:
                (grids if space.n_values[j] <= _LARGEST_GRID else floats).append(j)
        self.floats: IntArray = np.array(floats, dtype=np.intp)
        self.grids: IntArray = np.array(grids, dtype=np.intp)
        self.choices: IntArray = np.array(choices, dtype=np.intp)
        self.codes = [self._codes(j) for j in grids]
        # A choice that is a number or an ordinal has codes; a categorical has its index.
        self.choice_codes = [
            np.arange(float(space.n_choices[j])) if space.is_categorical[j] else self._codes(j)
            for j in choices
        ]

    @property
    def as_drawn(self) -> bool:
        """Whether a row whose columns are all active says exactly what was drawn."""
        kinds = self.units.space.n_values[self.floats]
        return len(self.floats) == self.n_columns and bool(np.isinf(kinds).all())

    @property
    def n_columns(self) -> int:
        """How many columns are searched."""
        return len(self.floats) + len(self.grids) + len(self.choices)

    def _codes(self, j: int) -> FloatArray:
        space, size = self.units.space, int(self.units.space.n_values[j])
        if space.is_ordinal[j]:
            return (np.arange(size) + 0.5) / size
        column = make_column(space.parameters[j])
        return np.array([column.code(k) for k in range(size)])


class Distribution:
    """Wraps an optimizer of the package `cmaes`; its points are those of `Units`.

    What `draw` returns is a function of its arguments, and `advance` returns another object.
    `draw` seeds the package's generator, lets it keep the eigenvectors of the covariance (and the
    covariance as they give it back), and remembers its last results: none of this shows.

    Parameters
    ----------
    layout : Layout
    population_size : int
    centre : float64 (dim,)
        In [0, 1] for numbers; others are not looked at.
    """

    def __init__(self, layout: Layout, population_size: int, centre: FloatArray) -> None:
        package = load_cmaes()
        self.layout, self.population_size = layout, population_size
        self._mixed = len(layout.floats) < layout.n_columns
        self._drawn: dict[tuple[int, int], tuple[FloatArray, list[Any]]] = {}
        mean = centre[np.concatenate([layout.floats, layout.grids])]
        self._cma: Any
        if not self._mixed:
            bounds = np.tile([0.0, 1.0], (len(mean), 1))
            self._cma = package.CMA(
                mean, _SIGMA, bounds=bounds, seed=0, population_size=population_size
            )
            return
        self._cma = package.CatCMAwM(
            x_space=[[0.0, 1.0]] * len(layout.floats) if len(layout.floats) else None,
            z_space=[codes.tolist() for codes in layout.codes] if layout.codes else None,
            c_space=[len(codes) for codes in layout.choice_codes] if layout.choice_codes else None,
            population_size=population_size,
            mean=mean if len(mean) else None,
            sigma=_SIGMA,
            cov=np.eye(len(mean)) if len(mean) else None,
            seed=0,
        )

    def draw(self, n: int, seed: int) -> tuple[FloatArray, list[Any]]:
        """Draw encoded rows, float64 (n, dim), and what `advance` wants of each."""
        if (n, seed) not in self._drawn:
            while len(self._drawn) >= _KEPT * self.population_size:
                del self._drawn[next(iter(self._drawn))]
            with np.errstate(all="ignore"):
                drawn = self._mixtures(n, seed) if self._mixed else self._samples(n, seed)
            points = np.array([self._point(one) for one in drawn])
            self._drawn[n, seed] = self.layout.units.rows(points), drawn
        return self._drawn[n, seed]

    def _mixtures(self, n: int, seed: int) -> list[Any]:
        self._cma.reseed_rng(seed)
        return [self._cma.ask() for _ in range(n)]

    def _samples(self, n: int, seed: int) -> list[FloatArray]:
        """Draw points in the box, by rejection; where all samples are outside, one is clipped.

        As the package does, whose samples cost O(dim³) each.
        """
        cma, rng = self._cma, np.random.default_rng(seed)
        vectors, deviations = cma._eigen_decomposition()
        result = []
        for _ in range(n):
            normal = rng.standard_normal((_SAMPLES, len(deviations)))
            x = cma._mean + cma._sigma * ((normal * deviations) @ vectors.T)
            inside = ((x >= 0.0) & (x <= 1.0)).all(axis=1)
            result.append(np.clip(x[inside.argmax()], 0.0, 1.0))
        return result

    def solution(self, point: FloatArray) -> Any:
        """Return what `advance` wants of a point that did not come from `draw`; NaN is filled."""
        layout = self.layout
        columns = np.concatenate([layout.floats, layout.grids])
        raw = point[columns]
        if len(columns):
            raw = np.where(np.isnan(raw), self._cma._mean, raw)
        if not self._mixed:
            return raw
        chosen = None
        if len(layout.choices):
            q = self._cma._q
            chosen = np.zeros(q.shape, dtype=np.bool_)
            for i, (j, codes) in enumerate(zip(layout.choices, layout.choice_codes, strict=True)):
                x = point[j]
                k = q[i].argmax() if np.isnan(x) else np.abs(codes - x).argmin()
                chosen[i, k] = True
        f = len(layout.floats)
        return load_cmaes().CatCMAwM.Solution(
            raw[:f] if f else None, raw[f:] if len(layout.grids) else None, chosen,
            raw if len(columns) else None,
        )  # fmt: skip

    def advance(self, best_first: list[Any]) -> Distribution | None:
        """Return the next generation's, given this one's solutions; None when it has converged."""
        twin = object.__new__(Distribution)
        twin.layout, twin.population_size = self.layout, self.population_size
        twin._mixed, twin._drawn = self._mixed, {}
        # Its arrays and lists hold numbers; the generator, seeded before each use, may be shared.
        cma = object.__new__(type(self._cma))
        for name, value in vars(self._cma).items():
            setattr(cma, name, value.copy() if isinstance(value, (np.ndarray, list)) else value)
        with np.errstate(all="ignore"):
            cma.tell([(one, float(place)) for place, one in enumerate(best_first)])
            twin._cma = cma
            return None if twin._spent() else twin

    def _spent(self) -> bool:
        """Whether nothing is left to search, or numbers got out of hand."""
        cma = self._cma
        parts = [
            getattr(cma, name) for name in ("_mean", "_sigma", "_C", "_q") if hasattr(cma, name)
        ]
        if not all(np.isfinite(part).all() for part in parts):
            return True
        if not len(self.layout.floats):
            return False  # the margin keeps discrete columns going
        spread = cma._sigma * np.sqrt(np.diag(cma._C)[: len(self.layout.floats)])
        return not _LEAST_SIGMA < spread.max() < _LARGEST_SIGMA

    def _point(self, drawn: Any) -> FloatArray:
        layout = self.layout
        point = np.full(self.layout.units.space.dim, np.nan)
        if not self._mixed:
            point[layout.floats] = drawn
            return point
        if len(layout.floats):
            point[layout.floats] = drawn.x
        if len(layout.grids):
            point[layout.grids] = drawn.z
        for i, (j, codes) in enumerate(zip(layout.choices, layout.choice_codes, strict=True)):
            point[j] = codes[int(drawn.c[i].argmax())]
        return point
