"""Rules of the HDL: what every key means, and what a malformed one is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bandmaster.errors import IllegalConfigurationError, SpaceError
from bandmaster.space import (
    And,
    Categorical,
    Condition,
    Constant,
    Equals,
    Float,
    Forbidden,
    GreaterThan,
    In,
    Integer,
    Ordinal,
    Relation,
    compile_space,
    layering_config,
    load_hdl,
)
from bandmaster.testing.spaces import automl_hdl


def leaf(kind, *value, **more):
    return {"_type": kind, "_value": list(value), **{f"_{k}": v for k, v in more.items()}}


@pytest.mark.parametrize(
    ("entry", "parameter"),
    [
        (leaf("choice", 2, "2", True, None), Categorical("x", (2, "2", True, None))),
        (leaf("choice", 2, 0, default=0), Categorical("x", (2, 0), default=0)),
        (leaf("choice", "a", None, default=None), Categorical("x", ("a", None), default=None)),
        (
            leaf("choice", True, False, default=False),
            Categorical("x", (True, False), default=False),
        ),
        (leaf("choice", 1, 2, weights=[1, 3]), Categorical("x", (1, 2), weights=(1, 3))),
        (leaf("choice", [50], [50, 50]), Categorical("x", ([50], [50, 50]))),
        (leaf("ordinal", "s", "m", default="m"), Ordinal("x", ("s", "m"), default="m")),
        (leaf("uniform", -1, 1, default=0), Float("x", -1, 1, default=0)),
        (leaf("uniform", 0, 1.5, default=0.0), Float("x", 0, 1.5, default=0)),
        (leaf("loguniform", 0.01, 100), Float("x", 0.01, 100, log=True)),
        (leaf("quniform", 0, 1, 0.1), Float("x", 0, 1, q=0.1)),
        (leaf("quniform", -1, 1), Float("x", -1, 1, q=1)),
        (leaf("quniform", 0.2, 0.6), Float("x", 0.2, 0.6, q=0.2)),
        (leaf("qloguniform", 0.5, 64, 0.5), Float("x", 0.5, 64, q=0.5, log=True)),
        (leaf("int_uniform", 0, 9, default=0), Integer("x", 0, 9, default=0)),
        (leaf("int_loguniform", 1, 9), Integer("x", 1, 9, log=True)),
        (leaf("int_quniform", 300, 3000, 100), Integer("x", 300, 3000, q=100)),
        (leaf("int_quniform", 10, 200), Integer("x", 10, 200, q=10)),
        (leaf("int_qloguniform", 2, 64, 2), Integer("x", 2, 64, q=2, log=True)),
        (42, Constant("x", 42)),
        (None, Constant("x", None)),
        (False, Constant("x", False)),
        ("ovr", Constant("x", "ovr")),
    ],
)
def test_leaves(entry, parameter):
    """Every type, scalar and default means one parameter; falsy defaults count."""
    space = compile_space({"x": entry})
    assert (parameter,) == space.parameters
    if "_default" in (entry if isinstance(entry, dict) else {}):
        assert {"x": entry["_default"]} == space.default_config()


def test_hdl_is_json():
    """An HDL that went through JSON means the same."""
    hdl = automl_hdl()
    assert compile_space(hdl) == compile_space(json.loads(json.dumps(hdl)))


def test_choice_with_sub_spaces():
    """The options of a choice are sub-spaces, active with their option; an empty one is legal."""
    space = compile_space(
        {
            "lr": 0.1,
            "model(choice)": {
                "__default": "svm",
                "__weights": {"knn": 3},
                "knn": {"p": leaf("choice", 1, 2), "tree": {"leaf": leaf("int_uniform", 1, 5)}},
                "svm": {"kernel(choice)": {"rbf": {"gamma": leaf("uniform", 0, 1)}, "linear": {}}},
                "lda": None,
                "dim": leaf("int_uniform", 1, 3),
            },
        }
    )
    assert space.names == (
        "lr",
        "model:__choice__",
        "model:dim",
        "model:knn:p",
        "model:knn:tree:leaf",
        "model:svm:kernel:__choice__",
        "model:svm:kernel:rbf:gamma",
    )
    assert space.parameters[1].weights == (3.0, 1.0, 1.0)
    knn, svm = Equals("model:__choice__", "knn"), Equals("model:__choice__", "svm")
    assert {
        Condition("model:knn:p", knn),
        Condition("model:knn:tree:leaf", knn),
        Condition("model:svm:kernel:__choice__", svm),
        Condition("model:svm:kernel:rbf:gamma", Equals("model:svm:kernel:__choice__", "rbf")),
    } == set(space.conditions)
    assert layering_config(space.default_config()) == {
        "lr": 0.1,
        "model": {"dim": 2, "svm": {"kernel": {"rbf": {"gamma": 0.5}}}},
    }
    lda = space.complete({"model:__choice__": "lda"})
    assert layering_config(lda)["model"] == {"dim": 2, "lda": {}}


def test_an_option_may_be_a_choice():
    """An option whose key ends in (choice) is itself a choice among sub-spaces."""
    space = compile_space({"A(choice)": {"A1(choice)": {"B1": {"h": 1}, "B2": {}}, "A2": {}}})
    assert space.names == ("A:__choice__", "A:A1:__choice__", "A:A1:B1:h")
    assert space.parameters[0].choices == ("A1", "A2")
    assert layering_config(space.default_config()) == {"A": {"A1": {"B1": {"h": 1}}}}
    assert layering_config(space.complete({"A:__choice__": "A2"})) == {"A": {"A2": {}}}


SVC = {
    "kernel": leaf("choice", "rbf", "poly", "sigmoid"),
    "degree": leaf("int_uniform", 2, 5),
    "gamma": leaf("uniform", 0, 1),
    "coef0": leaf("uniform", -1, 1),
    "C": 1.0,
    "__activate": {
        "kernel": {
            "rbf": ["gamma"],
            "sigmoid": ["gamma", "coef0"],
            "poly": ["degree", "gamma", "coef0"],
        }
    },
}


def test_activate():
    """A child is active at exactly the values that list it; at all of them: always."""
    assert {
        Condition("coef0", In("kernel", ("sigmoid", "poly"))),
        Condition("degree", Equals("kernel", "poly")),
    } == set(compile_space(SVC).conditions)
    inner = compile_space({"m(choice)": {"svc": SVC, "nb": {}}})
    conditions = {c.child: c.when for c in inner.conditions}
    assert Equals("m:svc:kernel", "poly") == conditions["m:svc:degree"]
    assert Equals("m:__choice__", "svc") == conditions["m:svc:gamma"]
    assert Equals("m:__choice__", "svc") == conditions["m:svc:C"]


def test_activate_finds_values_by_their_spelling():
    """JSON has only strings as keys, so true, null and 2 are found by how they are written."""
    hdl = {
        "dual": leaf("choice", True, False),
        "n": leaf("choice", None, 2, 0.5),
        "a": 1,
        "b": 2,
        "c": 3,
        "__activate": {"dual": {"true": "a"}, "n": {"null": ["b"], "2": ["c"]}},
    }
    assert {
        Condition("a", Equals("dual", True)),
        Condition("b", Equals("n", None)),
        Condition("c", Equals("n", 2)),
    } == set(compile_space(hdl).conditions)
    assert compile_space(hdl) == compile_space(
        {**hdl, "__activate": {"dual": {True: "a"}, "n": {None: ["b"], 2: ["c"]}}}
    )


def test_condition():
    """__condition names child, parent and values; _op compares; several must all hold."""
    space = compile_space(
        {
            "a": leaf("choice", 1, "1", 2),
            "n": leaf("int_uniform", 1, 9),
            "x": leaf("uniform", 0, 1),
            "y": {"z": 1},
            "__condition": [
                {"_child": "x", "_parent": "a", "_values": [1, "1"]},
                {"_child": "x", "_parent": "n", "_values": 3, "_op": ">"},
                {"_child": "y", "_parent": "a", "_values": [2]},
            ],
        }
    )
    assert (
        Condition("x", In("a", (1, "1"))),
        Condition("x", GreaterThan("n", 3)),
        Condition("y:z", Equals("a", 2)),
    ) == space.conditions


def test_forbidden():
    """A dict forbids that its values meet, a list any of them; _left _op _right compare."""
    space = compile_space(
        {
            "a": leaf("choice", 1, 2, 3),
            "b": leaf("choice", True, False),
            "lo": leaf("uniform", 0, 1, default=0.1),
            "hi": leaf("uniform", 0, 1),
            "__forbidden": [
                {"a": [1, 2], "b": False},
                {"a": 3},
                {"_left": "lo", "_op": ">", "_right": "hi"},
            ],
        }
    )
    assert (
        Forbidden(And(In("a", (1, 2)), Equals("b", False))),
        Forbidden(Equals("a", 3)),
        Forbidden(Relation("lo", ">", "hi")),
    ) == space.forbidden


def test_rules_reach_other_levels_by_full_name():
    """A rule finds its own dict's names first, and any other by its full name."""
    space = compile_space(
        {
            "scale(choice)": {"none": {}, "std": {}},
            "model": {
                "C": leaf("choice", 1, 2),
                "x": 1,
                "__condition": [{"_child": "x", "_parent": "scale", "_values": "std"}],
                "__forbidden": {"C": 1, "scale:__choice__": "none"},
            },
        }
    )
    assert (Condition("model:x", Equals("scale:__choice__", "std")),) == space.conditions
    assert str(space.forbidden[0].when) == "model:C == 1 and scale:__choice__ == 'none'"


