"""The rules that every optimizer keeps, as a suite to subclass.

::

    class TestMine(OptimizerSuite):
        def make(self):
            return MyOptimizer()

Each rule runs over the spaces of `SPACES`, which hold what optimizers stumble over.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from bandmaster.core.codec import pack, unpack
from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Status
from bandmaster.core.randomness import Key
from bandmaster.errors import SpaceExhaustedError
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.space import And as All
from bandmaster.space import (
    Categorical,
    Condition,
    Constant,
    Equals,
    Float,
    Forbidden,
    In,
    Integer,
    Ordinal,
    Space,
)
from bandmaster.testing.driver import Driver

__all__ = ["SPACES", "OptimizerSuite"]


def _conditional() -> Space:
    return Space(
        [
            Categorical("model", ("svm", "forest", "none")),
            Categorical("kernel", ("rbf", "poly")),
            Float("gamma", 1e-6, 1e2, log=True),
            Integer("degree", 2, 5),
            Integer("trees", 1, 500, log=True),
            Constant("version", 3),
        ],
        conditions=[
            Condition("kernel", Equals("model", "svm")),
            Condition("gamma", Equals("kernel", "rbf")),
            Condition("degree", Equals("kernel", "poly")),
            Condition("trees", Equals("model", "forest")),
        ],
    )


def _forbidden() -> Space:
    return Space(
        [Categorical("a", (1, 2, 3)), Categorical("b", (1, 2, 3)), Integer("c", 0, 1)],
        forbidden=[
            Forbidden(All(Equals("a", 1), In("b", (1, 2)))),
            Forbidden(Equals("a", 3)),
        ],
    )


SPACES: Mapping[str, Space] = {
    "one-float": Space([Float("x", -5, 10)]),
    "one-log-float": Space([Float("x", 1e-300, 1e300, log=True)]),
    "quantised": Space([Float("x", 0, 1, q=0.1), Float("y", 1, 8, q=1, log=True)]),
    "all-categorical": Space(
        [Categorical("a", (1, "1", 1.0, None)), Categorical("b", (True, False, "b"))]
    ),
    "weighted": Space(
        [Categorical("a", ("never", "often", "rarely"), weights=(0, 9, 1)), Integer("n", 1, 9)]
    ),
    "integers": Space(
        [Integer("i", 1, 8, log=True), Integer("j", -2, 2), Ordinal("k", tuple("abcd"))]
    ),
    "conditional": _conditional(),
    "forbidden": _forbidden(),
    "forbidden-floats": Space(
        [Categorical("a", ("x", "y", "z")), Float("u", 0, 1)],
        forbidden=[Forbidden(In("a", ("x", "y")))],
    ),
    "constants": Space([Constant("a", 1), Constant("b", "one")]),
    "single-value": Space([Categorical("a", ("only",))]),
    "fifty": Space(
        [Float(f"f{i}", 0, 1) for i in range(25)]
        + [Integer(f"i{i}", 0, 1000) for i in range(15)]
        + [Categorical(f"c{i}", tuple(range(i + 2))) for i in range(10)]
    ),
}
_SIZES: Mapping[str, Space] = {
    "million-cells": Space([Integer(f"i{i}", 0, 9) for i in range(6)]),
    "two-hundred": Space(
        [Float(f"f{i}", 1e-9, 1, log=i % 5 == 0) for i in range(150)]
        + [Categorical(f"c{i}", ("a", "b", "c")) for i in range(50)]
    ),
}
_MANY: Mapping[str, Objectives] = {
    "constrained": Objectives(["loss", Metric("c", "constraint", threshold=3.0)]),
    "never-feasible": Objectives(["loss", Metric("c", "constraint", threshold=-1.0)]),
    "two": Objectives(["loss", Metric("b", objective="maximize")]),
    "three-constrained": Objectives(
        ["loss", "b", "d", Metric("c", "constraint", "maximize", threshold=1.0)]
    ),
}
_SMALL = 200  # finite spaces up to this size are used up


def _loss(job: Job) -> float:
    """A function of the configuration, with ties."""
    return zlib.crc32(repr(sorted(job.config.items())).encode()) % 50 / 7.0


class OptimizerSuite:
    """Subclass it and say what to make; pytest runs the rules.

    Attributes
    ----------
    depends_on_seed : bool, default True
        Whether another seed of the study gives other proposals.
    """

    depends_on_seed = True

    def make(self) -> Optimizer:
        """Return a new optimizer, with options that let its model start within some ten trials."""
        raise NotImplementedError

    @pytest.fixture(params=sorted(SPACES))
    def space(self, request: pytest.FixtureRequest) -> Space:
        """Give each rule each space."""
        return SPACES[request.param]

    @pytest.fixture(autouse=True)
    def no_global_randomness(self) -> Iterator[None]:
        """No rule's run touches the random state of NumPy or of the standard library."""
        before = _global_states()
        yield
        assert before == _global_states()

    def _driver(
        self,
        space: Space,
        *,
        seed: int = 0,
        budgets: tuple[float, ...] = (1.0,),
        objectives: Objectives | None = None,
    ) -> Driver:
        return Driver(self.make(), space, budgets=budgets, seed=seed, objectives=objectives)

    def test_every_proposal_is_legal(self, space: Space) -> None:
        """Each proposal is a legal configuration whose code gives exactly its values back."""
        driver = self._driver(space)
        for _ in range(_room(space, 30)):
            job = driver.start()
            space.validate(job.config)
            vector = space.encode_one(job.config)
            assert dict(job.config) == space.decode_one(vector)
            assert [type(v) for v in job.config.values()] == [
                type(v) for v in space.decode_one(vector).values()
            ]
            driver.finish(job, _loss(job))

    def test_ask_is_pure(self, space: Space) -> None:
        """Asked twice it proposes the same, whatever else was asked in between."""
        driver = self._driver(space)
        for _ in range(_room(space, 25)):
            first = driver.ask()
            driver.optimizer.ask(1.0, (), Key(99, 1234))
            assert _same(first, driver.ask())
            rows = len(driver.optimizer.history)
            job = driver.start()
            assert rows == len(driver.optimizer.history)
            assert dict(first.config) == dict(job.config)
            driver.finish(job, _loss(job))

    def test_seeds_differ(self, space: Space) -> None:
        """Two studies of the same space that differ in the seed get different proposals."""
        if not self.depends_on_seed or space.n_configurations < _SMALL:
            return  # little to differ in
        runs = []
        for seed in (0, 1):
            driver = self._driver(space, seed=seed)
            runs.append([dict(driver.step(float(i)).config) for i in range(15)])
        assert runs[0][:5] != runs[1][:5]
        assert runs[0][-3:] != runs[1][-3:]

    def test_resume_equals_never_having_stopped(self, space: Space) -> None:
        """After a restart at any event the next proposal is the one of the run that went on."""
        driver, fates = self._driver(space, budgets=(1, 3, 9)), random.Random(3)
        proposals = []
        for _ in range(60):
            if driver.n_trials < _room(space, 40) - 1:
                proposals.append((len(driver.events), driver.ask()))
            _random_event(driver, fates, _room(space, 40) - 1)
        for n_events, expected in proposals:
            assert _same(expected, driver.replay(self.make(), n_events).ask())

    def test_open_proposals_differ(self, space: Space) -> None:
        """No two configurations are out at once while the space has unseen ones."""
        driver = self._driver(space)
        for _ in range(_room(space, 12) // 2):
            job = driver.start()
            driver.finish(job, _loss(job))
        jobs = [driver.start() for _ in range(_room(space, 36) - driver.n_trials)]
        assert len(jobs) == len({_text(job) for job in jobs})

    def test_exhaustion(self, space: Space) -> None:
        """A finite space is proposed in whole, each configuration once, and then it says so."""
        if space.n_configurations > _SMALL:
            return
        driver = self._driver(space, seed=5)
        mine = driver.enqueue(space.decode_one(space.sample(1, np.random.default_rng(1))[0]))
        driver.finish(mine, 1.0)
        issued = [_text(mine)]
        while len(issued) < space.n_configurations:
            job = driver.start()
            issued.append(_text(job))
            if driver.n_trials % 3:
                driver.finish(driver.pending[0], _loss(driver.pending[0]))
        assert len(issued) == len(set(issued))
        with pytest.raises(SpaceExhaustedError):
            driver.ask()
        for job in list(driver.pending):
            driver.finish(job, _loss(job))
        with pytest.raises(SpaceExhaustedError):
            driver.ask()

    @pytest.mark.parametrize("share", [1.0, 0.5])
    def test_failures(self, space: Space, share: float) -> None:
        """When all evaluations fail, or many, or end early, it goes on with legal proposals."""
        driver, fates = self._driver(space), random.Random(0)
        bad = (Status.FAILED, Status.CRASHED, Status.TIMEOUT, Status.STOPPED)
        for _ in range(_room(space, 30)):
            job = driver.start()
            if fates.random() < share:
                driver.finish(job, None, fates.choice(bad))
            else:
                driver.finish(job, _loss(job))

    @pytest.mark.parametrize(
        "losses",
        [
            (0.0,),
            (1.7e308, -1.7e308, 0.0),
            (1e-320, -1e-320, 5e-324),
            (1e308, 1e-308),
            (-1e15, -1e15 + 0.125),
        ],
        ids=["equal", "huge", "tiny", "mixed", "close"],
    )
    def test_extreme_losses(self, space: Space, losses: tuple[float, ...]) -> None:
        """Losses may be as large, as small or as equal as floats get."""
        driver = self._driver(space)
        for i in range(_room(space, 25)):
            driver.step(losses[i % len(losses)])

    def test_budgets_and_disorder(self, space: Space) -> None:
        """Results come at several budgets and in any order; trials run again at larger ones."""
        driver, fates = self._driver(space, budgets=(1, 3, 9)), random.Random(1)
        for _ in range(80):
            _random_event(driver, fates, _room(space, 40))

    @pytest.mark.parametrize(
        ("metrics", "name"),
        [(metrics, ("conditional", "integers")[i % 2]) for i, metrics in enumerate(sorted(_MANY))],
    )
    def test_constraints_and_objectives(self, metrics: str, name: str) -> None:
        """Several objectives, and constraints, change nothing of the rules.

        Proposals are legal, asked twice the same, and the same after a restart; metrics may be
        missing or not finite, constraints hold never, evaluations fail.
        """
        space, fates = SPACES[name], random.Random(7)
        driver = self._driver(space, budgets=(1, 3), objectives=_MANY[metrics])
        proposals = []
        for i in range(28):
            job = driver.start(budget=3 if i % 3 else 1)  # `start` refuses what is illegal
            if i % 4 == 3:
                job = fates.choice(driver.pending)
            driver.finish(job, None if i % 6 == 5 else _loss(job), metrics=_metrics(job, fates))
            if i % 9 == 8 or i > 25:
                proposals.append((len(driver.events), driver.ask()))
                assert _same(proposals[-1][1], driver.ask())
        for n_events, expected in proposals:
            assert _same(expected, driver.replay(self.make(), n_events).ask())

    @pytest.mark.parametrize("name", ["conditional", "one-float", "integers"])
    def test_many_at_once(self, name: str) -> None:
        """With a model and dozens of jobs out no two are alike, nor like what a user asked for."""
        space = SPACES[name]
        driver = self._driver(space)
        mine = [space.decode_one(row) for row in space.sample(4, np.random.default_rng(5))]
        first = [driver.enqueue(config) for config in mine[:2]]
        early = [driver.start() for _ in range(14)]
        for job in early:
            driver.finish(job, float(driver.n_trials % 5))
        second = [driver.enqueue(config) for config in mine[2:]]
        late = [driver.start() for _ in range(30)]
        assert 44 == len({_text(job) for job in early + late})
        asked = {_text(job) for job in first + second}
        assert not asked & {_text(job) for job in late}
        assert not {_text(job) for job in first} & {_text(job) for job in early}

    @pytest.mark.parametrize("name", sorted(_SIZES))
    def test_sizes(self, name: str) -> None:
        """Spaces of many dimensions or cells are no matter; proposals are legal and differ."""
        driver = self._driver(_SIZES[name])
        for _ in range(12):
            driver.step(float(driver.n_trials % 5))
        jobs = [driver.start() for _ in range(3)]
        assert 15 == len({_text(e) for e in (*driver.optimizer.history, *jobs)})

    def test_evaluations_of_another_study(self) -> None:
        """What was imported is learnt from by the same rules, before and between own trials."""
        space = SPACES["conditional"]
        driver = self._driver(space, budgets=(1, 3))
        rows = space.sample(20, np.random.default_rng(2))
        for i, row in enumerate(rows[:15]):
            config = space.decode_one(row)
            driver.borrow(config, None if i % 5 == 4 else i % 7, budget=(1, 3)[i % 2])
        issued = []
        for i in range(12):
            proposed = driver.ask()
            assert _same(proposed, driver.replay(self.make()).ask())
            issued.append(_text(driver.step(float(i))))
            if i == 5:
                for row in rows[15:]:
                    driver.borrow(space.decode_one(row), 3.0)
        assert len(issued) == len(set(issued))

    def test_info_is_plain(self, space: Space) -> None:
        """What is said about a proposal is plain data, and says whether a model made it."""
        driver = self._driver(space)
        for _ in range(_room(space, 20)):
            info = dict(driver.ask().info)
            assert info == unpack(pack(info))
            assert isinstance(info.get("model_based_pick"), bool)
            driver.step(float(driver.n_trials % 4))

    def test_second_initialize_starts_anew(self, space: Space) -> None:
        """An optimizer that is bound to a space again forgets the first."""
        used = self.make()
        first = Driver(used, SPACES["forbidden"])
        for i in range(8):
            if i < SPACES["forbidden"].n_configurations:
                first.step(float(i))
        again, fresh = Driver(used, space), self._driver(space)
        for i in range(_room(space, 15)):
            assert dict(fresh.step(float(i)).config) == dict(again.step(float(i)).config)


def _global_states() -> tuple[object, ...]:
    of_numpy = np.random.get_state(legacy=False)  # noqa: NPY002 - it is watched
    assert isinstance(of_numpy, dict)
    state = of_numpy.pop("state")
    return random.getstate(), state["key"].tobytes(), state["pos"], of_numpy


def _room(space: Space, wanted: int) -> int:
    """Return how many of `wanted` trials the space has different configurations for."""
    return int(min(wanted, space.n_configurations))


def _same(one: Suggestion, other: Suggestion) -> bool:
    return repr(one) == repr(other)


def _metrics(job: Job, fates: random.Random) -> dict[str, float]:
    """Return metrics that depend on the configuration, sometimes one of them missing or bad."""
    number = zlib.crc32(repr(sorted(job.config.items())).encode())
    metrics: dict[str, float] = {"b": number % 7, "c": number % 5, "d": number % 3}
    fate = fates.random()
    if fate < 0.1:
        del metrics[fates.choice(sorted(metrics))]
    elif fate < 0.2:
        metrics[fates.choice(sorted(metrics))] = fates.choice((np.inf, -np.inf, np.nan, 1e308))
    return metrics


def _text(job: Job | Evaluation) -> str:
    return repr(sorted(job.config.items()))


def _random_event(driver: Driver, fates: random.Random, most: int) -> None:
    """Start, finish or promote something."""
    turn = fates.random()
    budgets = driver.optimizer.budgets
    if (turn < 0.45 or not driver.pending) and driver.n_trials < most:
        driver.start()
    elif driver.pending:
        job = fates.choice(driver.pending)
        failed = fates.random() < 0.2
        driver.finish(job, None if failed else _loss(job))
        if not failed and job.budget < budgets[-1] and fates.random() < 0.5:
            driver.promote(job, budgets[budgets.index(job.budget) + 1])
