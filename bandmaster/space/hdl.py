"""The HDL, a search space as a plain dict. ``docs/hdl.md`` says what every key means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, Final

from bandmaster.errors import SpaceError
from bandmaster.space.columns import Column, make_column
from bandmaster.space.evaluate import compile_predicate
from bandmaster.space.hdl_rules import Rules
from bandmaster.space.hdl_types import Path, fail, hdl_parameter
from bandmaster.space.layering import CHOICE, SEPARATOR
from bandmaster.space.parameters import Categorical, Constant, Parameter
from bandmaster.space.predicates import Condition, Equals, Forbidden, In, Predicate, names_in
from bandmaster.space.space import Space

__all__ = ["compile_hdl"]

_SUFFIX: Final = re.compile(r"^(?P<name>.*)\((?P<kind>[^()]*)\)$")
_RULES: Final = ("__activate", "__condition", "__forbidden")
_CHOICE_OPTIONS: Final = ("__default", "__weights")


def compile_hdl(hdl: Mapping[str, Any]) -> Space:
    """Return the space that an HDL dict describes.

    Raises
    ------
    SpaceError
        Names the path to what is wrong, what was found and what is expected.
    """
    if not isinstance(hdl, Mapping):
        raise SpaceError(f"an HDL is a dict, not {hdl!r} (a {type(hdl).__name__})")
    reader = _Reader()
    reader.read_space(hdl, prefix="", path=(), guard=None)
    if not reader.parameters:
        raise SpaceError("the HDL has no parameters")
    return Space(reader.parameters, conditions=reader.conditions(), forbidden=reader.forbidden)


def _is_leaf(value: Any) -> bool:
    return isinstance(value, Mapping) and any(
        isinstance(key, str) and key.startswith("_") and not key.startswith("__") for key in value
    )


class _Reader:
    """Collects parameters and rules while it walks the nested dicts."""

    def __init__(self) -> None:
        self.parameters: list[Parameter] = []
        self.columns: list[Column] = []
        self.index: dict[str, int] = {}
        self.guards: dict[str, Predicate | None] = {}
        self.extra: dict[str, list[Predicate]] = {}
        self.forbidden: list[Forbidden] = []

    def read_space(
        self, hdl: Mapping[str, Any], *, prefix: str, path: Path, guard: Predicate | None
    ) -> None:
        """Read a dict of parameters, whose rules speak about its own names."""
        for key, value in hdl.items():
            self._check_key(key, path)
            if not key.startswith("__"):
                self._read_entry(key, value, prefix=prefix, path=(*path, key), guard=guard)
            elif key not in _RULES:
                raise fail(path, f"{key!r} is unknown; expected {_listed(_RULES)}, or a name")
        self._read_rules(hdl, prefix, path, guard)

    def conditions(self) -> list[Condition]:
        """Return all conditions, in the order of the parameters."""
        result = []
        for name in self.index:
            guard = self.guards[name]
            extra = [when for when in self.extra.get(name, ()) if not self._always(when, guard)]
            parents = [parent for when in extra for parent in names_in(when)]
            # A condition on a parameter of the same option includes the option.
            implied = any(self.guards[parent] == guard for parent in parents)
            if guard is not None and not implied:
                result.append(Condition(name, guard))
            result.extend(Condition(name, when) for when in extra)
        return result

    def _always(self, when: Predicate, guard: Predicate | None) -> bool:
        """Whether a condition lists all values of a parent that is there whenever the child is."""
        if not isinstance(when, In):
            return False
        parent = when.parameter
        if parent in self.extra or self.guards[parent] != guard:
            return False
        return len(when.values) == self.columns[self.index[parent]].n_values

    def _check_key(self, key: Any, path: Path) -> None:
        if not isinstance(key, str) or not key:
            raise fail(
                path, f"the key {key!r} is a {type(key).__name__}; keys are strings, not empty"
            )

    def _read_entry(
        self, key: str, value: Any, *, prefix: str, path: Path, guard: Predicate | None
    ) -> None:
        suffix = _SUFFIX.match(key)
        if _is_leaf(value):
            self._add(hdl_parameter(prefix + key, value, path), path, guard)
        elif isinstance(value, Mapping):
            if suffix is None:
                if not value:
                    raise fail(path, "the dict is empty; expected parameters")
                self.read_space(value, prefix=prefix + key + SEPARATOR, path=path, guard=guard)
            elif suffix["kind"] == "choice":
                self._read_choice(value, prefix=prefix + suffix["name"], path=path, guard=guard)
            else:
                raise fail(path, f"the suffix ({suffix['kind']}) is unknown; expected (choice)")
        elif suffix is not None and suffix["kind"] == "choice":
            raise fail(
                path,
                f"found {value!r}; expected a dict from option names to their parameters (a choice "
                'among plain values is {"_type": "choice", "_value": […]} without the suffix)',
            )
        elif isinstance(value, (list, tuple)):
            raise fail(
                path,
                f"found the list {value!r}; expected a dict or one value (a choice is "
                '{"_type": "choice", "_value": […]})',
            )
        else:
            self._add_constant(prefix + key, value, path, guard)

    def _add_constant(self, name: str, value: Any, path: Path, guard: Predicate | None) -> None:
        try:
            parameter = Constant(name, value)
        except SpaceError as error:
            raise fail(path, str(error)) from None
        self._add(parameter, path, guard)

    def _read_choice(
        self, hdl: Mapping[str, Any], *, prefix: str, path: Path, guard: Predicate | None
    ) -> None:
        if prefix == "" or prefix.endswith(SEPARATOR):
            raise fail(path, "a name is expected before (choice)")
        options: dict[str, tuple[str, Any]] = {}
        shared: dict[str, Any] = {}
        for key, value in hdl.items():
            self._check_key(key, path)
            if key.startswith("__"):
                if key not in (*_RULES, *_CHOICE_OPTIONS):
                    raise fail(
                        path,
                        f"{key!r} is unknown; expected {_listed((*_RULES, *_CHOICE_OPTIONS))}, "
                        "or an option",
                    )
            elif value is None or (isinstance(value, Mapping) and not _is_leaf(value)):
                suffix = _SUFFIX.match(key)
                option = suffix["name"] if suffix and suffix["kind"] == "choice" else key
                if option in options:
                    raise fail(path, f"the option {option!r} is there twice")
                options[option] = (key, value)
            else:
                shared[key] = value
        if not options:
            raise fail(
                path,
                "there are no options; expected a dict from option names to the dicts of their "
                "parameters ({} for an option without any)",
            )
        name = prefix + SEPARATOR + CHOICE
        self._add(self._choice_parameter(name, tuple(options), hdl, path), path, guard)
        for key, value in shared.items():
            self._read_entry(key, value, prefix=prefix + SEPARATOR, path=(*path, key), guard=guard)
        for option, (key, value) in options.items():
            inner: Predicate = Equals(name, option)
            below = prefix + SEPARATOR + option
            if key != option:
                self._read_entry(
                    key, value, prefix=prefix + SEPARATOR, path=(*path, key), guard=inner
                )
            elif value:
                self.read_space(value, prefix=below + SEPARATOR, path=(*path, key), guard=inner)
        self._read_rules(hdl, prefix + SEPARATOR, path, guard)

    def _choice_parameter(
        self, name: str, options: tuple[str, ...], hdl: Mapping[str, Any], path: Path
    ) -> Categorical:
        given: dict[str, Any] = {}
        if "__default" in hdl:
            given["default"] = hdl["__default"]
        if "__weights" in hdl:
            weights = hdl["__weights"]
            if isinstance(weights, Mapping):
                unknown = [option for option in weights if option not in options]
                if unknown:
                    raise fail((*path, "__weights"), f"there is no option {unknown[0]!r}")
                weights = [weights.get(option, 1.0) for option in options]
            given["weights"] = weights
        try:
            return Categorical(name, options, **given)
        except (SpaceError, TypeError) as error:
            raise fail(path, str(error)) from None

    def _add(self, parameter: Parameter, path: Path, guard: Predicate | None) -> None:
        name = parameter.name
        if name in self.index:
            raise fail(path, f"the parameter {name!r} is there twice")
        try:
            column = make_column(parameter)
            column.default()
        except SpaceError as error:
            raise fail(path, f"the default or the values are not legal: {error}") from None
        self.index[name] = len(self.parameters)
        self.parameters.append(parameter)
        self.columns.append(column)
        self.guards[name] = guard

    # ------------------------------------------------------------------ rules

    def _read_rules(
        self, hdl: Mapping[str, Any], prefix: str, path: Path, guard: Predicate | None
    ) -> None:
        for key in _RULES:
            if key in hdl:
                scope = _Scope(self, prefix, guard)
                rules = Rules(scope.parameter, scope.children, scope.check)
                where = (*path, key)
                if key == "__forbidden":
                    self.forbidden.extend(Forbidden(p) for p in rules.forbidden(hdl[key], where))
                    continue
                read = rules.activate if key == "__activate" else rules.condition
                for child, when in read(hdl[key], where):
                    extra = self.extra.setdefault(child, [])
                    if when not in extra:
                        extra.append(when)


class _Scope:
    """How the rules of one dict find parameters: by its own names first, else by full ones."""

    def __init__(self, reader: _Reader, prefix: str, guard: Predicate | None) -> None:
        self._reader = reader
        self._prefix = prefix
        self._guard = guard

    def parameter(self, name: Any, path: Path) -> Parameter:
        """Return the parameter that a rule names."""
        for candidate in self._candidates(name, path):
            if candidate in self._reader.index:
                return self._reader.parameters[self._reader.index[candidate]]
        raise self._unknown(name, path)

    def children(self, name: Any, path: Path) -> list[str]:
        """Return the parameters that a rule activates by one name: one, or a whole sub-space."""
        candidates = self._candidates(name, path)
        for candidate in candidates:
            if candidate in self._reader.index and not candidate.endswith(CHOICE):
                return [candidate]
        for candidate in candidates:
            inside = candidate.removesuffix(CHOICE).removesuffix(SEPARATOR) + SEPARATOR
            found = [
                name
                for name, guard in self._reader.guards.items()
                if name.startswith(inside) and guard == self._guard
            ]
            if found:
                return found
        raise self._unknown(name, path)

    def check(self, predicate: Predicate, path: Path) -> None:
        """Raise when the predicate names values that its parameters cannot have."""
        try:
            compile_predicate(predicate, self._reader.columns, self._reader.index)
        except SpaceError as error:
            raise fail(path, str(error)) from None

    def _candidates(self, name: Any, path: Path) -> list[str]:
        if not isinstance(name, str):
            raise fail(path, f"found {name!r}; expected the name of a parameter")
        bare = name.removesuffix("(choice)")
        result = []
        for prefix in dict.fromkeys((self._prefix, "")):
            if bare == name:
                result.append(prefix + name)
            result.append(prefix + bare + SEPARATOR + CHOICE)
        return result

    def _unknown(self, name: Any, path: Path) -> SpaceError:
        here = [
            known.removeprefix(self._prefix)
            for known in self._reader.index
            if known.startswith(self._prefix)
        ]
        close = difflib.get_close_matches(str(name), here, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(here)}"
        return fail(path, f"there is no parameter {name!r} here; {hint}")


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(map(repr, words))
