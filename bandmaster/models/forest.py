"""A random forest for regression on mixed columns with missing values, in NumPy alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmaster.errors import ConfigurationError
from bandmaster.models.growing import grow
from bandmaster.models.trees import BoolArray, FloatArray, IntArray, Trees

__all__ = ["Forest"]


class Forest:
    """A random forest for regression.

    It never changes after it is made, and the same rows and seed make the same forest.

    Parameters
    ----------
    X : float64 (n, d)
        Numbers on any scale, or indices of choices; NaN where a parameter is inactive. A column is
        split only among rows that have a value for it.
    y : float64 (n,)
        Finite numbers.
    n_choices : sequence of int (d,), optional
        How many choices each categorical column has, 0 for ordered ones. Default: all ordered.
    n_trees : int, default 32
    min_leaf : int, default 3
        The fewest rows of a leaf.
    max_features : float, default 5/6
        The share of the columns that each split chooses from, drawn anew.
    max_samples : int, default 4096
        The most rows drawn for a tree; each draws as many as there are, with replacement.
    max_depth : int, default 64
    seed : int, default 0

    Attributes
    ----------
    trees : Trees
    is_categorical : bool (d,)
    n_choices : intp (d,)
    counts : intp (n_trees, n)
        How often each row was drawn for each tree.

    Raises
    ------
    ConfigurationError
        If shapes do not fit, there is no row, or `y` is not finite.

    References
    ----------
    Breiman, L. (2001). Random forests. The choices of SMAC's forest: Hutter, Hoos and Leyton-Brown
    (2011), Sequential model-based optimization for general algorithm configuration, 4.1.
    """

    def __init__(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        n_choices: npt.ArrayLike | None = None,
        *,
        n_trees: int = 32,
        min_leaf: int = 3,
        max_features: float = 5 / 6,
        max_samples: int = 4096,
        max_depth: int = 64,
        seed: int = 0,
    ) -> None:
        rows: FloatArray = np.asarray(X, dtype=np.float64)
        values: FloatArray = np.asarray(y, dtype=np.float64)
        if rows.ndim != 2 or not rows.size or values.shape != rows.shape[:1]:
            raise ConfigurationError(
                f"a forest needs X of shape (n, d) and y of shape (n,), not {rows.shape} and "
                f"{values.shape}"
            )
        if not np.isfinite(values).all():
            raise ConfigurationError("a forest needs finite numbers in y")
        n, d = rows.shape
        kinds = np.zeros(d, dtype=np.intp) if n_choices is None else np.asarray(n_choices, np.intp)
        if kinds.shape != (d,):
            raise ConfigurationError(f"n_choices has shape {kinds.shape}; ({d},) is expected")
        self.n_choices: IntArray = kinds
        self.is_categorical: BoolArray = kinds > 0
        rng = np.random.default_rng(seed)
        size = min(n, max_samples)
        drawn = rng.integers(n, size=(n_trees, size)) + n * np.arange(n_trees)[:, None]
        self.counts: IntArray = np.bincount(drawn.ravel(), minlength=n_trees * n).reshape(-1, n)
        # Sums of squares of differences lose nothing to a large common part.
        middle = float(values.mean())
        self.trees: Trees = grow(
            rows, values - middle, kinds, self.counts, min_leaf=min_leaf,
            n_tried=max(1, round(max_features * d)), max_depth=max_depth, rng=rng,
        )  # fmt: skip
        self.trees.value[:] += middle
        self._rows, self._values = rows, values

    def __repr__(self) -> str:
        return f"<Forest of {self.trees.n_trees} trees on {len(self._rows)} rows>"

    def predict_trees(self, X: npt.ArrayLike) -> FloatArray:
        """Return what each tree predicts, shape (n_trees, n)."""
        rows = np.asarray(X, dtype=np.float64)
        return self.trees.value[self.trees.apply(rows, self.is_categorical)]

    def predict(self, X: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return the mean and the standard deviation over the trees, both (n,)."""
        each = self.predict_trees(X)
        return each.mean(axis=0), each.std(axis=0)

    def out_of_bag_r2(self) -> float:
        """Return the share of the variance of `y` that trees predict for rows they did not see.

        1 is perfect, 0 no better than the mean; NaN if all `y` are equal or no row was left out.
        """
        unseen = self.counts == 0
        known = unseen.any(axis=0)
        y = self._values[known]
        spread = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
        if spread <= 0:
            return float("nan")
        each = self.predict_trees(self._rows[known])
        weights = unseen[:, known]
        mean = (each * weights).sum(axis=0) / weights.sum(axis=0)
        return 1.0 - float(((y - mean) ** 2).sum()) / spread
