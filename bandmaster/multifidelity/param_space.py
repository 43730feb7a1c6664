"""The configurations with which the members of a population begin."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity.distributions import GridSearch, SampleFrom
from bandmaster.multifidelity.mutations import Drawn, Mutation, refuse_choice
from bandmaster.space.hdl_types import hdl_parameter
from bandmaster.space.layering import SEPARATOR
from bandmaster.space.parameters import Float, Integer, Parameter
from bandmaster.space.values import native

__all__ = ["ParamSpace"]


class ParamSpace:
    """Grids, distributions, functions of other entries, and constants, nested at will.

    Parameters
    ----------
    entries : Mapping
        As the user wrote them.
    mutations : Mapping of str to Mutation
        What is mutated and stands in no entry is drawn from its mutation.

    Attributes
    ----------
    grids : dict of str to GridSearch
    drawn : dict of str to Drawn
    computed : dict of str to SampleFrom
    constants : dict of str to value
        The entries by their flat names.
    size : int
        How many members the grids make.

    Raises
    ------
    ConfigurationError
        When an entry is nothing of that kind.
    """

    def __init__(self, entries: Mapping[str, Any], mutations: Mapping[str, Mutation]) -> None:
        if not isinstance(entries, Mapping):
            raise ConfigurationError(f"param_space is a dict, got {entries!r}")
        self.grids: dict[str, GridSearch] = {}
        self.drawn: dict[str, Drawn] = {}
        self.computed: dict[str, SampleFrom] = {}
        self.constants: dict[str, Any] = {}
        self.names: list[str] = []
        for name, entry in _flat(entries, ""):
            refuse_choice("param_space", name)
            self.names.append(name)
            where = f"param_space[{name!r}]"
            if isinstance(entry, GridSearch):
                self.grids[name] = GridSearch(tuple(native(v, where) for v in entry.values))
            elif isinstance(entry, SampleFrom):
                self.computed[name] = entry
            elif isinstance(entry, Mapping):
                self.drawn[name] = Drawn(hdl_parameter(name, entry, ("param_space", name)))
            elif callable(entry):
                raise ConfigurationError(
                    f"{where} is a function: write sample_from({entry!r}) if it computes the value"
                )
            else:
                self.constants[name] = native(entry, where)
        self.size = math.prod(len(grid.values) for grid in self.grids.values())
        self.missing = {name: m for name, m in mutations.items() if name not in self.names}
        self._parameters = {  # whose type the values take
            **{name: drawn.parameter for name, drawn in self.drawn.items()},
            **{n: m.parameter for n, m in mutations.items() if m.parameter is not None},
        }

    def config(self, number: int, key: Key) -> dict[str, Any]:
        """Return the configuration of member `number`, with what is drawn named by `key`.

        Members run through the grids, the last one fastest, again and again.

        Raises
        ------
        ConfigurationError
            When functions ask for each other in a ring, or for what is not there.
        """
        rng = key.rng("pbt-member")
        known = {**self.constants, **self._combination(number)}
        for name, drawn in (*self.drawn.items(), *self.missing.items()):
            known[name] = drawn.resample(rng)
        _Resolver(self, known).resolve_all()
        ordered = dict.fromkeys((*self.names, *self.missing))
        return {name: _typed(known[name], self._parameters.get(name)) for name in ordered}

    def computed_values(self, name: str) -> list[Any] | None:
        """Return all that a function can make of the grids, None if it asks for what is drawn."""
        found: list[Any] = []
        for number in range(self.size):
            known = {**self.constants, **self._combination(number)}
            try:
                found.append(_Resolver(self, known).value(name))
            except _AsksForDrawn:
                return None
        return found

    def _combination(self, number: int) -> dict[str, Any]:
        values = {}
        for name, grid in reversed(self.grids.items()):
            number, position = divmod(number, len(grid.values))
            values[name] = grid.values[position]
        return values


class _AsksForDrawn(BaseException):
    """A function asked for a value that is drawn anew for each member.

    No Exception, so that the function does not swallow it.
    """


class _Resolver:
    """Computes entries when they are asked for."""

    def __init__(self, space: ParamSpace, known: dict[str, Any]) -> None:
        self.space = space
        self.known = known
        self._asked: list[str] = []

    def resolve_all(self) -> None:
        """Compute whatever is to be computed."""
        for name in self.space.computed:
            self.value(name)

    def value(self, name: str) -> Any:
        """Return the value of an entry."""
        if name in self.known:
            return self.known[name]
        if name in self.space.drawn or name in self.space.missing:
            raise _AsksForDrawn(name)
        if name in self._asked:
            ring = " → ".join([*self._asked, name])
            raise ConfigurationError(f"sample_from functions ask for each other in a ring: {ring}")
        self._asked.append(name)
        value = self.space.computed[name].function(Resolved(self, ""))
        self.known[name] = native(value, f"param_space[{name!r}]")
        self._asked.pop()
        return self.known[name]


class Resolved(Mapping[str, Any]):
    """What a `sample_from` function gets: the values, nested as the user nested them."""

    def __init__(self, resolver: _Resolver, prefix: str) -> None:
        self._resolver = resolver
        self._prefix = prefix

    @property
    def config(self) -> Resolved:
        """The same, for functions that expect it below this name."""
        return self

    def __getitem__(self, key: str) -> Any:
        name = self._prefix + key
        if name in self._all():
            return self._resolver.value(name)
        if any(known.startswith(name + SEPARATOR) for known in self._all()):
            return Resolved(self._resolver, name + SEPARATOR)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        prefix = self._prefix
        inside = [name.removeprefix(prefix) for name in self._all() if name.startswith(prefix)]
        return iter(dict.fromkeys(name.partition(SEPARATOR)[0] for name in inside))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _all(self) -> list[str]:
        return [*self._resolver.space.names, *self._resolver.space.missing]


def _flat(entries: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    return itertools.chain.from_iterable(
        _flat(entry, f"{prefix}{key}{SEPARATOR}")
        if isinstance(entry, Mapping) and "_type" not in entry
        else [(f"{prefix}{key}", entry)]
        for key, entry in entries.items()
    )


def _typed(value: Any, parameter: Parameter | None) -> Any:
    """Return a number as the type that the parameter has."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if isinstance(parameter, Float):
        return float(value)
    if isinstance(parameter, Integer) and value == int(value):
        return int(value)
    return value
