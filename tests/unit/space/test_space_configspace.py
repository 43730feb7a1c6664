"""Rules of the way from and to ConfigSpace: nothing is dropped, both hold the same things legal."""

from __future__ import annotations

import logging

import ConfigSpace as CS
import ConfigSpace.hyperparameters as csh
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bandmaster.errors import SpaceError
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
    GreaterThanEquals,
    In,
    Integer,
    LessThan,
    LessThanEquals,
    Normal,
    NotEquals,
    Or,
    Ordinal,
    Relation,
    Space,
    compile_space,
    hdl2cs,
    layering_config,
    to_configspace,
)
from bandmaster.space.cs_export import to_configuration
from bandmaster.space.cs_import import from_configuration
from bandmaster.testing.spaces import automl_hdl, spaces

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(spaces(), st.integers(0, 2**32 - 1))
@few
def test_both_hold_the_same_legal(space, seed):
    """What we sample is legal for ConfigSpace, and what ConfigSpace samples is legal for us."""
    try:
        exported = to_configspace(space)
    except SpaceError as error:
        assume("never true" not in str(error))
        raise
    for config in space.sample_configs(8, np.random.default_rng(seed)):
        configuration = to_configuration(space, exported, config)
        configuration.check_valid_configuration()
        again = from_configuration(space, configuration)
        assert list(config) == list(again)
        for name, value in config.items():
            parameter = space.parameters[space.index[name]]
            if isinstance(parameter, Float) and parameter.q is None:
                assert again[name] == pytest.approx(value, rel=1e-12, abs=1e-12)
            else:
                assert (type(value), value) == (type(again[name]), again[name])
    # ConfigSpace rejects five rows at a time: with strict clauses it would take minutes.
    drawn = space.from_unit(np.random.default_rng(0).random((200, space.dim)))
    assume(space.legal(drawn).mean() > 0.3)
    exported.seed(seed % 1000)
    for configuration in exported.sample_configuration(8):
        ours = from_configuration(space, configuration)
        back = space.decode_one(space.encode_one(ours))
        assert list(ours) == list(back)
        assert [type(v) for v in ours.values()] == [type(v) for v in back.values()]


@given(spaces(full=False))
@few
def test_export_and_import_keep_everything(space):
    """A space that ConfigSpace can say directly comes back the same, but for the order."""
    back = compile_space(to_configspace(space))
    ours = {p.name: p for p in space.parameters}
    assert set(ours) == set(back.names)
    defaults = space.default_config()
    for parameter in back.parameters:
        mine = ours[parameter.name]
        assert type(mine) is type(parameter)
        for part in ("lower", "upper", "log", "q", "distribution", "choices", "values", "value"):
            if hasattr(mine, part):
                assert getattr(mine, part) == getattr(parameter, part)
        if getattr(mine, "weights", None) is not None:
            assert list(mine.weights) == list(parameter.weights)
        if mine.name in defaults and not (isinstance(mine, Float) and mine.q is None):
            column = back.columns[back.index[mine.name]]
            if getattr(mine, "q", 1) == 1:
                assert defaults[mine.name] == column.default_value()
    assert len(space.forbidden) == len(back.forbidden)
    rng = np.random.default_rng(0)
    for config in space.sample_configs(10, rng):
        back.validate({name: config[name] for name in back.names if name in config})


