"""Names of engines: options, constants of modules, generators, labels."""

from __future__ import annotations

import pytest

from bandmaster.errors import ConfigurationError
from bandmaster.testing import problems
from benchmarks.quality.engines import Spec, engine, parse


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("ETPE", Spec("ETPE")),
        ("ETPE@before", Spec("ETPE")),
        ("ETPE+BOHB", Spec("ETPE", (), "BOHB")),
        ("ETPE:a=1,b=[1, 2],c=x", Spec("ETPE", (("a", 1), ("b", [1, 2]), ("c", "x")))),
        ("ETPE:m._C=0.5+BOHB@new", Spec("ETPE", (("m._C", 0.5),), "BOHB")),
    ],
)
def test_the_parts_of_a_name(text: str, spec: Spec) -> None:
    """A name is read as engine, options, generator; a label is not part of what is run."""
    assert spec == parse(text)


def test_options_and_constants_are_told_apart() -> None:
    """What has a dot is a constant of a module, the rest goes to the constructor."""
    spec = parse("ETPE:gamma=0.1,split._CAP=3")
    assert ({"gamma": 0.1}, {"split._CAP": 3}) == (spec.arguments, spec.constants)


def test_a_constant_is_put_back() -> None:
    """While the engine plays the module has the new value, afterwards the old, also on errors."""
    old = problems._HARTMANN_SCALES

    def broken() -> None:
        with engine(parse("Random:testing.problems._HARTMANN_SCALES=77"), seed=0):
            assert problems._HARTMANN_SCALES == 77
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert old is problems._HARTMANN_SCALES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ETPE:gamma", "has no value"),
        ("ETPE:testing.problems._NOPE=1", "has no constant '_NOPE'"),
        ("ETPE:nowhere._CAP=1", "no module 'nowhere'"),
        ("Nobody", "no optimizer 'Nobody'"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    """A name that says nothing that exists is refused."""
    with pytest.raises(ConfigurationError, match=message), engine(parse(text), seed=0):
        pass
