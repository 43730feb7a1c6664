"""Maximising a function over the rows of a space."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.optimizers.acquisition_search import AcquisitionSearch
from bandmaster.space import (
    And,
    Categorical,
    Condition,
    Equals,
    Float,
    Forbidden,
    Integer,
    Ordinal,
    Space,
)
from bandmaster.space.columns import make_column

MIXED = Space(
    [
        Categorical("c", tuple("abcdefgh")),
        Float("x", 0, 1),
        Integer("n", 1, 7),
        Ordinal("o", ("s", "m", "l")),
        Integer("many", 0, 999),
    ],
    conditions=[Condition("n", Equals("c", "g"))],
    forbidden=[Forbidden(And(Equals("c", "g"), Equals("o", "l")))],
)

LOG_16 = Space([Integer("n", 1, 16, log=True)])


class _Peak:
    """Highest at c = g, x = 0.7, n = 6, o = l, many = 333 (forbidden; o = m is next)."""

    def value(self, rows: np.ndarray) -> np.ndarray:
        c, x, n, o, many = rows.T
        away = np.where(np.isnan(n), 1.0, np.abs(n - 5.5 / 7))
        result: np.ndarray = (c == 6) - (x - 0.7) ** 2 - away + o / 10 - (many - 333.5 / 1000) ** 2
        return result

    def gradient(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        slope = np.zeros(rows.shape)
        slope[:, 1] = -2 * (rows[:, 1] - 0.7)
        slope[:, 4] = -2 * (rows[:, 4] - 0.3335)
        return self.value(rows), slope


def _found(seed: int = 0, **options: int) -> np.ndarray:
    search = AcquisitionSearch(MIXED, **options)
    return search.best(_Peak(), np.empty((0, MIXED.dim)), np.random.default_rng(seed))


def test_finds_the_peak() -> None:
    """Choices, integers, ordinals and floats all get to where the function is highest."""
    best = MIXED.decode_one(_found()[0])
    assert ("g", 6, "m") == (best["c"], best["n"], best["o"])
    assert 0.7 == pytest.approx(best["x"], abs=1e-3)
    assert 333 == pytest.approx(best["many"], abs=2)


def test_rows_are_legal_and_in_order() -> None:
    """What is returned is legal, the best first, and the same each time."""
    rows = _found(n_candidates=30, n_steps=3)
    assert MIXED.legal(rows).all()
    assert (np.diff(_Peak().value(rows)) <= 0).all()
    assert rows.tobytes() == _found(n_candidates=30, n_steps=3).tobytes()


def test_incumbents_are_looked_around() -> None:
    """A narrow peak that draws miss is found from a row beside it."""

    class Narrow:
        def value(self, rows: np.ndarray) -> np.ndarray:
            result: np.ndarray = np.exp(-(((rows - 0.3) / 1e-3) ** 2).sum(axis=1))
            return result

        def gradient(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self.value(rows), np.zeros(rows.shape)

    space = Space([Float(f"x{i}", 0, 1) for i in range(3)])
    search, rng = AcquisitionSearch(space, n_steps=0), np.random.default_rng(0)
    nothing = search.best(Narrow(), np.empty((0, 3)), rng)
    found = search.best(Narrow(), np.full((1, 3), 0.302), rng)
    assert np.abs(nothing[0] - 0.3).max() > 0.01
    assert np.abs(found[0] - 0.3).max() < 0.003


@pytest.mark.parametrize(
    "parameter",
    [
        Integer("n", 1, 16, log=True),
        Integer("n", 2, 64, q=2, log=True),
        Float("n", 0.25, 4.0, q=0.25, log=True),
        Integer("n", 1, 16),
    ],
)
def test_steps_reach_the_next_values(parameter: Integer | Float) -> None:
    """From everywhere in a coarse number's cell steps go to both next to it, on all scales."""
    space = Space([parameter])
    search, n = AcquisitionSearch(space), int(space.n_values[0])
    codes = [make_column(parameter).code(k) for k in range(n)]
    for k, code in enumerate(codes):
        for x in (code, code - 1e-3, code + 1e-3):
            near = search._neighbours(np.array([x]), np.random.default_rng(0))
            expected = codes[max(k - 1, 0) : k] + codes[k + 1 : k + 2]
            assert expected == space.repair(near)[:, 0].tolist()


def test_a_peak_at_the_next_number_of_a_log_scale_is_found() -> None:
    """An incumbent at 1 of 16 finds the peak at 2, which is more than a sixteenth away."""
    column = make_column(LOG_16.parameters[0])

    class Two:
        def value(self, rows: np.ndarray) -> np.ndarray:
            result: np.ndarray = -np.abs(rows[:, 0] - column.encode(2))
            return result

        def gradient(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self.value(rows), np.zeros(rows.shape)

    search = AcquisitionSearch(LOG_16)
    one = LOG_16.encode([{"n": 1}])
    rng = np.random.default_rng(0)
    _, rows, _ = search._steps(Two(), one, one, Two().value(one), rng)
    assert [{"n": 2}] == LOG_16.decode(rows)


def test_a_choice_without_weight_is_never_proposed() -> None:
    """What a space never draws is no neighbour either."""
    space = Space([Categorical("c", ("never", "a", "b"), weights=(0, 1, 1)), Float("x", 0, 1)])

    class First:
        def value(self, rows: np.ndarray) -> np.ndarray:
            result: np.ndarray = -rows[:, 0]
            return result

        def gradient(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self.value(rows), np.zeros(rows.shape)

    rows = AcquisitionSearch(space).best(First(), np.empty((0, 2)), np.random.default_rng(0))
    assert set(rows[:, 0]) == {1.0, 2.0}
