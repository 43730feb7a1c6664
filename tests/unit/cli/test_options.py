"""What the options of the command line mean."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.cli.master import GENERATORS, make_generator
from bandmaster.cli.options import make_tls, number
from bandmaster.cli.sources import check_output
from bandmaster.cli.targets import load_target
from bandmaster.errors import ConfigurationError


@given(st.fractions(min_value=Fraction(1, 10**6), max_value=10**6, max_denominator=10**6))
def test_a_fraction_is_read_exactly(value: Fraction) -> None:
    """Any fraction is read as the number nearest to it, a whole one as an int."""
    read = number(f"{value.numerator}/{value.denominator}")
    assert float(value) == read
    assert (int if value.denominator == 1 else float) is type(read)


@pytest.mark.parametrize(
    ("text", "value"), [("27", 27), ("1/4", 0.25), (" 1 / 4 ", 0.25), ("1e3", 1000), ("2.5", 2.5)]
)
def test_numbers_as_people_write_them(text: str, value: float) -> None:
    """Decimals, exponents and fractions are numbers."""
    assert value == number(text)


@pytest.mark.parametrize("text", ["", "a", "1/0", "0", "-1", "nan", "inf", "1/4/2"])
def test_what_is_no_positive_number_is_refused(text: str) -> None:
    """The message repeats what was given."""
    with pytest.raises(click.BadParameter, match="is "):
        number(text)


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_ends_at_the_maximal_budget(name: str) -> None:
    """Each value of --generator makes one."""
    made = make_generator(name, None if name == "flat" else 1, 9, 3)
    assert 9 == made.get_budgets()[-1]


def test_flat_has_one_budget() -> None:
    """A minimal budget would be ignored, so it is refused."""
    with pytest.raises(ConfigurationError, match="--max-budget only"):
        make_generator("flat", 1, 9, 3)


def test_the_others_need_a_minimal_budget() -> None:
    """The message names the option, and the generator that needs none."""
    with pytest.raises(ConfigurationError, match=r"--min-budget .*flat"):
        make_generator("hyperband", None, 9, 3)


@pytest.mark.parametrize("path", [None, "result.pkl", "result.CSV", "folder"])
def test_outputs_that_can_be_written(path: str | None) -> None:
    """No output, a file of a known suffix, or a directory, in a folder that exists."""
    check_output(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty current folder; what is imported from it is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def test_a_target_in_the_current_folder(folder: Path) -> None:
    """The console script finds modules beside it, as `python -m` does."""
    (folder / "target_beside.py").write_text("class A:\n    value = 3\n")
    assert 3 == load_target("target_beside:A.value")


def test_a_target_in_a_file_sees_its_neighbours(folder: Path) -> None:
    """The file's folder comes first on the path, as for a script."""
    (folder / "deep").mkdir()
    (folder / "deep" / "neighbour_of_target.py").write_text("VALUE = 7\n")
    (folder / "deep" / "target.py").write_text("from neighbour_of_target import VALUE\n")
    assert 7 == load_target("deep/target.py:VALUE")


def test_a_file_may_have_the_name_of_a_loaded_module(folder: Path) -> None:
    """A file called json.py does not take the place of json, nor the other way round."""
    import json

    (folder / "json.py").write_text("VALUE = 5\n")
    assert 5 == load_target("json.py:VALUE")
    assert sys.modules["json"] is json


@pytest.mark.parametrize("target", ["", "module", ":name", "module:"])
def test_a_target_has_two_parts(target: str) -> None:
    """The message shows how one looks."""
    with pytest.raises(ConfigurationError, match="expected module:name"):
        load_target(target)


def test_an_import_that_fails_inside_a_module_is_not_hidden(folder: Path) -> None:
    """That a module of the user's lacks a library is not "there is no such module"."""
    (folder / "target_lacking.py").write_text("import library_that_is_absent\n")
    with pytest.raises(ModuleNotFoundError, match="library_that_is_absent"):
        load_target("target_lacking:f")


def test_tls_on_the_command_line() -> None:
    """--tls insists, --certificate names the files, and neither leaves it to the run."""
    assert [None, True, ("a", "b"), ("a", "b")] == [
        make_tls(False, None),
        make_tls(True, None),
        make_tls(False, ("a", "b")),
        make_tls(True, ("a", "b")),
    ]
