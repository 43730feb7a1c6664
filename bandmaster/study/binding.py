"""Whether the parts of a study fit together, and to the journal that is loaded."""

from __future__ import annotations

from typing import Any

from bandmaster.core.events import StudyCreated
from bandmaster.core.objectives import Objectives
from bandmaster.core.randomness import DEFAULT_SEED, DefaultSeed
from bandmaster.errors import ConfigurationError, StudyError
from bandmaster.multifidelity.base import IterGenerator
from bandmaster.optimizers.base import Optimizer
from bandmaster.space import Space, compile_space

__all__ = ["bind", "check_generator", "check_same", "choose_space", "own_objectives"]


def choose_space(space: Any, optimizer: Optimizer | None, generator: IterGenerator) -> Space:
    """Return a study's space: the one given, else the generator's own, else the optimizer's.

    Raises
    ------
    ConfigurationError
        When there is none.
    SpaceError
        When it is malformed.
    """
    if space is not None:
        return compile_space(space)
    own = generator.search_space()
    if own is not None:
        return own
    if optimizer is None or not optimizer.initialized:
        raise ConfigurationError(
            "there is no search space: give one (HDL, ConfigurationSpace or Space), or an "
            "optimizer after optimizer.initialize(config_space, "
            "budgets=iter_generator.get_budgets())"
        )
    return optimizer.space


def own_objectives(generator: IterGenerator) -> Objectives:
    """Return the metrics of a study that was given none."""
    metric = generator.own_metric()
    return Objectives() if metric is None else Objectives([metric])


def bind(optimizer: Optimizer, generator: IterGenerator, space: Any) -> Space:
    """Initialise the optimizer if it is not yet; return the space that all agree on.

    Raises
    ------
    ConfigurationError
        When optimizer, generator and space do not fit together.
    """
    if not isinstance(optimizer, Optimizer):
        raise ConfigurationError(
            f"the optimizer must be an Optimizer, got {optimizer!r}: make one, or use "
            "get_optimizer(name)"
        )
    check_generator(generator)
    compiled = choose_space(space, optimizer, generator)
    budgets = generator.get_budgets()
    if not optimizer.initialized:
        optimizer.initialize(compiled, budgets)
    if optimizer.space != compiled:
        raise ConfigurationError(
            "the optimizer was initialised with another search space than the study has"
        )
    if len(optimizer.history):
        raise ConfigurationError(
            f"the optimizer has seen {len(optimizer.history)} evaluations already: each study "
            "needs an optimizer of its own"
        )
    unknown = sorted(set(budgets) - set(optimizer.budgets))
    if unknown:
        raise ConfigurationError(
            f"the optimizer was initialised with budgets {optimizer.budgets}, but the iteration "
            f"generator uses {budgets}: pass budgets=iter_generator.get_budgets()"
        )
    generator.space = compiled
    return compiled


def check_generator(generator: object) -> None:
    """Raise ConfigurationError unless it is an iteration generator (a class or name is none)."""
    if not isinstance(generator, IterGenerator):
        raise ConfigurationError(
            "an iteration generator is an instance such as HyperBandIterGenerator(min_budget=1, "
            f"max_budget=81, eta=3), got {generator!r}"
        )


def check_same(
    created: StudyCreated,
    space: Space,
    generator: IterGenerator,
    objectives: Objectives | None = None,
    seed: int = DEFAULT_SEED,
) -> None:
    """Compare a study's first event with what it is loaded with, and set the generator back.

    Parameters
    ----------
    created : StudyCreated
    space : Space
    generator : IterGenerator
    objectives : Objectives, optional
        None takes those it was made with.
    seed : int
        A `DefaultSeed` takes the one it was made with.

    Raises
    ------
    StudyError
        When it was made with another search space, other metrics, another seed or another iteration
        generator.
    """
    name = created.name
    if Space.from_dict(created.space) != space:
        raise StudyError(
            f"study {name!r} in this journal has another search space; give the space it was made "
            "with, or start a study under another name"
        )
    before = created.generator.partition("\n")[0]
    if not generator.begin_as(before):
        raise StudyError(
            f"study {name!r} in this journal was made with {before}, not with "
            f"{generator.signature}: give the same iteration generator, or one that goes on from "
            "there (a larger max_budget with the same rungs below), or start a study under "
            "another name"
        )
    made_with = Objectives.from_data(created.objectives)
    if objectives is not None and objectives != made_with:
        raise StudyError(
            f"study {name!r} in this journal was made with the metrics {list(made_with.metrics)}, "
            f"not with {list(objectives.metrics)}: give the same or none, or start a study under "
            "another name"
        )
    if seed != created.seed and not isinstance(seed, DefaultSeed):
        raise StudyError(
            f"study {name!r} in this journal was made with the seed {created.seed}, not with "
            f"{seed}: give the same or none, or start a study under another name"
        )