def full_configspace():
    """A ConfigurationSpace with every class of hyperparameter, condition and clause."""
    cs = CS.ConfigurationSpace(name="all", meta={"owner": "me"})
    uf = csh.UniformFloatHyperparameter("uf", 0.001, 1, log=True, default_value=0.1, meta={"u": 1})
    nf = csh.NormalFloatHyperparameter("nf", mu=1, sigma=2, lower=-5, upper=5, default_value=0)
    bf = csh.BetaFloatHyperparameter("bf", alpha=2, beta=3, lower=1, upper=5)
    ui = csh.UniformIntegerHyperparameter("ui", 0, 10, default_value=0)
    ni = csh.NormalIntegerHyperparameter("ni", mu=5, sigma=2, lower=1, upper=9)
    bi = csh.BetaIntegerHyperparameter("bi", alpha=2, beta=2, lower=0, upper=20)
    c = csh.CategoricalHyperparameter(
        "c", [0, None, "x"], default_value=None, weights=[0.5, 0.25, 0.25]
    )
    d = csh.CategoricalHyperparameter("d", [True, False], default_value=False)
    o = csh.OrdinalHyperparameter("o", ["s", "m", "l"], default_value="m")
    k = csh.Constant("k", 0)
    cs.add(uf, nf, bf, ui, ni, bi, c, d, o, k)
    cs.add(
        CS.EqualsCondition(nf, c, None),
        CS.OrConjunction(
            CS.InCondition(bf, c, [None, "x"]),
            CS.AndConjunction(CS.GreaterThanCondition(bf, ui, 4), CS.EqualsCondition(bf, d, True)),
        ),
        CS.NotEqualsCondition(ni, d, True),
        CS.LessThanCondition(bi, o, "l"),
    )
    cs.add(
        CS.ForbiddenEqualsClause(c, "x"),
        CS.ForbiddenAndConjunction(
            CS.ForbiddenEqualsClause(d, True), CS.ForbiddenInClause(o, ["s", "l"])
        ),
        CS.ForbiddenGreaterThanRelation(ui, bi),
        CS.ForbiddenAndConjunction(
            CS.ForbiddenEqualsRelation(ui, ni), CS.ForbiddenEqualsClause(d, False)
        ),
        CS.ForbiddenLessThanRelation(bf, uf),
    )
    return cs


def test_import_drops_nothing():
    """Every class of hyperparameter, condition and clause has its counterpart."""
    space = compile_space(full_configspace())
    assert (space.name, space.meta) == ("all", {"owner": "me"})
    expected = {
        Float("uf", 0.001, 1, log=True, default=0.1, meta=None),
        Float("nf", -5, 5, default=0, distribution=Normal(1, 2)),
        Integer("ui", 0, 10, default=0),
        Integer("ni", 1, 9, default=5, distribution=Normal(5, 2)),
        Integer("bi", 0, 20, default=10, distribution=Beta(2, 2)),
        Categorical("c", (0, None, "x"), weights=(0.5, 0.25, 0.25), default=None),
        Categorical("d", (True, False), default=False),
        Ordinal("o", ("s", "m", "l"), default="m"),
        Constant("k", 0),
    }
    by_name = {p.name: p for p in space.parameters}
    assert by_name["uf"].meta == {"u": 1}
    assert Beta(2, 3) == by_name["bf"].distribution
    for parameter in expected:
        if parameter.name != "uf":
            assert parameter == by_name[parameter.name]
    assert {
        Condition("nf", Equals("c", None)),
        Condition("bf", Or(In("c", (None, "x")), And(GreaterThan("ui", 4), Equals("d", True)))),
        Condition("ni", NotEquals("d", True)),
        Condition("bi", LessThan("o", "l")),
    } == set(space.conditions)
    assert {
        Forbidden(Equals("c", "x")),
        Forbidden(And(Equals("d", True), In("o", ("s", "l")))),
        Forbidden(Relation("ui", ">", "bi")),
        Forbidden(And(Relation("ui", "==", "ni"), Equals("d", False))),
        Forbidden(Relation("bf", "<", "uf")),
    } == set(space.forbidden)


def test_samples_of_the_imported_space_agree():
    """ConfigSpace's samples of its own space are legal here, and ours are legal there."""
    cs = full_configspace()
    cs.seed(3)
    space = compile_space(cs)
    for configuration in cs.sample_configuration(200):
        space.validate(dict(configuration))
        space.decode_one(space.encode_one(dict(configuration)))
    for config in space.sample_configs(200, np.random.default_rng(0)):
        to_configuration(space, cs, config).check_valid_configuration()


def test_import_refuses_unknown_classes():
    """A hyperparameter of a class that is not known raises instead of being guessed."""

    class Odd(csh.Hyperparameter):
        def __init__(self):
            self.name, self.meta = "odd", None

    class Space_(dict):
        conditions = forbidden_clauses = ()
        name = meta = None

    from bandmaster.space.cs_import import from_configspace

    with pytest.raises(SpaceError, match="'odd' is a Odd, which has no counterpart"):
        from_configspace(Space_(odd=Odd()))


def test_meta_that_is_no_data_is_named_in_the_log(caplog):
    """What cannot be stored of `meta` is left out with a warning, the rest is kept."""
    hp = csh.UniformFloatHyperparameter("f", 0, 1, meta={"unit": "m", "f": object(), 3: 4})
    cs = CS.ConfigurationSpace()
    cs.add(hp)
    with caplog.at_level(logging.WARNING, logger="bandmaster.space.cs_import"):
        assert compile_space(cs).parameters[0].meta == {"unit": "m"}
    assert len(caplog.records) == 2


