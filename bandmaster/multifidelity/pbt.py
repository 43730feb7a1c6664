"""Population based training."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from bandmaster.core.decisions import Action, Decision, Done, New, Promote, Wait
from bandmaster.core.formatting import format_budget
from bandmaster.core.job import Job
from bandmaster.core.objectives import Metric
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError, StudyError, UnknownJobError
from bandmaster.multifidelity.base import IterGenerator
from bandmaster.multifidelity.budgets import as_count, as_share, exact
from bandmaster.multifidelity.exploits import Exploits
from bandmaster.multifidelity.explore import Explorer, read_factors
from bandmaster.multifidelity.measure import Measure
from bandmaster.multifidelity.mutations import read_mutations
from bandmaster.multifidelity.options import as_flag
from bandmaster.multifidelity.param_space import ParamSpace
from bandmaster.multifidelity.population import Member, Population, Rules, State
from bandmaster.multifidelity.required import wrong_outcome, wrong_report
from bandmaster.multifidelity.schedule import ITERATION, Schedule
from bandmaster.multifidelity.search_space import population_space
from bandmaster.multifidelity.stories import story_of

if TYPE_CHECKING:
    from bandmaster.space import Space

__all__ = ["PBTIterGenerator"]

logger = logging.getLogger(__name__)

_WAIT, _DONE = Wait(), Done()
_FAILURES = (Status.FAILED, Status.TIMEOUT, Status.CRASHED)


class PBTIterGenerator(IterGenerator):
    """Population based training (Jaderberg et al. 2017, arXiv:1711.09846).

    A population of trials trains side by side. Every `perturbation_interval` a member that is among
    the worst goes on from the checkpoint of one of the best, with that one's configuration,
    changed a little. So hyper-parameters follow a schedule, which is found while training.

    A member is a trial; each of its jobs is a segment, from one boundary to the next: the budget is
    how far it is trained when the segment ends. The objective reports as it trains, and saves what
    it needs to go on (``context.report(..., checkpoint=...)``).

    Parameters
    ----------
    perturbation_interval : int or float
        Between two boundaries, in units of `time_attr`.
    time_attr : str, default "training_iteration"
        ``"training_iteration"`` counts the reports; else the name of a reported metric that grows.
    metric, mode : str, {"min", "max"}, optional
        What members are compared by. Default: the study's objective, with its constraints.
    burn_in_period : float, default 0
        Nobody exploits before this time.
    hyperparam_mutations : Mapping, optional
        For each hyper-parameter a list of values, a distribution, a function without arguments, or
        a dict of these. Default: all parameters of the study's space. Empty: none, when
        `custom_explore_fn` is to do it all.
    quantile_fraction : float, default 0.25
        From 0 (nobody exploits) to 0.5: which part of the population is the worst, and the best.
    resample_probability : float, default 0.25
        How often a hyper-parameter is drawn anew. Else numbers take a factor of
        `perturbation_factors`, lists go to a neighbour, and choices without an order stay.
    perturbation_factors : sequence of float, default (1.2, 0.8)
    custom_explore_fn : callable, optional
        ``custom_explore_fn(config)`` returns what to make of an explored configuration.
    require_attrs : bool, default True
        An evaluation that reports, or returns, no `metric` or `time_attr` fails; else such a report
        counts for nothing.
    synch : bool, default False
        Members wait for each other at each boundary and are ranked together.
    clip : bool, default True
        Values stay inside their bounds, on their quantisation and of their type. False: numbers are
        multiplied, and whole ones cut off, whatever comes out.
    max_failures : int, default 0
        How often a member that failed goes on from its newest checkpoint; -1: always. Beyond that
        it is out.
    checkpoint_interval : int or float, optional
        How often the objective saves, to warn if an exploit would not find a fresh checkpoint.
    param_space : Mapping, optional
        With what members begin: `grid_search`, `sample_from`, distributions, constants, nested at
        will. Default: the optimizer proposes.
    num_samples : int, default 1
        How often the grids of `param_space` are run through; without it the number of members.
    stop : Mapping or number, default {"training_iteration": 100}
        A member has ended when it reports one of these values or more. `time_attr` must be bounded;
        a number is its bound.

    Raises
    ------
    ConfigurationError
        When an argument is out of its range.

    Notes
    -----
    An iteration is a population; with several of them the next one begins when a worker has
    nothing else to do. The study gives `study_seed`, which names all that is drawn.
    """

    needs_reports: ClassVar[bool] = True
    default_iterations: ClassVar[int | None] = 1

    def __init__(
        self,
        perturbation_interval: float,
        *,
        time_attr: str = ITERATION,
        metric: str | None = None,
        mode: str | None = None,
        burn_in_period: float = 0,
        hyperparam_mutations: Mapping[str, Any] | None = None,
        quantile_fraction: float = 0.25,
        resample_probability: float = 0.25,
        perturbation_factors: Sequence[float] = (1.2, 0.8),
        custom_explore_fn: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
        require_attrs: bool = True,
        synch: bool = False,
        clip: bool = True,
        max_failures: int = 0,
        checkpoint_interval: float | None = None,
        param_space: Mapping[str, Any] | None = None,
        num_samples: int = 1,
        stop: Mapping[str, Any] | float | None = None,
    ) -> None:
        if stop is None:
            stop = {ITERATION: 100}
        self._schedule = Schedule(
            perturbation_interval, time_attr=time_attr, stop=stop, burn_in=burn_in_period
        )
        self._measure = Measure(metric, mode)
        self._mutations = (
            None if hyperparam_mutations is None else read_mutations(hyperparam_mutations)
        )
        if self._mutations == {} and custom_explore_fn is None:
            raise ConfigurationError(
                "hyperparam_mutations is empty: leave it out to mutate all parameters of the "
                "space, or give a custom_explore_fn that does it all"
            )
        if custom_explore_fn is not None and not callable(custom_explore_fn):
            raise ConfigurationError(f"custom_explore_fn is {custom_explore_fn!r}, no function")
        self._probability = as_share(resample_probability, "resample_probability", 1)
        quantile = as_share(quantile_fraction, "quantile_fraction", Fraction(1, 2))
        self._factors = read_factors(perturbation_factors)
        self._custom = custom_explore_fn
        self._require_attrs = as_flag(require_attrs, "require_attrs")
        self._clip = as_flag(clip, "clip")
        self._param_space = (
            None if param_space is None else ParamSpace(param_space, self._mutations or {})
        )
        grid = 1 if self._param_space is None else self._param_space.size
        size = grid * as_count(num_samples, "num_samples", least=1)
        most = as_count(max_failures, "max_failures", least=-1)
        self._rules = Rules(size, self._schedule, quantile, as_flag(synch, "synch"), most)
        _check_interval(perturbation_interval, checkpoint_interval)
        self._begins = self._param_space  # None: the optimizer proposes
        self._space: Space | None = None
        self._exploits = Exploits(self._make_explorer(), self._schedule)
        self._n_iterations: int | None = None
        self._closed = False
        self._populations: list[Population] = []
        self._open: list[Population] = []  # those of which somebody may go on or begin
        self._members: dict[int, tuple[Population, Member]] = {}  # by trial
        self._out: dict[int, int] = {}  # job → trial
        self._n_issued = 0
        self._action: Action | None = None  # what `next` answers until the state changes
        self._warned = False

    # -- the space ------------------------------------------------------------------------------

    @property
    def space(self) -> Space | None:
        """The study's search space, which the study sets."""
        return self._space

    @space.setter
    def space(self, space: Space | None) -> None:
        self._space = space
        if self._param_space is None and not self._clip:
            # In a space of its own, which has no bounds, an optimizer would begin anywhere.
            own = space is not None and self._brings(space)
            self._begins = ParamSpace({}, self._mutations or {}) if own else None
        self._exploits.explorer = self._make_explorer()
        self._action = None

    def search_space(self) -> Space | None:
        """Return the space that `param_space` and `hyperparam_mutations` describe.

        None without both: then the study has to be given one.

        Raises
        ------
        ConfigurationError
            When nothing says what values a parameter may have.
        """
        if self._param_space is None and self._mutations is None:
            return None
        return population_space(self._param_space, self._mutations or {}, clip=self._clip)

    def _brings(self, space: Space) -> bool:
        try:
            return space == self.search_space()
        except ConfigurationError:
            return False  # it has none itself

    def own_metric(self) -> Metric | None:
        """Return `metric`, to be optimised as `mode` says; None if the study decides that."""
        return self._measure.metric_of_study()

    def _make_explorer(self) -> Explorer:
        return Explorer(
            self._mutations, resample_probability=float(self._probability), factors=self._factors,
            custom=self._custom, clip=self._clip, space=self._space,
        )  # fmt: skip

    # -- what there is to do ----------------------------------------------------------------------

    def get_budgets(self) -> tuple[float, ...]:
        """Return the boundaries, ascending."""
        return self._schedule.budgets

    def get_table(self) -> list[list[tuple[int, float]]]:
        """Return the segments of a population as (members, boundary)."""
        return [[(self._rules.size, budget) for budget in self._schedule.budgets]]

    def num_all_configs(self, n_iterations: int) -> int:
        """Return how many segments `n_iterations` populations train at most, but for retries."""
        n = as_count(n_iterations, "n_iterations", least=0)
        return n * self._rules.size * len(self._schedule.budgets)

    def total_budget(self, n_iterations: int) -> float:
        """Return how far all members train, added up; a segment's budget includes earlier ones."""
        n = as_count(n_iterations, "n_iterations", least=0)
        return n * self._rules.size * self._schedule.budgets[-1]

    def effort(self, job: Job) -> float:
        """Return how far a segment trains: its budget includes earlier ones."""
        known = self._members.get(job.trial)
        return job.budget if known is None else job.budget - known[1].time

    def plan(self, n_iterations: int | None) -> None:
        """Say how many populations to train; None is no limit. Members may start again."""
        if n_iterations is not None:
            n_iterations = as_count(n_iterations, "n_iterations", least=0)
        self._n_iterations, self._closed = n_iterations, False
        self._changed()

    def close_intake(self) -> None:
        """Learn that no new member may start any more; nobody waits for those that have not."""
        self._closed = True
        self._changed(*self._populations)

    def next(self) -> Action:
        """Return New, Promote, Exploit, Wait (while members train and nobody may start) or Done."""
        if self._action is None:
            self._action = self._decide_next()
        return self._action

    def _decide_next(self) -> Action:
        for population in self._open:
            member = population.candidate()
            if member is not None and member.donors:
                return self._go_on(population, member)
            if not self._closed and not population.full:
                return self._new(population.number, len(population.members))
            if member is not None:
                return self._go_on(population, member)
        planned = self._n_iterations
        begun = len(self._populations)
        if not self._closed and (planned is None or begun < planned):
            return self._new(begun, 0)
        return _WAIT if self._out else _DONE

    def _new(self, population: int, number: int) -> Action:
        source: str | dict[str, Any] = "model"
        if self._begins is not None:
            key = Key(self.study_seed, population << 32 | number)
            source = self._begins.config(number, key)
        return New(self._schedule.budgets[0], source, population)

    def _go_on(self, population: Population, member: Member) -> Action:
        budget: float | None
        if member.again and member.budget > member.time:
            budget = member.budget
        else:
            exploit = self._exploits.of(population, member, Key(self.study_seed, self._n_issued))
            if exploit is not None:
                return exploit
            budget = population.budget_after(member.time)
        assert budget is not None, "a member at the end is complete"
        rung = self._schedule.rung(budget)
        return Promote(member.trial, budget, population.number, rung, member.checkpoint)

    # -- events ---------------------------------------------------------------------------------

    def issued(self, job: Job) -> None:
        """Learn that a member began or went on.

        Any job will do that fits the state, not only what `next` answers: functions of the user
        need not repeat what they drew, and a study that is loaded may have been planned otherwise.

        Raises
        ------
        StudyError
            When it does not fit.
        """
        population = self._fitting(job)
        known = self._members.get(job.trial)
        if known is None:
            if population is None:
                population = Population(len(self._populations), self._rules)
                self._populations.append(population)
                self._open.append(population)
            self._members[job.trial] = population, population.start(job)
        else:
            population, member = known
            donor = self._members.get(job.config_info.get("exploits", -1))
            population.resume(member, job, None if donor is None else donor[1])
        self._out[job.number] = job.trial
        self._n_issued += 1
        self._changed(population)

    def _fitting(self, job: Job) -> Population | None:
        """Return the population of a job that may be issued; None for a new one."""
        begun = self._populations
        population = begun[job.bracket] if 0 <= job.bracket < len(begun) else None
        wrong = None
        if job.number in self._out:
            wrong = "it is out already"
        elif not 0 < job.budget <= self._schedule.budgets[-1]:
            wrong = f"members train up to {self._schedule.budgets[-1]!r}"
        elif job.trial in self._members:
            home, member = self._members[job.trial]
            if home is not population:
                wrong = f"the trial is a member of population {home.number}"
            elif member.state not in (State.READY, State.RESTING):
                wrong = f"the member is {member.state.value}"
            elif job.budget < member.budget or job.budget <= member.time:
                wrong = f"the member has trained up to {member.time!r}"
        elif population is None and job.bracket != len(begun):
            wrong = f"there are {len(begun)} populations"
        elif population is not None and population.full:
            wrong = f"its population has {self._rules.size} members"
        if wrong is not None:
            raise StudyError(f"{story_of(job)} was issued, but {wrong}")
        return population

    def wrong_report(self, metrics: Mapping[str, Any]) -> str | None:
        """Return what a report lacks, if `require_attrs` is set."""
        return wrong_report(metrics, self._measure, self._schedule) if self._require_attrs else None

    def wrong_outcome(self, outcome: Outcome) -> str | None:
        """Return why a segment cannot be ranked, if `require_attrs` is set."""
        if not self._require_attrs or self._measure.rank(outcome, self.objectives) is not None:
            return None
        return wrong_outcome(outcome, self._measure)

    def decide(
        self, job: Job, metrics: Mapping[str, Any], loss: float | None, step: int
    ) -> Decision:
        """Pause a member that has reached its boundary, or a criterion to stop."""
        time = self._schedule.time_of(metrics, step)
        if time is None:
            return Decision.CONTINUE
        if time >= job.budget or self._schedule.ended(metrics, step, time):
            return Decision.PAUSE
        return Decision.CONTINUE

    def reported(
        self,
        job: Job,
        metrics: Mapping[str, Any],
        loss: float | None,
        step: int,
        *,
        decision: Decision,
        checkpoint: str | None,
    ) -> None:
        """Learn of a report, of what was answered, and of the checkpoint that it left."""
        found = self._members.get(self._out.get(job.number, -1))
        if found is None:
            return
        population, member = found
        time = self._schedule.time_of(metrics, step)
        ended = self._schedule.ended(metrics, step, time)
        stop = decision is Decision.STOP
        if population.reported(member, time, ended=ended, stop=stop, checkpoint=checkpoint):
            self._action = None

    def observe(self, job: Job, outcome: Outcome) -> None:
        """Learn how a segment ended.

        Raises
        ------
        UnknownJobError
            When no such job is out.
        """
        if job.number not in self._out:
            raise UnknownJobError(
                f"{story_of(job)} ended with {outcome.status.value!r}, but it is not out"
            )
        population, member = self._members[self._out.pop(job.number)]
        rank = self._measure.rank(outcome, self.objectives)
        if outcome.ok and (rank is not None or not self._require_attrs):
            self._warn_of(member, outcome)
            member.ended |= self._schedule.ended(outcome.metrics, 0, None)
            population.succeeded(member, rank, outcome.checkpoint)
        elif outcome.status is Status.STOPPED and (member.told_to_stop or self.study_stopped):
            population.repeat(member, outcome.checkpoint)  # when the study goes on
        else:
            self._failed(population, member, outcome)
        self._changed(population)

    def _warn_of(self, member: Member, outcome: Outcome) -> None:
        """Say, once, of an objective that leaves nothing to go on from that it is no training."""
        if member.checkpoint is None and outcome.checkpoint is None and not self._warned:
            self._warned = True
            what = "reported nothing and" if member.reported_time is None else "reported, but"
            logger.warning(
                "trial %d %s left no checkpoint at its boundary: its next segment begins anew, and "
                "nobody can exploit it; call context.report(metrics, checkpoint=state), and begin "
                "with context.load()",
                member.trial, what,
            )  # fmt: skip

    def _failed(self, population: Population, member: Member, outcome: Outcome) -> None:
        member.failures += 1
        most = self._rules.max_failures
        retried = outcome.status in _FAILURES and (most < 0 or member.failures <= most)
        if retried:
            population.repeat(member, outcome.checkpoint)
        else:
            population.drop(member)
        logger.log(
            logging.WARNING if retried else logging.ERROR,
            "trial %d, member %d of population %d, ended %s (its failure %d) and %s",
            member.trial, member.number, population.number, outcome.status.value, member.failures,
            f"goes on from {member.checkpoint}" if retried else "is out",
        )  # fmt: skip

    def rehearsal(self) -> PBTIterGenerator:
        """Return a copy in which nobody exploits, which changes no count, and nothing is said."""
        twin = copy.deepcopy(self)
        twin._exploits.allowed, twin._warned = False, True
        return twin

    def needs_checkpoint(self, trial: int) -> bool:
        """Return whether anybody may go on from a trial's newest checkpoint: if it is not out.

        That of a member at its end, too: a study may be extended.
        """
        known = self._members.get(trial)
        return known is None or known[1].state is not State.DROPPED

    def _changed(self, *populations: Population) -> None:
        for population in populations:
            population.settle(intake=not self._closed)
            if population.over and population.full and population in self._open:
                self._open.remove(population)
        self._action = None

    # -- texts ----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Return what a study must keep in the first line; what may be raised in the second."""
        schedule, rules = self._schedule, self._rules
        mutated = None if self._mutations is None else sorted(self._mutations)
        stop = ", ".join(f"{name} {value:g}" for name, value in schedule.stop.items())
        return (
            f"{type(self).__name__}(perturbation_interval={format_budget(schedule.interval)}, "
            f"time_attr={schedule.time_attr!r}, quantile_fraction={float(rules.quantile):g}, "
            f"resample_probability={float(self._probability):g}, "
            f"perturbation_factors={self._factors}, synch={rules.synch}, clip={self._clip}, "
            f"hyperparam_mutations={mutated}{self._measure})\n"
            f"{rules.size} members, {len(schedule.budgets)} segments each, until {stop}"
        )


def _check_interval(perturbation: float, checkpoint: float | None) -> None:
    if checkpoint is None:
        return
    ratio = exact(perturbation, "perturbation_interval") / exact(checkpoint, "checkpoint_interval")
    if ratio.denominator != 1:
        warnings.warn(
            f"perturbation_interval {perturbation!r} is no multiple of checkpoint_interval "
            f"{checkpoint!r}: exploits will go on from checkpoints that are older",
            stacklevel=3,
        )
