"""Pickled results, read without running anything that the file names."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bandmaster.core.objectives import Objectives
from bandmaster.errors import BandmasterError, CodecError
from bandmaster.space import Space
from bandmaster.study.pickling import load_result
from bandmaster.study.saving.lines import read_bytes
from bandmaster.study.saving.saved import Saved, assemble

__all__ = ["read"]

# What a pickled Result calls; the state that it is given is plain data, which needs no other name.
_RESTORE = ("bandmaster.study.result", "_restore")
# How protocol 2 spells bytes.
_PLAIN: Mapping[tuple[str, str], Callable[..., bytes]] = {
    ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
    ("__builtin__", "bytes"): lambda: b"",
}


def read(path: Path, space: Space | None) -> Saved:
    """Read a pickle of a `Result`, and nothing else.

    ``pickle.load`` calls whatever the file names, so it must not be used on a file that is not
    your own. Here nothing is called but what builds a result of plain data.

    Raises
    ------
    CodecError
        When it is no pickle, or one of something else.
    StorageError
        When the file cannot be read.
    """
    data = read_bytes(path)
    try:
        saved = _Reader(io.BytesIO(data)).load()
    except CodecError as error:
        raise CodecError(f"{path}: {error}") from error
    except Exception as error:
        # Bytes of any kind make an unpickler raise anything.
        raise CodecError(
            f"{path} is no pickled result, or not all of it: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(saved, Saved):
        raise CodecError(f"{path} holds a pickled {type(saved).__name__}, not a Result")
    if space is None:
        return saved
    again = assemble(saved.history, None, space)
    again.history.reported = saved.history.reported
    return Saved(again.history, space, saved.budgets, saved.objectives)


class _Reader(pickle.Unpickler):
    """Knows two names."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == _RESTORE:
            return _restore
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        raise CodecError(
            f"the pickle names {module}.{name}, and a saved result names nothing but itself; if "
            "you know where the file is from, open it with pickle.load"
        )


def _restore(state: Mapping[str, Any]) -> Saved:
    try:
        history, space, budgets = load_result(state)
        kept = state.get("objectives")
        objectives = Objectives() if kept is None else Objectives.from_data(kept)
    except BandmasterError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CodecError(f"what it holds of a result is damaged: {error!r}") from error
    return Saved(history, space, budgets, objectives)
