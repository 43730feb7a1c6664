"""A flat configuration as a nested dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bandmaster.errors import IllegalConfigurationError

__all__ = ["CHOICE", "SEPARATOR", "layering_config"]

SEPARATOR = ":"
"""Joins the names of nested spaces: ``classifier:KNN:p``."""
CHOICE = "__choice__"
"""The last part of the name of the parameter that a ``"name(choice)"`` key makes."""


def layering_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of an HDL space as nested dicts.

    The option taken by a ``"name(choice)"`` becomes the only key of ``name``, also when it has no
    parameters of its own, so that ``option, parameters = layered[name].popitem()`` takes it apart.

    Parameters
    ----------
    config : mapping
        From flat names (``classifier:KNN:p``) to values. A ConfigSpace ``Configuration`` is one.

    Returns
    -------
    dict
        New dicts; the values are those of `config`.

    Raises
    ------
    IllegalConfigurationError
        When one name is both a value and the beginning of another name.

    Examples
    --------
    >>> layering_config({"lr": 0.1, "model:__choice__": "KNN", "model:KNN:p": 2})
    {'lr': 0.1, 'model': {'KNN': {'p': 2}}}
    """
    result: dict[str, Any] = {}
    for name in config:
        *path, last = name.split(SEPARATOR)
        value = config[name]
        if last == CHOICE:
            path.append(value)
        node = result
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise IllegalConfigurationError(
                    f"{name!r} lies below {part!r}, which is a value itself"
                )
        if last != CHOICE:
            if last in node:
                raise IllegalConfigurationError(
                    f"{name!r} is a value, and other names lie below it"
                )
            node[last] = value
    return result
