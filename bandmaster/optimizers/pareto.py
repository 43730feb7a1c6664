"""Several objectives: who dominates whom, and how much of the space a front covers.

Plain functions of arrays of shape (n, m), a row a point, lower is better. One point dominates
another that it is nowhere worse and somewhere better than; equal points do not dominate each other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "best_first",
    "crowding",
    "hypervolume",
    "hypervolume_contributions",
    "nondominated_ranks",
    "undominated",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

_EXACT = {2: 4096, 3: 48, 4: 24}  # larger fronts of so many columns go by crowding


def undominated(values: FloatArray) -> BoolArray:
    """Return which rows no other row dominates, bool (n,); none with a NaN in it."""
    result = np.zeros(len(values), dtype=np.bool_)
    known = np.flatnonzero(~np.isnan(values).any(axis=1))
    if not len(known):
        return result
    unique, which = _distinct(values[known])
    result[known] = _front(unique)[which]
    return result


def nondominated_ranks(values: FloatArray) -> IntArray:
    """Return each row's rank, intp (n,): 0 for the front, 1 for the front of the rest, and so on.

    Rows with a NaN come last, all with the same rank (Deb et al. 2002).
    """
    ranks = np.zeros(len(values), dtype=np.intp)
    known = ~np.isnan(values).any(axis=1)
    unique, which = _distinct(values[known])
    left, found, rank = np.arange(len(unique)), np.zeros(len(unique), dtype=np.intp), 0
    while len(left):
        first = _front(unique[left])
        found[left[first]] = rank
        left = left[~first]
        rank += 1
    ranks[known] = found[which]
    ranks[~known] = rank
    return ranks


def hypervolume(values: FloatArray, reference: npt.ArrayLike) -> float:
    """Return the volume that is dominated by the points and dominates the reference point.

    Exact, by slicing: O(n log n) in two dimensions, O(n^(m - 1)) in m. Rows with a NaN, or beyond
    the reference in some column, cover nothing.

    Parameters
    ----------
    values : float64 (n, m)
    reference : array_like (m,)
    """
    corner = np.asarray(reference, dtype=np.float64)
    inside = values[(values < corner).all(axis=1)]
    return _volume(corner - inside)


def hypervolume_contributions(values: FloatArray, reference: npt.ArrayLike) -> FloatArray:
    """Return by how much the front's hypervolume shrinks without each of its rows; float64 (n,).

    0 for dominated rows (which do not fill the gap), for those beyond the reference, and for each
    of several equal ones.
    """
    corner = np.asarray(reference, dtype=np.float64)
    result = np.zeros(len(values))
    inside = np.flatnonzero((values < corner).all(axis=1) & undominated(values))
    unique, which = _distinct(values[inside])
    count = np.bincount(which, minlength=len(unique))
    sides = corner - unique
    if sides.shape[1] == 2 and len(sides):
        # Sorted by the first column, each point's own rectangle ends at its neighbours'.
        widths = -np.diff(np.append(sides[:, 0], 0.0))
        heights = np.diff(np.append(0.0, sides[:, 1]))
        own = widths * heights
    else:
        keep = ~np.eye(len(sides), dtype=np.bool_)
        own = np.array([_gain(sides[k], sides[row]) for row, k in enumerate(keep)])
    result[inside] = np.where(count == 1, own, 0.0)[which]
    return result


def crowding(values: FloatArray) -> FloatArray:
    """Return how far from each other the rows are, float64 (n,): the larger, the lonelier.

    The sum over columns of the distance of a row's two neighbours, in shares of the range; inf for
    the best and worst of a column (Deb et al. 2002). What is infinite counts as one range beyond
    the finite ones.
    """
    n, m = values.shape
    result = np.zeros(n)
    if n <= 2:
        return np.full(n, np.inf)
    finite = _finite(values)
    for j in range(m):
        order = np.argsort(finite[:, j], kind="stable")
        x = finite[order, j] / 4  # the ends may be as far apart as floats get
        span = x[-1] - x[0]
        if span > 0.0:
            result[order[1:-1]] += (x[2:] - x[:-2]) / span
        result[order[[0, -1]]] = np.inf
    return result


def best_first(values: FloatArray, n: int | None = None, *, exact: bool = True) -> IntArray:
    """Return row numbers, the best first: by non-dominated rank, within a rank by hypervolume.

    Within a rank the next row is always the one that adds most to the hypervolume of those chosen
    before (greedy subset selection, as in MOTPE, Ozaki et al. 2020), measured in shares of the
    rank's ranges up to a reference a tenth beyond its worst; equal gains go by `crowding`, then the
    earliest first. Fronts too large for that go by `crowding` alone. With one column it is a
    stable sort. What is infinite counts as in `crowding`.

    Parameters
    ----------
    values : float64 (n, m)
        Rows with a NaN come last, in their order.
    n : int, optional
        Only so many rows are ordered and returned. Default: all.
    exact : bool, default True
        False lets each rank go by `crowding`, which of three columns takes a hundredth of the time.
    """
    wanted = len(values) if n is None else min(n, len(values))
    if values.shape[1] == 1:
        return np.argsort(values[:, 0], kind="stable")[:wanted]
    known = np.flatnonzero(~np.isnan(values).any(axis=1))
    unique, which = _distinct(values[known])
    left, missing = np.arange(len(unique)), wanted
    chosen: list[IntArray] = []
    while len(left) and missing > 0:
        first = _front(unique[left])
        front = known[np.isin(which, left[first])]
        chosen.append(front[_front_order(values[front], min(missing, len(front)), exact)])
        missing -= len(front)
        left = left[~first]
    unknown = np.flatnonzero(np.isnan(values).any(axis=1))
    return np.concatenate([*chosen, unknown])[:wanted]


def _distinct(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the rows that differ, sorted by their columns, and which of them each row is."""
    order = np.lexsort(values.T[::-1])
    ordered = values[order]
    new = np.ones(len(values), dtype=np.bool_)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    which = np.empty(len(values), dtype=np.intp)
    which[order] = np.cumsum(new) - 1
    return ordered[new], which


