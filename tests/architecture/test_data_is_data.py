"""HDL, YAML, journals, SQL and what comes over the network are data: nothing of it is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from source import Module, modules

_UNPICKLERS = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "jsonpickle", "joblib"}
_RUNNERS = {"eval", "exec", "compile", "__import__", "execfile", "os.system", "os.popen"}
_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|PRAGMA|CREATE|DROP|ALTER|ATTACH|SET)\s", re.I)
_TAKES_SQL = {"execute", "executemany", "executescript", "exec_driver_sql", "text"}

# Whoever adds a line here says why the bytes, or the name, are the user's own.
ALLOWED = {
    ("unpickled", "bandmaster/asynccomm/child.py"): "the task that a parent sends its child",
    ("unpickled", "bandmaster/asynccomm/local.py"): "what ended a process that this one started",
    ("unpickled", "bandmaster/checkpoints/archive.py"): "a state that an evaluation has saved",
    ("unpickled", "bandmaster/study/saving/pickled.py"): "it finds no name but a result's own",
    ("yaml", "bandmaster/space/hdl_files.py"): "with a loader derived from SafeLoader",
    ("imported", "bandmaster/__init__.py"): "its own modules, on first use",
    ("imported", "bandmaster/asynccomm/__init__.py"): "its own modules, on first use",
    ("imported", "bandmaster/cli/targets.py"): "what the user names on the command line",
    ("imported", "bandmaster/examples/automl.py"): "one of three modules of scikit-learn",
    ("imported", "bandmaster/multifidelity/__init__.py"): "its own modules, on first use",
    ("imported", "bandmaster/optimizers/__init__.py"): "its own modules, on first use",
    ("imported", "bandmaster/plotting/__init__.py"): "its own modules, on first use",
    ("imported", "bandmaster/space/__init__.py"): "its own modules, on first use",
    ("sql", "bandmaster/storage/sql/sqlite.py"): "PRAGMA takes no parameters; one of two words",
    ("sql", "bandmaster/storage/sql/tables.py"): "names of our own table and columns",
}


def names_of_imports(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for: ``loads`` for ``pickle.loads``."""
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {a.asname or a.name: a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return known


@cache
def calls(module: Module) -> list[tuple[ast.Call, str]]:
    """Return every call with the full name of what is called."""
    known = names_of_imports(module.tree)
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            head, dot, rest = ast.unparse(node.func).partition(".")
            found.append((node, known.get(head, head) + dot + rest))
    return found


def run(module: Module) -> Iterator[int]:
    """Find text that is run as code."""
    for node, name in calls(module):
        shell = any(
            k.arg == "shell" and not (isinstance(k.value, ast.Constant) and not k.value.value)
            for k in node.keywords
        )
        if name in _RUNNERS or shell:
            yield node.lineno


def unpickled(module: Module) -> Iterator[int]:
    """Find bytes that are unpickled; a pickle runs what it names."""
    for node, name in calls(module):
        library, _, function = name.partition(".")
        if library in _UNPICKLERS and function in ("load", "loads", "Unpickler", "open"):
            yield node.lineno
    known = names_of_imports(module.tree)
    for node in ast.walk(module.tree):
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            head, dot, rest = ast.unparse(base).partition(".")
            if (known.get(head, head) + dot + rest).endswith(".Unpickler"):
                yield node.lineno


def yaml(module: Module) -> Iterator[int]:
    """Find YAML that may make any object."""
    for node, name in calls(module):
        library, _, function = name.partition(".")
        if library == "yaml" and "load" in function and not function.startswith("safe_"):
            yield node.lineno


def imported(module: Module) -> Iterator[int]:
    """Find modules that are imported by a name which the source does not hold."""
    for node, name in calls(module):
        if name.endswith("import_module") and not isinstance(node.args[0], ast.Constant):
            yield node.lineno


def sql(module: Module) -> Iterator[int]:
    """Find SQL with values pasted in."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.JoinedStr):
            first = node.values[0]
            begins = first.value if isinstance(first, ast.Constant) else ""
            if _SQL.match(str(begins)) and len(node.values) > 1:
                yield node.lineno
    for node, name in calls(module):
        if name.rpartition(".")[2] in _TAKES_SQL and node.args:
            pasted = node.args[0]
            if isinstance(pasted, (ast.JoinedStr, ast.BinOp)):
                yield node.lineno


RULES: list[Callable[[Module], Iterator[int]]] = [run, unpickled, yaml, imported, sql]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_data_is_not_run(rule: Callable[[Module], Iterator[int]]) -> None:
    """Nowhere but in the modules named above; and a name there that needs it no more is gone."""
    found = {str(m): sorted(set(rule(m))) for m in modules()}
    allowed = {where for kind, where in ALLOWED if kind == rule.__name__}
    assert {m: lines for m, lines in found.items() if lines and m not in allowed} == {}
    assert {m for m in allowed if not found.get(m)} == set()


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (run, "eval('1')"),
        (run, "import os as system\nsystem.system('ls')"),
        (run, "import subprocess\nsubprocess.run('ls', shell=True)"),
        (unpickled, "from pickle import loads as read\nread(b'')"),
        (unpickled, "import cloudpickle\ncloudpickle.load(f)"),
        (unpickled, "import pickle\nclass Reader(pickle.Unpickler): ..."),
        (yaml, "import yaml\nyaml.load(text)"),
        (yaml, "from yaml import unsafe_load\nunsafe_load(text)"),
        (imported, "import importlib\nimportlib.import_module(name)"),
        (sql, "c.execute(f'SELECT * FROM t WHERE name = {name}')"),
        (sql, "query = f'delete from t where x = {x}'"),
        (sql, "c.execute('SELECT %s' % name)"),
    ],
)
def test_the_rules_find_what_they_look_for(
    rule: Callable[[Module], Iterator[int]], source: str, tmp_path: Path
) -> None:
    """A rule that finds nothing anywhere would hold nothing."""
    path = tmp_path / "fake.py"
    path.write_text(source)
    assert list(rule(Module(path, tmp_path))) != []
