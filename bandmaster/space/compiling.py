"""Anything that describes a search space, compiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bandmaster.errors import SpaceError
from bandmaster.space.space import Space

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

__all__ = ["compile_space"]


def compile_space(space: Space | ConfigurationSpace | Mapping[str, Any]) -> Space:
    """Return the compiled space.

    Parameters
    ----------
    space : Space, ConfigSpace.ConfigurationSpace or dict
        A `Space` is returned as it is; a dict is read as HDL.

    Raises
    ------
    SpaceError
        When it is none of these, or malformed.
    """
    if isinstance(space, Space):
        return space
    # A ConfigurationSpace is a Mapping too. Ask its class, so that nobody pays for the import.
    if any(
        base.__name__ == "ConfigurationSpace" and base.__module__.split(".")[0] == "ConfigSpace"
        for base in type(space).__mro__
    ):
        from bandmaster.space.cs_import import from_configspace

        configspace: Any = space
        return from_configspace(configspace)
    if isinstance(space, Mapping):
        from bandmaster.space.hdl import compile_hdl

        return compile_hdl(space)
    raise SpaceError(
        f"a search space is a Space, a ConfigurationSpace or an HDL dict, not {space!r} "
        f"(a {type(space).__name__})"
    )