def _front(unique: FloatArray) -> BoolArray:
    """Return which rows that differ and are sorted by columns no row dominates, bool (n,)."""
    if unique.shape[1] == 1:
        only: BoolArray = np.arange(len(unique)) == 0
        return only
    if unique.shape[1] == 2:
        lowest = np.minimum.accumulate(unique[:, 1])
        result: BoolArray = np.append(True, unique[1:, 1] < lowest[:-1])[: len(unique)]
        return result
    front = np.empty_like(unique)
    kept = np.zeros(len(unique), dtype=np.bool_)
    size = 0
    for row, point in enumerate(unique):
        kept[row] = not (front[:size] <= point).all(axis=1).any()
        if kept[row]:
            front[size] = point
            size += 1
    return kept


def _finite(values: FloatArray) -> FloatArray:
    """Return the values with what is infinite moved one range beyond the finite ones."""
    infinite = np.isinf(values)
    if not infinite.any():
        return values
    values = values / 4  # a range beyond is not more than floats get
    low = np.where(infinite, np.inf, values).min(axis=0)
    high = np.where(infinite, -np.inf, values).max(axis=0)
    low, high = np.where(low <= high, [low, high], 0.0)
    span = np.where(high > low, high - low, np.maximum(1.0, np.abs(high)))
    return np.clip(values, low - span, high + span)


def _volume(sides: FloatArray) -> float:
    """Return the volume of the union of boxes from the origin with these sides, all positive."""
    n, m = sides.shape
    if not n:
        return 0.0
    if m == 1:
        return float(sides.max())
    sides = sides[np.argsort(-sides[:, -1], kind="stable")]
    if m == 2:
        widths = np.maximum.accumulate(sides[:, 0])
        return float((widths * -np.diff(np.append(sides[:, 1], 0.0))).sum())
    # Slices across the last column: between two heights the boxes that are higher count.
    depths = -np.diff(np.append(sides[:, -1], 0.0))
    total, kept = 0.0, np.empty((0, m - 1))
    for row, depth in enumerate(depths.tolist()):
        point = sides[row, :-1]
        if not (kept >= point).all(axis=1).any():
            kept = np.vstack([kept[~(kept <= point).all(axis=1)], point])
        if depth > 0.0:
            total += depth * _volume(kept)
    return total


def _gain(others: FloatArray, box: FloatArray) -> float:
    """Return how much a box adds to the union of others (While et al. 2012, limit sets)."""
    return max(0.0, float(np.prod(box)) - _volume(np.minimum(others, box)))


def _front_order(front: FloatArray, wanted: int, exact: bool) -> IntArray:
    """Return an order of an undominated front whose first `wanted` entries are the best."""
    lonely = crowding(front)
    by_crowding = np.argsort(-lonely, kind="stable")
    if not exact or len(front) == 1 or len(front) > _EXACT.get(front.shape[1], 0):
        return by_crowding
    front = _finite(front)
    low, high = front.min(axis=0) / 4, front.max(axis=0) / 4
    sides = 1.1 - (front / 4 - low) / np.where(high > low, high - low, 1.0)
    sides = sides[by_crowding]
    choose = _greedy_plane if sides.shape[1] == 2 else _greedy
    chosen = choose(sides, wanted)
    rest = np.ones(len(front), dtype=np.bool_)
    rest[chosen] = False
    order: IntArray = by_crowding[np.concatenate([chosen, np.flatnonzero(rest)])]
    return order


def _greedy(sides: FloatArray, wanted: int) -> IntArray:
    """Return the boxes, each adding most to the volume of those before it."""
    gains = sides.prod(axis=1)
    # Gains only shrink, so only the box on top need be measured again before it is chosen.
    current = np.zeros(len(sides), dtype=np.bool_)
    chosen: list[int] = []
    while len(chosen) < wanted:
        top = int(gains.argmax())
        if current[top]:
            chosen.append(top)
            gains[top] = -np.inf
            current[:] = False
        else:
            gains[top] = _gain(sides[chosen], sides[top])
            current[top] = True
    return np.array(chosen, dtype=np.intp)


def _greedy_plane(sides: FloatArray, wanted: int) -> IntArray:
    """Do what `_greedy` does for undominated rectangles: only the two neighbours cut into one."""
    taken = np.zeros(len(sides), dtype=np.bool_)
    widths, heights = sides.T
    inner, lower = np.zeros(len(sides)), np.zeros(len(sides))  # what the neighbours cover
    chosen = np.empty(wanted, dtype=np.intp)
    for k in range(wanted):
        gains = np.where(taken, -np.inf, (widths - inner) * (heights - lower))
        top = chosen[k] = int(gains.argmax())
        taken[top] = True
        inner = np.where(widths >= widths[top], np.maximum(inner, widths[top]), inner)
        lower = np.where(heights >= heights[top], np.maximum(lower, heights[top]), lower)
    return chosen
