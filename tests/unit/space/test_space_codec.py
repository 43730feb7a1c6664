"""Rules of the float matrix: sampling, encoding, decoding, activity, legality, repair."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandmaster.errors import IllegalConfigurationError, SpaceError
from bandmaster.space import (
    And,
    Beta,
    Categorical,
    Condition,
    Constant,
    Equals,
    Float,
    Forbidden,
    GreaterThan,
    Integer,
    Normal,
    Ordinal,
    Space,
)
from bandmaster.testing.spaces import spaces

sys.path.insert(0, str(Path(__file__).parent))  # tests are no package

from naive import active_names, forbidden

SEEDS = st.integers(0, 2**32 - 1)
few = settings(max_examples=40, deadline=None)


def same_rows(a, b):
    return np.array_equal(a, b, equal_nan=True)


@given(spaces(), SEEDS)
@few
def test_samples_are_legal(space, seed):
    """What is sampled is legal, as a row and as a configuration."""
    X = space.sample(20, np.random.default_rng(seed))
    assert (20, space.dim) == X.shape
    assert space.legal(X).all()
    for config in space.decode(X):
        space.validate(config)


@given(spaces(), SEEDS)
@few
def test_one_row_is_as_many(space, seed):
    """The functions of one row agree with those of a matrix to the last bit."""
    X = space.sample(10, np.random.default_rng(seed))
    configs = space.decode(X)
    assert configs == [space.decode_one(x) for x in X]
    assert same_rows(space.encode(configs), [space.encode_one(c) for c in configs])
    one = space.sample(1, np.random.default_rng(seed))
    assert space.decode(one) == space.sample_configs(1, np.random.default_rng(seed))
    if not space.forbidden:
        unit = np.random.default_rng(seed).random((1, space.dim))
        assert same_rows(space.from_unit(unit), one)


@pytest.mark.parametrize(
    "more",
    [
        {"f": 1, "l": 10, "i": 7.0, "o": "b"},
        {"f": np.float32(0.5), "l": np.float64(2), "i": np.int64(4), "o": np.str_("a")},
        {"f": 3.1, "l": 1.0, "i": 1, "o": "a"},
        {"f": float("nan"), "l": 1.0, "i": 1, "o": "a"},
        {"f": 1.0, "l": 1.0, "i": 2, "o": "a"},
        {"f": 1.0, "l": 1.0, "i": 2**70, "o": "a"},
        {"f": 1.0, "l": 1.0, "i": 1, "o": "c"},
        {"f": 1.0, "l": 1.0, "i": 1, "x": 0},
    ],
)
def test_many_are_encoded_or_refused_as_one(more):
    """Whatever is among many configurations is encoded, or refused, as it is alone."""
    space = Space(
        [
            Float("f", 0, 3), Float("l", 1, 100, log=True), Integer("i", 1, 10, q=3),
            Categorical("o", ("a", "b")),
        ]
    )  # fmt: skip
    configs = [{"f": 0.1, "l": 3.0, "i": 4, "o": "b"}, more]
    found, expected = [], []
    for outcome, encode in (
        (found, lambda: space.encode(configs)),
        (expected, lambda: [space.encode_one(config) for config in configs]),
    ):
        try:
            outcome.append(np.array(encode()).tolist())
        except IllegalConfigurationError as error:
            outcome.append(str(error))
    assert expected == found


@given(spaces(), SEEDS)
@few
def test_round_trip(space, seed):
    """Discrete codes and values come back exactly, continuous ones within rounding."""
    X = space.sample(10, np.random.default_rng(seed))
    configs = space.decode(X)
    again = space.encode(configs)
    discrete = np.isfinite(space.n_values)
    assert same_rows(X[:, discrete], again[:, discrete])
    np.testing.assert_allclose(again, X, rtol=0, atol=1e-9)
    for config, second in zip(configs, space.decode(again), strict=True):
        assert list(config) == list(second)
        for name, value in config.items():
            assert type(value) is type(second[name])
            if isinstance(space.parameters[space.index[name]], Float):
                assert second[name] == pytest.approx(value, rel=1e-9, abs=1e-9)
            else:
                assert value == second[name]


@given(spaces(), SEEDS)
@few
def test_active_and_legal_equal_the_naive_rules(space, seed):
    """Bulk activity and legality say what the conditions and clauses say, read one by one."""
    rng = np.random.default_rng(seed)
    free = Space(space.parameters)  # every column active
    full_rows = free.sample(15, rng)
    mask = space.active(full_rows)
    for row, on, full in zip(full_rows, mask, free.decode(full_rows), strict=True):
        names = active_names(space, full)
        assert names == {name for name, flag in zip(space.names, on, strict=True) if flag}
        blanked = np.where(on, row, np.nan)[None]
        config = {name: value for name, value in full.items() if name in names}
        assert [not forbidden(space, config)] == space.legal(blanked).tolist()
        if len(names) < space.dim:
            assert space.legal(row[None]).tolist() == [False]


@given(spaces(), SEEDS)
@few
def test_repair(space, seed):
    """Repair leaves legal rows alone, and makes any numbers rows of the grid."""
    rng = np.random.default_rng(seed)
    X = space.sample(10, rng)
    assert same_rows(X, space.repair(X))
    raw = rng.normal(0.5, 2.0, X.shape)
    raw[rng.random(X.shape) < 0.2] = np.nan
    raw[rng.random(X.shape) < 0.05] = np.inf
    before = raw.copy()
    repaired = space.repair(raw)
    assert same_rows(before, raw)
    assert same_rows(repaired, space.repair(repaired))
    bare = Space(space.parameters, conditions=space.conditions)
    assert bare.legal(repaired).all()


@given(spaces(), SEEDS)
@few
def test_groups_are_active_together(space, seed):
    """The groups partition the columns, parents come first, and a group is active as one."""
    columns = [j for group in space.groups for j in group.columns]
    assert sorted(columns) == list(range(space.dim))
    mask = space.active(space.sample(20, np.random.default_rng(seed)))
    seen: set[int] = set()
    for group in space.groups:
        assert set(group.parents) <= seen
        seen |= set(group.columns)
        assert (mask[:, list(group.columns)] == mask[:, [group.columns[0]]]).all()
        if group.when is None:
            assert mask[:, list(group.columns)].all()


@given(spaces())
@few
def test_default_is_legal(space):
    """The default configuration is legal, and the values are those given."""
    config = space.default_config()
    space.validate(config)
    assert config == space.complete({})


def test_values_come_back_with_their_type():
    """A choice is handed out as it was given: 2 is no '2', True no 1, None no 'None'."""
    values = [2, "2", True, 1, 1.0, None, "None", 0, False, "", 0.1, (1, 2), [1, 2], {"a": 1}]
    space = Space([Categorical("c", values)])
    X = np.arange(len(values), dtype=float)[:, None]
    decoded = [config["c"] for config in space.decode(X)]
    assert [(type(v), v) for v in values] == [(type(v), v) for v in decoded]
    assert same_rows(X, space.encode([{"c": value} for value in values]))


def test_numpy_scalars_are_taken():
    """Values as NumPy and ConfigSpace hand them out are encoded as the native ones."""
    space = Space([Categorical("c", [1, "a", None]), Integer("i", 0, 9), Float("f", 0, 1)])
    given = {"c": np.int64(1), "i": np.int32(3), "f": np.float32(0.5)}
    assert same_rows(space.encode_one({"c": 1, "i": 3, "f": 0.5}), space.encode_one(given))
    assert space.encode_one({"c": np.str_("a"), "i": 3, "f": 0})[0] == 1.0


def test_mutable_choices_are_copies():
    """A user who changes a list that was handed out does not change the space."""
    space = Space([Categorical("layers", [[64], [64, 64]])])
    space.decode_one([0.0])["layers"].append(1)
    space.decode([[0.0], [0.0]])[0]["layers"].append(1)
    assert space.decode_one([0.0]) == {"layers": [64]}


def test_quantised_values_are_decimal():
    """Multiples of the step are the decimal numbers a person would write."""
    column = Space([Float("q", 0, 1, q=0.1)])
    values = [column.decode_one(row)["q"] for row in column.enumerate()]
    assert values == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    with pytest.raises(IllegalConfigurationError, match=r"0\.25.*from 0\.0 to 1\.0 in steps of 0"):
        column.encode_one({"q": 0.25})


def test_a_range_that_the_step_does_not_fill_ends_below():
    """The greatest legal value is the last step that does not pass the upper bound."""
    space = Space([Integer("i", 0, 10, q=4), Float("f", 0, 1, q=0.3)])
    assert space.n_values.tolist() == [3.0, 4.0]
    assert space.decode_one([1.0, 1.0]) == {"i": 8, "f": 0.9}


@pytest.mark.parametrize("upper", [50, 5000, 10**9])
def test_log_integers_come_back_exactly(upper):
    """Log integers survive the codec, in table and formula, up to a billion."""
    space = Space([Integer("i", 1, upper, log=True)])
    values = sorted({1, 2, 3, upper // 3, upper - 1, upper})
    X = space.encode([{"i": value} for value in values])
    assert values == [config["i"] for config in space.decode(X)]
    assert space.legal(X).all()
    assert (np.diff(X[:, 0]) > 0).all()


def test_discrete_values_are_sampled_equally_often():
    """Every integer of a linear range owns a cell of the same size."""
    space = Space([Integer("i", 0, 4)])
    values = space.decode(space.from_unit((np.arange(1000)[:, None] + 0.5) / 1000))
    assert [sum(c["i"] == v for c in values) for v in range(5)] == [200] * 5


def test_log_scale():
    """On a log scale the middle is the geometric mean, for floats and (nearly) for integers."""
    space = Space([Float("f", 1e-4, 1e2, log=True), Integer("i", 1, 10_000, log=True)])
    middle = space.decode_one(space.repair([[0.5, 0.5]])[0])
    assert middle["f"] == pytest.approx(0.1)
    assert 60 < middle["i"] < 110
    assert space.decode_one([0.0, 0.0]) == {"f": 1e-4, "i": 1}
    assert space.decode_one([1.0, 1.0]) == {"f": 1e2, "i": 10_000}


def test_weights_are_the_frequencies():
    """A weighted choice is sampled in proportion; a weight of 0 is never sampled, yet legal."""
    space = Space([Categorical("c", ["a", "b", "c"], weights=[1, 0, 3])])
    drawn = space.from_unit((np.arange(400)[:, None] + 0.5) / 400)[:, 0]
    assert np.bincount(drawn.astype(int), minlength=3).tolist() == [100, 0, 300]
    space.validate({"c": "b"})
    assert space.default_config() == {"c": "c"}


def test_distributions_shape_samples():
    """Normal and beta parameters follow their quantiles, floats and integers alike."""
    space = Space(
        [
            Float("n", 0, 10, distribution=Normal(5, 1)),
            Integer("i", 0, 100, distribution=Normal(50, 10)),
            Float("b", 0, 1, distribution=Beta(2, 1)),
            Integer("l", 1, 1000, log=True, distribution=Beta(3, 3)),
        ]
    )
    u = (np.arange(2001)[:, None] + 0.5) / 2001
    configs = space.decode(space.from_unit(np.repeat(u, 4, axis=1)))
    n = np.array([c["n"] for c in configs])
    assert pytest.approx([n.mean(), n.std()], abs=0.02) == [5.0, 1.0]
    i = np.array([c["i"] for c in configs])
    assert pytest.approx([i.mean(), i.std()], abs=0.2) == [50.0, 10.0]
    assert np.mean([c["b"] for c in configs]) == pytest.approx(2 / 3, abs=0.01)
    assert 25 <= np.median([c["l"] for c in configs]) <= 40


def conditional_space():
    return Space(
        [
            Categorical("model", ["knn", "svm"]),
            Integer("k", 1, 9),
            Float("C", 0.1, 10, log=True),
            Ordinal("size", ["s", "m", "l"]),
            Constant("seed", 42),
        ],
        conditions=[
            Condition("k", Equals("model", "knn")),
            Condition("C", Equals("model", "svm")),
            Condition("C", GreaterThan("size", "s")),
        ],
        forbidden=[Forbidden(And(Equals("k", 1), Equals("size", "l")))],
    )


GOOD = {"model": "knn", "k": 3, "size": "s", "seed": 42}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, r"'k': 0 \(int\) is not legal; legal is an integer from 1 to 9"),
        ({"k": 2.5}, r"'k': 2.5 \(float\)"),
        ({"k": True}, r"'k': True \(bool\)"),
        ({"k": "3"}, r"'k': '3' \(str\)"),
        ({"k": math.nan}, "'k': nan"),
        ({"k": 10**400}, "'k'"),
        ({"model": "tree"}, "'model': 'tree' .* one of 'knn', 'svm'"),
        ({"seed": 43}, "'seed': 43 .* only 42"),
        ({"size": None}, "'size': None"),
        ({"siz": 3}, "no parameter 'siz'.* did you mean 'size'"),
        ({"C": 1.0}, "'C' is 1.0 but inactive here: .*model == 'svm' and size > 's'"),
        ({"model": "svm"}, "'k' is 3 but inactive here"),
        ({"k": 1, "size": "l"}, "forbidden: k == 1 and size == 'l'"),
    ],
)
def test_validate_says_what_is_wrong(change, message):
    """An illegal configuration is named with the parameter, what was found and what is legal."""
    space = conditional_space()
    space.validate(GOOD)
    with pytest.raises(IllegalConfigurationError, match=message):
        space.validate({**GOOD, **change})


def test_validate_names_what_is_missing():
    """A missing active parameter is named with the reason why it is active."""
    with pytest.raises(IllegalConfigurationError, match=r"'k' is missing: .*model == 'knn'"):
        conditional_space().validate({"model": "knn", "size": "s", "seed": 42})
    with pytest.raises(IllegalConfigurationError, match="'seed' is missing: it is always active"):
        conditional_space().validate({"model": "knn", "size": "s", "k": 3})
    with pytest.raises(IllegalConfigurationError, match="a configuration is a dict"):
        conditional_space().validate([1])


@pytest.mark.parametrize("value", [math.inf, -math.inf, 10**400, -0.1, math.nan, "0.5", None, True])
@pytest.mark.parametrize("q", [None, 0.25])
def test_floats_refuse_what_is_no_legal_number(value, q):
    """A float takes numbers between its bounds and nothing else."""
    with pytest.raises(IllegalConfigurationError, match="'f'"):
        Space([Float("f", 0, 1, q=q)]).encode_one({"f": value})


def test_complete_fills_defaults():
    """A partial configuration is filled with the defaults of what it makes active."""
    space = conditional_space()
    assert space.complete({"model": "svm", "size": "m"}) | {"C": 1.0} == {
        "model": "svm",
        "C": 1.0,
        "size": "m",
        "seed": 42,
    }
    with pytest.raises(IllegalConfigurationError, match="'k' is 3 but inactive"):
        space.complete({"model": "svm", "k": 3})


def test_a_forbidden_default_is_replaced():
    """Where a clause forbids the defaults, the nearest drawn configuration takes their place."""
    space = Space(
        [Categorical("a", [1, 2]), Categorical("b", [1, 2]), Integer("c", 0, 9, default=7)],
        forbidden=[Forbidden(And(Equals("a", 1), Equals("b", 1)))],
    )
    config = space.default_config()
    space.validate(config)
    assert config["c"] == 7


def test_an_empty_space_says_so():
    """A space whose clauses leave nothing raises when it is made, naming the clauses."""
    with pytest.raises(SpaceError, match=r"none of .* is legal.*a == 1; a == 2"):
        Space(
            [Categorical("a", [1, 2])],
            forbidden=[Forbidden(Equals("a", 1)), Forbidden(Equals("a", 2))],
        )


def test_a_matrix_of_another_width_is_refused():
    """Matrices have a column a parameter."""
    space = conditional_space()
    with pytest.raises(SpaceError, match=r"shape \(n, 5\) is expected, not \(2, 3\)"):
        space.repair(np.zeros((2, 3)))
    with pytest.raises(SpaceError, match="a row has 3 columns; the space has 5"):
        space.decode_one(np.zeros(3))


def test_legal_wants_codes_of_the_grid():
    """A row with a code between two cells' centres, out of range or infinite is not legal."""
    space = Space([Integer("i", 0, 4), Categorical("c", ["a", "b"])])
    rows = [[0.1, 0], [0.12, 0], [0.1, 0.5], [0.1, 2], [np.inf, 0], [np.nan, 0], [0.9, 1]]
    assert space.legal(rows).tolist() == [True, False, False, False, False, False, True]
