"""Finding what ``module:name`` or ``path.py:name`` means."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from bandmaster.cli.exits import EXIT_FAILED
from bandmaster.errors import BandmasterError, ConfigurationError

__all__ = ["load_target", "own_traceback"]

_OURS = (str(Path(__file__).parent), "<frozen importlib", importlib.__file__ or "<importlib>")


@contextlib.contextmanager
def own_traceback() -> Iterator[None]:
    """End the program when the user's code raises, with what is the user's of the traceback."""
    try:
        yield
    except (BandmasterError, click.ClickException):  # ours, and explained
        raise
    except Exception as error:
        shown = traceback.TracebackException.from_exception(error)
        _leave_out_ours(shown)
        click.echo("".join(shown.format()).rstrip(), err=True)
        raise SystemExit(EXIT_FAILED) from error


def load_target(target: str) -> Any:
    """Import a module or run a file, and return what is called `name` in it.

    The file's folder, or the current one for a module, is put on ``sys.path`` first, as Python
    does for a script.

    Parameters
    ----------
    target : str
        ``package.module:name`` or ``folder/file.py:name``; `name` may have dots.

    Raises
    ------
    ConfigurationError
        When there is no such module, file or name. What the module itself raises passes through.
    """
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name:
        raise ConfigurationError(
            f"{target!r} names nothing: expected module:name or path.py:name, e.g. "
            "bandmaster.examples.automl:evaluator"
        )
    is_file = where.endswith(".py") or os.sep in where
    thing: Any = _from_file(Path(where)) if is_file else _from_module(where)
    for part in name.split("."):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            offered = ", ".join(n for n in dir(thing) if not n.startswith("_")) or "nothing"
            raise ConfigurationError(f"{where} has no {part!r}; it has {offered[:300]}") from None
    return thing


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigurationError(f"there is no file {str(path)!r}")
    path = path.resolve()
    _put_on_path(path.parent)
    # Not the plain stem: a file that is called queue.py must not stand for the library's queue.
    name = path.stem if path.stem not in sys.modules else f"{path.stem}__worker"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{str(path)!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look themselves up there
    spec.loader.exec_module(module)
    return module


def _from_module(name: str) -> ModuleType:
    _put_on_path(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there; one that it imports is not
        raise ConfigurationError(
            f"there is no module {name!r} (looked in {Path.cwd()} and the installed packages)"
        ) from error


def _leave_out_ours(shown: traceback.TracebackException) -> None:
    """Drop the frames of this program and of the import system, here and in the causes."""
    shown.stack[:] = [frame for frame in shown.stack if not frame.filename.startswith(_OURS)]
    for before in (shown.__cause__, shown.__context__):
        if before is not None:
            _leave_out_ours(before)


def _put_on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
