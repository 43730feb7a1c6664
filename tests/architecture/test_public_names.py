"""What the package offers, and how its modules say so."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from source import Module, modules

import bandmaster

MODULES = modules()


def test_at_most_25_public_names() -> None:
    """The front door stays small."""
    assert len(bandmaster.__all__) <= 25


@pytest.mark.parametrize("name", bandmaster.__all__)
def test_every_public_name_loads(name: str) -> None:
    """What `__all__` promises exists, and `dir` shows it."""
    assert getattr(bandmaster, name) is not None
    assert name in dir(bandmaster)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy front door says what it does not have, as a plain module does."""
    with pytest.raises(AttributeError, match="no attribute 'fmax'"):
        _ = bandmaster.fmax


def test_lazy_names_and_all_agree() -> None:
    """Every public name but the version has a home module, and nothing else has one."""
    assert sorted(bandmaster._HOME) == [n for n in bandmaster.__all__ if n != "__version__"]


def test_star_import_works(root: Path) -> None:
    """`from bandmaster import *` gives every public name."""
    code = "from bandmaster import *; import bandmaster; assert {*bandmaster.__all__} <= {*dir()}"
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_all_is_there_and_sorted(module: Module) -> None:
    """Every public module that defines something says what is public, sorted as ruff sorts."""
    if not module.public or not module.definitions:
        return
    names = module.all_names
    assert names is not None, "no __all__"
    assert sorted(names, key=isort_key) == names  # a computed one is sorted by its own code


def isort_key(name: str) -> tuple[int, str]:
    """Constants first, then classes, then the rest."""
    if name.isupper():
        return (0, name)
    return (1, name) if name[0].isupper() else (2, name)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_public_things_have_docstrings(module: Module) -> None:
    """Every module and every public class, function and method has a docstring or inherits one."""
    if module.path.name == "__main__.py" or not module.tree.body:
        return
    missing = [] if ast.get_docstring(module.tree) else ["the module"]
    for where, node in module.definitions if module.public else ():
        private = any(part.startswith("_") for part in where.split("."))
        if not private and not ast.get_docstring(node) and not inherited_doc(module, where):
            missing.append(where)
    assert missing == []


def inherited_doc(module: Module, where: str) -> str | None:
    """Return the docstring that the running object has, from a base class or a getter."""
    thing: Any = importlib.import_module(module.name)
    for part in where.split("."):
        thing = getattr(thing, part)
    return inspect.getdoc(thing)
