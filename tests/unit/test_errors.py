"""The tree of errors."""

from __future__ import annotations

import pickle
import re

import pytest

from bandmaster import errors

CLASSES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("error", CLASSES, ids=lambda c: c.__name__)
def test_one_root(error: type[Exception]) -> None:
    """`except BandmasterError` catches everything that is raised on purpose."""
    assert issubclass(error, errors.BandmasterError)
    assert issubclass(error, Exception)


def test_the_drawn_tree_is_the_real_one() -> None:
    """The docstring draws every class below its parent, with the builtin it inherits."""
    drawn, stack = {}, ["BandmasterError"]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([│├└─ ]+)(\w+)\s*(?:\((\w+)\))?", line)
        if match:
            depth = len(match[1]) // 4
            del stack[depth:]
            drawn[match[2]] = (stack[-1], match[3])
            stack.append(match[2])
    real = {}
    for error in CLASSES[:]:
        if error is errors.BandmasterError:
            continue
        parent, *builtin = error.__bases__
        real[error.__name__] = (parent.__name__, builtin[0].__name__ if builtin else None)
    assert real == drawn


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.ConfigurationError, ValueError),
        (errors.MissingExtraError, ImportError),
        (errors.IllegalConfigurationError, ValueError),
        (errors.UnknownJobError, LookupError),
        (errors.AuthenticationError, PermissionError),
        (errors.CommTimeoutError, TimeoutError),
        (errors.CommError, ConnectionError),
        (errors.StorageError, OSError),
    ],
)
def test_the_builtin_catches_it(error: type[Exception], builtin: type[Exception]) -> None:
    """Code that knows only builtins catches them too."""
    assert issubclass(error, builtin)


def test_missing_extra_says_what_to_do() -> None:
    """A missing library is named by the command that installs it."""
    message = str(errors.MissingExtraError("the automl example", "sklearn"))
    assert "the automl example" in message
    assert "pip install 'bandmaster[sklearn]'" in message


@pytest.mark.parametrize("error", CLASSES, ids=lambda c: c.__name__)
def test_errors_survive_pickling(error: type[Exception]) -> None:
    """An error crosses to another process with its type and message."""
    arguments: dict[type[Exception], tuple[object, ...]] = {
        errors.AllFailedError: (10, "traceback"),
        errors.MissingExtraError: ("a", "b"),
    }
    made = error(*arguments.get(error, ("text",)))
    back = pickle.loads(pickle.dumps(made))
    assert (type(made), str(made)) == (type(back), str(back))
