"""The result's table, and how values are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.formatting import format_budget
from bandmaster.study.formatting import format_loss, format_losses, format_value
from bandmaster.study.table import ResultTable
from bandmaster.testing.histories import make_evaluation


def _table(**changes):
    best = {
        0.25: make_evaluation(0, 0.03449, config={"model": "knn", "k": 5}),
        1.0: make_evaluation(1, 0.01170, config={"model": "svm", "C": 0.000123456789}),
    }
    spec = {
        "parameters": ("model", "k", "C"),
        "budgets": (0.25, 0.5, 1.0),
        "best": best,
        "n_configs": {0.25: 40, 1.0: 50},
    }
    return ResultTable(**{**spec, **changes})


def test_the_layout_is_the_seeds():
    """A column a budget, `-` for inactive or unknown, then budgets, losses and counts."""
    expected = """\
+----------------------------------------------+
| HyperParameters | Optimal Value              |
+-----------------+--------+-----+-------------+
| model           | knn    | -   | svm         |
| k               | 5      | -   | -           |
| C               | -      | -   | 0.000123457 |
+-----------------+--------+-----+-------------+
| Budgets         | 1/4    | 1/2 | 1 (max)     |
+-----------------+--------+-----+-------------+
| Optimal Loss    | 0.0345 | -   | 0.0117      |
+-----------------+--------+-----+-------------+
| Num Configs     | 40     | 0   | 50          |
+-----------------+--------+-----+-------------+"""
    assert expected == _table().to_text()


NASTY = st.text(max_size=120)


@given(
    st.dictionaries(NASTY, NASTY | st.integers() | st.floats() | st.none() | st.lists(NASTY)),
    st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=4, unique=True).map(sorted),
)
def test_every_table_is_a_rectangle(config, budgets):
    """Whatever names and values are, all lines are equally long and nothing breaks a line."""
    best = {budgets[0]: make_evaluation(0, 0.5, config=config)}
    text = ResultTable(tuple(config), budgets, best, {}).to_text()
    assert 1 == len({len(line) for line in text.split("\n")})
    assert len(config) + 9 + bool(config) == len(text.split("\n"))
    assert text.splitlines() == text.split("\n")


def test_one_budget_is_one_column_as_wide_as_its_title():
    """The title `Optimal Value` fits."""
    lines = _table(budgets=(1.0,)).to_text().splitlines()
    assert "| HyperParameters | Optimal Value |" == lines[1]
    assert "| Budgets         | 1 (max)       |" == lines[7]


def test_of_very_many_budgets_the_largest_are_shown():
    """A population has one a boundary; a note, in text and in a notebook, says what is left out."""
    table = _table(budgets=tuple(range(1, 26)), notes=["A note."])
    text = table.to_text()
    assert [*map(str, range(14, 25)), "25 (max)"] == [
        cell.strip() for cell in text.splitlines()[7].strip("|").split("|")[1:]
    ]
    assert ["13 smaller budgets are not shown.", "A note."] == text.splitlines()[-2:]
    assert "13 smaller budgets" in table.to_html()
    assert "colspan='12'" in table.to_html()


def test_a_space_without_parameters_has_a_table():
    """The section of the parameters is left out."""
    lines = _table(parameters=()).to_text().splitlines()
    assert lines[3].startswith("| Budgets ")


def test_a_very_long_name_loses_its_middle():
    """Its beginning and end tell it from others."""
    line = _table(parameters=("start" + "x" * 200 + "end",)).to_text().splitlines()[3]
    assert line.startswith("| startxxx")
    assert "end |" in line
    assert len(line) < 140


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (0.25, "1/4"), (1 / 3, "1/3"), (1 / 729, "1/729"), (1.0, "1"), (27, "27"), (1.5, "3/2"),
        (100 / 9, "100/9"), (0.001, "1/1000"), (0.1 + 0.2, "3/10"), (0.123456789, "0.123457"),
        (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_budgets_are_fractions_where_these_are_exact(budget, expected):
    """Other budgets are decimals."""
    assert expected == format_budget(budget)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (None, "-"), (0.0, "0"), (0.03449, "0.0345"), (0.5, "0.5000"), (1.23456, "1.2346"),
        (-0.98, "-0.9800"), (123.456789, "123.457"), (0.00123456, "0.001235"), (1e-9, "1e-09"),
    ],
)  # fmt: skip
def test_losses_are_short_and_keep_their_digits(loss, expected):
    """Four decimals, or four significant digits for what is small."""
    assert expected == format_loss(loss)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e3, 1e3))
def test_two_losses_look_different_when_they_are(first, second):
    """And equal when they are equal."""
    one, other = format_losses(first, second)
    assert (first != second) == (one != other)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, "2"), (True, "True"), (None, "None"), (0.5, "0.5"), (1.0, "1.0"), (1e-3, "0.001"),
        (0.1 + 0.2, "0.3"), (123456789.123, "1.23457e+08"), ("distance", "distance"),
        ("2", "'2'"), ("-", "'-'"), ("", "''"), ("True", "'True'"), (" a", "' a'"),
        ("nan", "'nan'"), ("3-fold", "3-fold"), ("a\nb", r"'a\nb'"), ((1, 2), "(1, 2)"),
    ],
)  # fmt: skip
def test_values_are_written_natively(value, expected):
    """A string is bare unless it could be taken for something else."""
    assert expected == format_value(value)


def test_long_values_end_in_dots():
    """They never widen a column beyond the limit."""
    assert "x" * 37 + "..." == format_value("x" * 100)
    assert 40 == len(format_value(list(range(100))))
