"""Whether two rankings agree, up to noise that is read off the learning curves themselves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["agree", "noise"]


def agree(lower: Mapping[int, float], upper: Mapping[int, float], tolerance: float) -> bool:
    """Return whether two rungs rank the trials of the upper one alike.

    Parameters
    ----------
    lower, upper : Mapping of trial to loss
        All trials of `upper` are in `lower`.
    tolerance : float
        A trial may stand at a place if its loss in the lower rung is that near to the loss of the
        one who stood there (the soft ranking of Bohdal et al. 2023, section 4.1).
    """
    before = sorted(upper, key=lambda trial: (lower[trial], trial))
    after = sorted(upper, key=lambda trial: (upper[trial], trial))
    return all(
        abs(lower[there] - lower[here]) <= tolerance
        for there, here in zip(before, after, strict=True)
    )


def noise(curves: Sequence[Mapping[float, float]], percentile: float = 90.0) -> float:
    """Return how far apart learning curves are that cross to and fro.

    Two curves whose order changes and changes back differ by noise, not by merit. Of each such
    pair the distance counts at the last step that both have (Bohdal et al. 2023, section 4.2).

    Parameters
    ----------
    curves : sequence of Mapping of step to loss
    percentile : float, default 90

    Returns
    -------
    float
        That percentile of the distances; 0.0 if no two curves cross to and fro.
    """
    distances = []
    for one, other in itertools.combinations(curves, 2):
        steps = sorted(one.keys() & other.keys())
        gaps = [one[step] - other[step] for step in steps]
        signs = [gap > 0 for gap in gaps if gap]
        if sum(a != b for a, b in itertools.pairwise(signs)) >= 2:
            distances.append(abs(gaps[-1]))
    return float(np.percentile(distances, percentile)) if distances else 0.0