def test_quantised_parameters_come_back():
    """A quantised parameter is a counter in ConfigSpace, and itself again on the way back."""
    parameters = [
        Float("f", -1, 1, q=0.1, default=0.3),
        Float("g", 1, 100, q=0.5, log=True),
        Integer("i", 300, 3000, q=100, default=600, meta={"a": 1}),
    ]
    space = Space(parameters, conditions=[Condition("g", GreaterThan("i", 600))])
    exported = to_configspace(space)
    assert (exported["i"].lower, exported["i"].upper, exported["i"].default_value) == (0, 27, 3)
    back = compile_space(exported)
    assert set(map(repr, parameters)) == set(map(repr, back.parameters))
    assert space.conditions == back.conditions


def test_exported_space_below_a_prefix_comes_back():
    """Adding an exported space below a prefix keeps what its counters stand for."""
    outer = CS.ConfigurationSpace()
    outer.add_configuration_space("sub", to_configspace(Space([Integer("i", 0, 10, q=5)])))
    assert (Integer("sub:i", 0, 10, q=5),) == compile_space(outer).parameters


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (Space([Categorical("c", [1, True])]), "1 and True are equal to ConfigSpace"),
        (Space([Ordinal("c", [1, 1.0])]), "1 and 1.0 are equal to ConfigSpace"),
        (Space([Categorical("c", [{"a": 1}])]), "cannot hold the choice"),
        (Space([Categorical("c", [float("nan"), 1])]), "cannot hold the choice nan"),
        (Space([Float("f", 1e-20, 1, log=True)]), "rounds the bound 1e-20 to 0.0"),
        (
            Space(
                [Float("f", 0, 1, q=0.5), Float("g", 0, 1)],
                forbidden=[Forbidden(Relation("f", ">", "g"))],
            ),
            "'f' is quantised",
        ),
        (
            Space(
                [Float("f", 0, 1), Float("g", 0, 1), Float("h", 0, 1)],
                conditions=[Condition("h", Relation("f", ">", "g"))],
            ),
            "no relations in conditions",
        ),
    ],
)
def test_export_refuses_what_configspace_cannot_say(space, message):
    """What ConfigSpace would get wrong is refused with the parameter and the reason."""
    with pytest.raises(SpaceError, match=message):
        to_configspace(space)


def test_comparisons_that_configspace_lacks_are_spelled_otherwise():
    """NotEquals, at most and at least are exported with the words that ConfigSpace has."""
    space = Space(
        [Integer("a", 0, 4), Float("b", 0, 1), Float("c", 0, 1), Float("d", 0, 1)],
        conditions=[
            Condition("b", LessThanEquals("a", 2)),
            Condition("c", GreaterThanEquals("a", 2)),
            Condition("d", NotEquals("a", 2)),
        ],
        forbidden=[Forbidden(And(NotEquals("a", 0), NotEquals("a", 2), LessThanEquals("a", 3)))],
    )
    exported = to_configspace(space)
    for a in range(5):
        config = {"a": a, "b": 0.5, "c": 0.5, "d": 0.5}
        for name, active in (("b", a <= 2), ("c", a >= 2), ("d", a != 2)):
            if not active:
                del config[name]
        legal = a not in (1, 3)
        assert legal == bool(space.legal(space.encode([config]))[0])
        if legal:
            to_configuration(space, exported, config).check_valid_configuration()
        else:
            with pytest.raises(CS.exceptions.ForbiddenValueError):
                CS.Configuration(exported, values=config)


def test_hdl2cs():
    """The HDL of the seed's classifiers becomes a ConfigurationSpace with the family's names."""
    cs = hdl2cs(automl_hdl())
    assert isinstance(cs, CS.ConfigurationSpace)
    assert "classifier:__choice__" in cs
    assert len(cs) == 18
    assert cs["classifier:KNeighborsClassifier:p"].choices[1] == 2
    cs.seed(0)
    for configuration in cs.sample_configuration(20):
        layered = layering_config(configuration)
        name, options = layered["classifier"].popitem()
        assert name == configuration["classifier:__choice__"]
        assert options