BAD = [
    ([], "a search space is a Space, a ConfigurationSpace or an HDL dict, not"),
    ({}, "has no parameters"),
    ({1: 2}, "the top: the key 1 is a int"),
    ({"": 2}, "the key '' is"),
    ({"x": {}}, "at x: the dict is empty"),
    ({"x": [1, 2]}, r"at x: found the list \[1, 2\].*_type.*choice"),
    ({"x": object()}, "at x: .*is a object; values are"),
    ({"x": {"_value": [1]}}, "at x: '_type' is missing; expected one of choice, ordinal"),
    ({"x": {"_typ": "uniform", "_value": [0, 1]}}, r"missing \(is '_typ' meant to be it\?\);"),
    ({"x": leaf("normal", 0, 1)}, "at x: '_type' is 'normal'; expected one of"),
    ({"x": {"_type": "choice"}}, "at x: '_value' is missing; expected a list of values"),
    ({"x": {"_type": "uniform", "_value": 3}}, r"'_value' is 3; expected \[lower, upper\]"),
    ({"x": {"_type": ["choice"], "_value": [1]}}, r"'_type' is \['choice'\]"),
    ({"x": leaf("choice", 1, defalt=1)}, "'_defalt' is unknown; a choice has _type"),
    ({"x": leaf("uniform", 0, 1, weights=[1])}, "'_weights' is unknown"),
    ({"x": leaf("choice")}, "at x: .*choices is empty"),
    ({"x": leaf("choice", 1, 2, 1)}, "at x: .*1 is twice among the choices"),
    ({"x": leaf("choice", 1, 2, default=3)}, "at x: .*default 3 is not among 1, 2"),
    ({"x": leaf("choice", 1, 2, weights=[1])}, "at x: .*1 weights for 2 choices"),
    ({"x": leaf("choice", 1, weights=3)}, "at x: "),
    ({"x": leaf("ordinal", "s", default="m")}, "at x: .*default 'm' is not among 's'"),
    ({"x": leaf("uniform", 1)}, r"'_value' is \[1\]; expected \[lower, upper\]"),
    ({"x": leaf("uniform", 0, 1, 0.1)}, r"expected \[lower, upper\]"),
    ({"x": leaf("quniform", 0, 1, 0.1, 5)}, r"expected \[lower, upper, step\]"),
    ({"x": leaf("quniform", 0, 0)}, r"expected \[lower, upper, step\]"),
    ({"x": leaf("uniform", "0", 1)}, "holds '0', a str; .* of numbers"),
    ({"x": leaf("uniform", True, 2)}, "holds True, a bool"),
    ({"x": leaf("uniform", 1, 1)}, "lower is 1.0 and upper is 1.0; lower must be below upper"),
    ({"x": leaf("uniform", 2, 1)}, "lower must be below upper"),
    ({"x": leaf("uniform", 0, float("inf"))}, "upper is inf; a finite number"),
    ({"x": leaf("loguniform", 0, 1)}, "lower is 0.0; a log scale needs it above 0"),
    ({"x": leaf("int_uniform", 0, 1.5)}, "upper is 1.5, a float; a whole number is expected"),
    ({"x": leaf("int_quniform", 0, 9, 20)}, "q is 20; it must be from 1 to"),
    ({"x": leaf("quniform", 0, 1, -0.1)}, "q is -0.1; it must be above 0"),
    ({"x": leaf("uniform", 0, 1, default=2)}, "at x: the default .*2.0 .*from 0.0 to 1.0"),
    ({"x": leaf("uniform", 0, 1, default=None)}, "at x: .*default is None, a NoneType"),
    ({"x": leaf("quniform", 0, 1, 0.5, default=0.3)}, "at x: the default.*steps of 0.5"),
    ({"x": leaf("int_uniform", 0, 9, default=True)}, "default is True, a bool"),
    ({"m(choice)": {}}, r"at m\(choice\): there are no options"),
    ({"m(choice)": [1, 2]}, r"at m\(choice\): found \[1, 2\]; expected a dict from option"),
    ({"m(choice)": 3}, r"at m\(choice\): found 3"),
    ({"(choice)": {"a": {}}}, "a name is expected before"),
    ({"m(any)": {"a": {"b": 1}}}, r"at m\(any\): the suffix \(any\) is unknown"),
    ({"m(choice)": {"a": {}, "__default": "b"}}, "default 'b' is not among 'a'"),
    ({"m(choice)": {"a": {}, "__weights": {"b": 1}}}, "__weights: there is no option 'b'"),
    ({"m(choice)": {"a": {}, "__foo": 1}}, "'__foo' is unknown"),
    ({"m(choice)": {"a": {}, "a(choice)": {"b": {}}}}, "the option 'a' is there twice"),
    (
        {"m(choice)": {"knn": {"p": leaf("choise", 1)}}},
        r"at m\(choice\) → knn → p: '_type' is 'choise'",
    ),
    ({"a": {"b": 1}, "a:b": 2}, "at a:b: the parameter 'a:b' is there twice"),
    ({"a": 1, "__conditon": []}, "the top: '__conditon' is unknown; expected '__activate'"),
    ({"a": 1, "__activate": []}, "at __activate: found"),
    ({"a": 1, "__activate": {"b": {}}}, "__activate → b: there is no parameter 'b' here"),
    ({"a": leaf("choice", 1), "__activate": {"a": [1]}}, "__activate → a: found"),
    ({"a": leaf("choice", 1), "__activate": {"a": {"2": []}}}, "'a' has no value '2'; it has 1"),
    ({"a": leaf("choice", 1), "__activate": {"a": {"1": 3}}}, "a → 1: found 3; expected a list"),
    ({"a": leaf("choice", 1), "__activate": {"a": {"1": ["zz"]}}}, "no parameter 'zz' here"),
    ({"a": leaf("choice", 1), "__activate": {"a": {"1": ["a"]}}}, "'a' activates itself"),
    ({"a": 1, "__condition": 3}, "at __condition: found 3; expected a list of dicts"),
    ({"a": 1, "__condition": [{"_child": "a"}]}, "__condition → 0: '_parent' is missing"),
    (
        {"a": 1, "b": 1, "__condition": [{"_child": "a", "_parent": "b", "_values": 2}]},
        "__condition → 0: b == 2: parameter 'b': 2 .*only 1",
    ),
    (
        {
            "ab": 1,
            "b": 1,
            "__condition": [{"_child": "a", "_parent": "b", "_values": 1, "_if": 1}],
        },
        "'_if' is unknown",
    ),
    (
        {"ab": 1, "b": 1, "__condition": [{"_child": "abc", "_parent": "b", "_values": 1}]},
        "no parameter 'abc' here; did you mean 'ab'",
    ),
    (
        {"a": 1, "b": 1, "__condition": [{"_child": "a", "_parent": "b", "_values": []}]},
        "the list of values is empty",
    ),
    (
        {
            "a": 1,
            "b": 1,
            "__condition": [{"_child": "a", "_parent": "b", "_values": 1, "_op": "~"}],
        },
        "'_op' is '~'; expected one of '=='",
    ),
    (
        {
            "a": 1,
            "b": leaf("choice", 1, 2),
            "__condition": [{"_child": "a", "_parent": "b", "_values": 1, "_op": ">"}],
        },
        "'b' is a Categorical, which has no order",
    ),
    (
        {
            "a": 1,
            "b": 1,
            "__condition": [
                {"_child": "a", "_parent": "b", "_values": 1},
                {"_child": "b", "_parent": "a", "_values": 1},
            ],
        },
        "conditions of a, b form a cycle",
    ),
    ({"a": 1, "__forbidden": [3]}, "at __forbidden: found"),
    ({"a": 1, "__forbidden": [{}]}, "__forbidden → 0: the dict is empty"),
    ({"a": 1, "__forbidden": [{"b": 1}]}, "__forbidden → 0 → b: there is no parameter 'b'"),
    ({"a": 1, "__forbidden": [{"a": 2}]}, "__forbidden → 0 → a: a == 2: .*only 1"),
    ({"a": 1, "__forbidden": [{"a": 1}]}, "none of .* random configurations is legal"),
    ({"a": 1, "__forbidden": [{"_left": "a"}]}, "'_op' is missing"),
    (
        {"a": 1, "b": "x", "__forbidden": [{"_left": "a", "_op": "<", "_right": "b"}]},
        "the values cannot be compared",
    ),
    (
        {"a": 1, "b": 1, "__forbidden": [{"_left": "a", "_op": "!=", "_right": "b"}]},
        "'_op' is '!='; expected one of == <",
    ),
]


