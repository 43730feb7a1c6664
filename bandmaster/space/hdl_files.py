"""Reading an HDL from a file."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from bandmaster.errors import SpaceError

__all__ = ["load_hdl"]

# YAML 1.1 takes 1e-5 for a string, as it wants a dot and a sign; people write it all the same.
_FLOAT = re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$")


def load_hdl(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read an HDL dict from a YAML (``.yaml``, ``.yml``) or JSON (``.json``) file.

    YAML is read safely, and ``1e-5`` is a number.

    Raises
    ------
    SpaceError
        When the file cannot be read, is malformed, has a key twice, or does not hold a dict.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpaceError(f"the space file {str(file)!r} cannot be read: {error}") from error
    suffix = file.suffix.lower()
    if suffix == ".json":
        data = _from_json(text, file)
    elif suffix in (".yaml", ".yml"):
        data = _from_yaml(text, file)
    else:
        raise SpaceError(
            f"the space file {str(file)!r} ends in {file.suffix!r}; expected .yaml, .yml or .json"
        )
    if not isinstance(data, dict):
        raise SpaceError(
            f"the space file {str(file)!r} holds a {type(data).__name__}; expected a dict"
        )
    return data


def _from_json(text: str, file: Path) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result:
                raise SpaceError(f"the space file {str(file)!r} has the key {key!r} twice")
            result[key] = value
        return result

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise SpaceError(f"the space file {str(file)!r} is not JSON: {error}") from error


def _from_yaml(text: str, file: Path) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
        """Safe loading with exponents as people write them, and without silent duplicates."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key = self.construct_object(key_node, deep=True)
                if key in seen:
                    raise SpaceError(
                        f"the space file {str(file)!r} has the key {key!r} twice "
                        f"(line {key_node.start_mark.line + 1})"
                    )
                seen.add(key)
            result: dict[Any, Any] = super().construct_mapping(node, deep=deep)
            return result

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    try:
        return yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, TypeError) as error:
        raise SpaceError(f"the space file {str(file)!r} is not YAML: {error}") from error
