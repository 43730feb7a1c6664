"""The synchronous rule of population based training, against an oracle and on the paper's toy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.multifidelity.trainings import Trainings, toy

from bandmaster.core.decisions import Exploit, Promote
from bandmaster.multifidelity import (
    PBTIterGenerator,
    grid_search,
    uniform,
)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 9),
    quantile=st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5]),
    table=st.lists(st.lists(st.integers(0, 4), min_size=9, max_size=9), min_size=4, max_size=4),
    seed=st.integers(0, 5),
    workers=st.integers(1, 9),
    resample=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_boundary_follows_the_rule(
    *, n: int, quantile: float, table: list[list[int]], seed: int, workers: int, resample: float
) -> None:
    """At a boundary the ⌈nq⌉ worst (at most half of all) each go on from the checkpoint of one of
    the as many best, if that is better; their configuration is that one's, each value drawn anew
    or times 1.2 or 0.8. All others go on from their own. Whatever the number of workers."""
    generator = PBTIterGenerator(
        2, hyperparam_mutations={"a": uniform(1, 2), "b": [1, 2, 3, 4]}, num_samples=n,
        param_space={"a": uniform(1, 2), "b": grid_search([2]), "c": "kept"},
        quantile_fraction=quantile, resample_probability=resample, synch=True, stop=8,
    )  # fmt: skip
    scores: dict[int, float] = {}
    play = Trainings(generator, lambda config, state, step: (step, 0.0), workers=workers, seed=seed)

    def train(config: Mapping[str, Any], state: Any, step: int) -> tuple[Any, float]:
        job = play.running[0]
        score = float(table[math.ceil(step / 2) - 1][job.trial])
        scores[job.number] = score
        return step, score

    play.train = train
    play.run()
    assert 4 * n == len(play.jobs)
    k = min(math.ceil(n * quantile - 1e-9), n // 2)
    for boundary in (2, 4, 6):
        before = {j.trial: j for j in play.jobs if j.budget == boundary}
        ranked = sorted(before, key=lambda t: (-scores[before[t].number], t))
        value = {t: scores[before[t].number] for t in ranked}
        best, worst = ranked[:k], ranked[n - k :]
        for action in play.actions:
            if isinstance(action, (Promote, Exploit)) and action.budget == boundary + 2:
                better = [d for d in best if value[d] > value[action.trial]]
                exploits = action.trial in worst and bool(better)
                assert exploits == isinstance(action, Exploit)
                source = action.donor if isinstance(action, Exploit) else action.trial
                assert f"{boundary}-{before[source].number:016x}" == action.checkpoint
                if isinstance(action, Exploit):
                    assert action.donor in better
                    _check_explored(before[action.donor].config, action.config, resample)


def _check_explored(old: Mapping[str, Any], new: Mapping[str, Any], resample: float) -> None:
    assert "kept" == new["c"]
    assert 1 <= new["a"] <= 2
    stepped = [min(max(old["a"] * factor, 1), 2) for factor in (1.2, 0.8)]
    neighbours = {min(max(old["b"] + d, 1), 4) for d in (-1, 1)}
    if resample == 0.0:
        assert new["a"] in stepped
        assert new["b"] in neighbours
    assert new["b"] in (1, 2, 3, 4)
    if resample == 1.0:
        assert new["a"] not in stepped


def test_of_two_the_worse_exploits_the_better_at_every_interval() -> None:
    """Synchronous, two members, quantile 0.5: at each boundary but the last, ties excepted."""
    generator = PBTIterGenerator(
        4, hyperparam_mutations={"h": uniform(0, 1)}, param_space={"h": grid_search([0.0, 1.0])},
        quantile_fraction=0.5, synch=True, stop=40,
    )  # fmt: skip
    play = Trainings(generator, lambda config, state, step: (step, 0.0))
    # Now one is better, now the other; from step 21 on they are the same.
    play.train = lambda config, state, step: (
        step,
        float(step <= 20 and play.running[0].trial == step // 4 % 2),
    )
    play.run()
    assert [(0, 1, 8), (1, 0, 12), (0, 1, 16), (1, 0, 20), (0, 1, 24)] == play.exploits


def test_every_member_reports_every_step_once() -> None:
    """100 steps each, none repeated, none skipped, exploits or not."""
    for seed in range(20):
        play = toy(seed, [0.0, 1.0], 0.05)
        for rows in play.rows.values():
            assert list(range(1, 101)) == [step for step, _ in rows]


def test_the_grid_stays_where_theory_says() -> None:
    """Without exploits h = [0, 1] stays at 0.5925 and h = [1, 0] at 0.39, at the best rate."""
    play = toy(0, [0.0, 1.0], 0.1, quantile=0.0)
    assert [] == play.exploits
    best = [max(score for _, score in play.rows[trial]) for trial in (0, 1)]
    assert [0.592, 0.390] == pytest.approx(best, abs=0.001)
