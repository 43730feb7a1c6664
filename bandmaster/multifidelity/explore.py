"""The configuration with which a member goes on from another one's checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity.budgets import exact
from bandmaster.multifidelity.mutations import Called, Drawn, Mutation, fit
from bandmaster.space.parameters import Constant

if TYPE_CHECKING:
    import numpy as np

    from bandmaster.space import Space

__all__ = ["Explorer", "read_factors"]

_TRIES = 100  # draws, when clauses forbid what came out


def read_factors(factors: Any) -> tuple[float, ...]:
    """Return by what numbers step.

    Raises
    ------
    ConfigurationError
        When these are no positive numbers, or there are none.
    """
    if isinstance(factors, (str, bytes, Mapping)) or not isinstance(factors, Iterable):
        raise ConfigurationError(
            f"perturbation_factors is a sequence of numbers such as (1.2, 0.8), got {factors!r}"
        )
    read = tuple(float(exact(factor, "each of perturbation_factors")) for factor in factors)
    if not read:
        raise ConfigurationError("perturbation_factors is empty; give at least one")
    return read


class Explorer:
    """Changes configurations.

    Parameters
    ----------
    mutations : Mapping of str to Mutation, or None
        None mutates all parameters of the space.
    resample_probability : float
        How often a hyper-parameter is drawn anew, instead of taking a step.
    factors : sequence of float
        Of which one is drawn for the step of a number.
    custom : callable, optional
        ``custom(config)`` returns what to make of a configuration that was changed already.
    clip : bool
        Whether steps stay inside bounds, on the quantisation and of their type.
    space : Space, optional
        Where configurations must lie, if it is known.

    Raises
    ------
    ConfigurationError
        When there is nothing to mutate, or the space has no such parameter.
    """

    def __init__(
        self,
        mutations: Mapping[str, Mutation] | None,
        *,
        resample_probability: float,
        factors: Sequence[float],
        custom: Callable[[dict[str, Any]], Mapping[str, Any]] | None,
        clip: bool,
        space: Space | None,
    ) -> None:
        self._probability = resample_probability
        self._factors = tuple(factors)
        self._custom = custom
        self._clip = clip
        self._space = space
        if mutations is None:
            free = () if space is None else space.parameters
            mutations = {p.name: Drawn(p) for p in free if not isinstance(p, Constant)}
        elif space is not None:
            unknown = sorted(set(mutations) - set(space.names))
            if unknown:
                raise ConfigurationError(
                    f"hyperparam_mutations names {unknown[0]!r}, which the search space has not; "
                    f"it has {', '.join(space.names)}"
                )
            known = dict(zip(space.names, space.columns, strict=True))
            mutations = {
                name: Called(name, m.function, known[name]) if isinstance(m, Called) else m
                for name, m in mutations.items()
            }
        self._mutations = mutations

    def __call__(self, config: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Return what a configuration is changed to.

        Where clauses of the space forbid whatever is tried, it stays as it is.

        Raises
        ------
        ConfigurationError
            When the custom function returns no configuration.
        """
        for _ in range(_TRIES):
            changed = self._legal(self._changed(config, rng), rng)
            if self._space is None or not self._forbidden(changed):
                return changed
        return dict(config)

    def _changed(self, config: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        changed = dict(config)
        for name, mutation in self._mutations.items():
            if name not in config:
                continue  # inactive here
            if rng.random() < self._probability:
                changed[name] = mutation.resample(rng)
            else:
                changed[name] = mutation.perturb(config[name], self._factors, rng, self._clip)
        if self._custom is None:
            return changed
        returned = self._custom(dict(changed))
        if not isinstance(returned, Mapping):
            raise ConfigurationError(
                f"custom_explore_fn returned {returned!r}; it must return the configuration"
            )
        return dict(returned)

    def _legal(self, config: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """Bring numbers into the space's bounds, and make active what a choice asks for."""
        space = self._space
        if space is None:
            return config
        for column in space.columns:
            if column.name in config:
                config[column.name] = fit(column, config[column.name])
        if space.is_conditional.any():
            row = space.fill(rng.random((1, space.dim)))  # newly active parameters are drawn
            for j, (name, column) in enumerate(zip(space.names, space.columns, strict=True)):
                if name in config:
                    row[0, j] = column.encode(config[name])
            active = space.decode_one(space.repair(row)[0])
            config = {name: config.get(name, value) for name, value in active.items()}
        return config

    def _forbidden(self, config: dict[str, Any]) -> bool:
        assert self._space is not None
        row = self._space.encode_one(config)  # raises for what is not legal at all
        return bool(self._space.forbidden) and not self._space.legal(row[None])[0]
