"""Rules of style that a reader would otherwise have to look for."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from source import ROOT, Module, modules

PRODUCT = modules()
UNIT_TESTS = modules("tests/unit")

# The seeded generators; everything else below numpy.random is the one global generator.
OWN_GENERATORS = {
    "BitGenerator", "Generator", "PCG64", "PCG64DXSM", "Philox", "RandomState", "SeedSequence",
    "default_rng",
    "get_state",  # a look that shows that nobody drew is no draw
}  # fmt: skip
RANDOM_MODULE = {
    "betavariate", "choice", "choices", "gauss", "getrandbits", "normalvariate", "randint",
    "random", "randrange", "sample", "seed", "shuffle", "uniform",
}  # fmt: skip


def test_modules_are_small() -> None:
    """One concept a file: half of the files have at most 150 lines, none more than 500."""
    sizes = {str(m): m.n_lines for m in PRODUCT if m.n_lines > 1}
    assert {name: n for name, n in sizes.items() if n > 500} == {}
    assert statistics.median(sizes.values()) <= 150


def test_test_modules_are_no_longer_than_others() -> None:
    """Of tests, too, none has more than 500 lines: their rules are found by concept."""
    tests = Path(__file__).parents[1]
    sizes = {str(path): len(path.read_bytes().splitlines()) for path in tests.rglob("*.py")}
    assert {name: n for name, n in sizes.items() if n > 500} == {}


def calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def global_rng(module: Module) -> Iterator[str]:
    """Find draws from a generator that everyone shares."""
    for line, name in calls(module.tree):
        head, _, last = name.rpartition(".")
        numpy_global = head in ("np.random", "numpy.random") and last not in OWN_GENERATORS
        stdlib_global = head == "random" and last in RANDOM_MODULE
        if numpy_global or stdlib_global:
            yield f"line {line}: {name}"


def logging_setup(module: Module) -> Iterator[str]:
    """Find a library that sets up logging; only the programs of cli/ and examples/ may.

    And the child of a worker, a process of our own, so that the worker's set-up counts in it.
    """
    programs = ("bandmaster/cli/", "bandmaster/examples/", "bandmaster/asynccomm/isolation/logs.py")
    if str(module).startswith(programs):
        return
    for line, name in calls(module.tree):
        if name.endswith(("basicConfig", ".addHandler", ".setLevel", "dictConfig")):
            yield f"line {line}: {name}"


def silent_except(module: Module) -> Iterator[str]:
    """Find errors that nobody hears of."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            body = [s for s in node.body if not isinstance(s, ast.Pass)]
            if caught in ("", "Exception", "BaseException") and not body:
                yield f"line {node.lineno}: except {caught}: pass"
        elif isinstance(node, ast.Call) and ast.unparse(node).startswith(
            ("contextlib.suppress(Exception)", "contextlib.suppress(BaseException)")
        ):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def dangerous_calls(module: Module) -> Iterator[str]:
    """Find eval, exec and what runs a stranger's bytes."""
    networked = str(module).startswith("bandmaster/asynccomm/") and str(module) not in LOCAL_PIPES
    for line, name in calls(module.tree):
        unpickles = name in ("pickle.loads", "pickle.load", "cloudpickle.loads", "marshal.loads")
        if name in ("eval", "exec", "os.system") or (networked and unpickles):
            yield f"line {line}: {name}"


def kwargs_in_public_functions(module: Module) -> Iterator[str]:
    """Find ``**kwargs`` in a signature of ours; the fakes of testing/ pass fields on."""
    if str(module).startswith("bandmaster/testing/"):
        return
    for where, node in module.definitions if module.public else ():
        private = any(part.startswith("_") for part in where.split("."))
        if isinstance(node, ast.FunctionDef) and node.args.kwarg is not None and not private:
            yield f"line {node.lineno}: {where}(**{node.args.kwarg.arg})"


def ignores_without_reason(module: Module) -> Iterator[str]:
    """Find a `noqa` or `type: ignore` that does not say why."""
    for number, text in enumerate(module.text.splitlines(), start=1):
        for mark in ("# noqa", "# type: ignore"):
            if mark in text:
                rest = text.split(mark, 1)[1].lstrip(":")
                reason = rest.partition("]")[2] if rest.startswith("[") else rest
                words = [w for w in reason.replace("-", " ").replace("#", " ").split() if w]
                if len([w for w in words if not w.rstrip(",").isupper()]) < 2:
                    yield f"line {number}: {text.strip()}"


# These unpickle what a parent and the children that it started itself send each other.
LOCAL_PIPES = {"bandmaster/asynccomm/child.py", "bandmaster/asynccomm/local.py"}

RULES: list[Callable[[Module], Iterator[str]]] = [
    dangerous_calls,
    global_rng,
    ignores_without_reason,
    kwargs_in_public_functions,
    logging_setup,
    silent_except,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_forbidden_pattern(rule: Callable[[Module], Iterator[str]]) -> None:
    """The product has none of the patterns that a rule finds."""
    assert {str(m): found for m in PRODUCT if (found := list(rule(m)))} == {}


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (dangerous_calls, "eval('1')"),
        (global_rng, "import numpy as np\nnp.random.rand(3)"),
        (global_rng, "import random\nrandom.shuffle([])"),
        (ignores_without_reason, "import x  # " + "noqa: F401"),
        (kwargs_in_public_functions, "def f(**kwargs): ..."),
        (logging_setup, "import logging\nlogging.basicConfig()"),
        (silent_except, "try:\n    f()\nexcept Exception:\n    pass"),
    ],
)
def test_the_rules_find_what_they_look_for(
    rule: Callable[[Module], Iterator[str]], source: str, tmp_path: Path
) -> None:
    """A rule that finds nothing anywhere would hold nothing."""

    path = tmp_path / "bandmaster" / "fake.py"
    path.parent.mkdir()
    path.write_text(source)
    assert list(rule(Module(path, tmp_path))) != []


def test_unit_tests_never_sleep() -> None:
    """Unit tests inject time; waiting for it makes them slow and flaky."""
    found = {
        str(m): [f"line {line}" for line, name in calls(m.tree) if name in ("time.sleep", "sleep")]
        for m in UNIT_TESTS
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_test_is_skipped() -> None:
    """A test that does not run guards nothing."""
    marks = ("pytest.skip", "pytest.importorskip", "pytest.xfail", "mark.skip", "mark.xfail")
    here = ROOT / "tests" / "architecture"
    # Outside of CI a developer may have no PostgreSQL; in CI its absence is a failure.
    allowed = {ROOT / "tests" / "postgres.py"}
    found = [
        f"{module}: {mark}"
        for module in modules("tests")
        if module.path.parent != here and module.path not in allowed
        for mark in marks
        if mark in module.text
    ]
    assert found == []