@pytest.mark.parametrize(("hdl", "message"), BAD, ids=range(len(BAD)))
def test_a_malformed_hdl_is_told_where_and_what(hdl, message):
    """The error names the path, what was found and what is expected."""
    with pytest.raises(SpaceError, match=message):
        compile_space(hdl)


def test_load_hdl(tmp_path):
    """YAML and JSON files are read; YAML's 1e-5 is a number."""
    (tmp_path / "s.yaml").write_text("x: {_type: loguniform, _value: [1e-5, 1E2]}\nk: null\n")
    (tmp_path / "s.json").write_text(
        '{"x": {"_type": "loguniform", "_value": [1e-5, 100]}, "k": null}'
    )
    first, second = load_hdl(tmp_path / "s.yaml"), load_hdl(str(tmp_path / "s.json"))
    assert compile_space(first) == compile_space(second)
    assert Float("x", 1e-5, 100, log=True) == compile_space(first).parameters[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.yaml", "a: [1", "is not YAML"),
        ("s.json", "{", "is not JSON"),
        ("s.yaml", "- 1", "holds a list; expected a dict"),
        ("s.yaml", "a: 1\na: 2", r"has the key 'a' twice \(line 2\)"),
        ("s.json", '{"a": 1, "a": 2}', "has the key 'a' twice"),
        ("s.yaml", "a: !!python/object/apply:os.getcwd []", "is not YAML"),
        ("s.toml", "a = 1", "ends in '.toml'; expected .yaml, .yml or .json"),
        ("none.yaml", None, "cannot be read"),
    ],
)
def test_load_hdl_says_what_is_wrong(tmp_path, name, text, message):
    """A file that cannot be used is named with the reason; YAML never runs code."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SpaceError, match=message):
        load_hdl(tmp_path / name)


def test_compile_space_refuses_other_things():
    """Only a Space, a ConfigurationSpace or a dict describes a space."""
    with pytest.raises(SpaceError, match="a search space is a Space, a ConfigurationSpace or"):
        compile_space([("a", 1)])
    space = compile_space({"a": 1})
    assert space is compile_space(space)


def test_layering_refuses_clashes():
    """A name that is both a value and the beginning of another one raises."""
    with pytest.raises(IllegalConfigurationError, match="lies below 'a', which is a value"):
        layering_config({"a": 1, "a:b": 2})
    with pytest.raises(
        IllegalConfigurationError, match="'a' is a value, and other names lie below"
    ):
        layering_config({"a:b": 2, "a": 1})


def test_automl_space_samples():
    """Samples of the seed's space fall on all classifiers and take apart as its worker does."""
    space = compile_space(automl_hdl())
    taken = set()
    for config in space.sample_configs(100, np.random.default_rng(0)):
        algorithm, options = layering_config(config)["classifier"].popitem()
        taken.add(algorithm)
        assert all(type(v) in (int, float, str, bool) for v in options.values())
    assert {"LinearSVC", "RandomForestClassifier", "KNeighborsClassifier"} == taken


def test_bounds_may_be_numpys():
    """A bound that was computed from data is as good as one that was typed."""
    bounds = [np.int64(1), np.float32(8)]
    space = compile_space({"n": {"_type": "int_uniform", "_value": bounds}})
    assert compile_space({"n": {"_type": "int_uniform", "_value": [1, 8]}}) == space
