"""The package's source, parsed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file.

    Parameters
    ----------
    path : Path
    root : Path
        What its name is relative to.
    """

    path: Path
    root: Path = ROOT

    def __str__(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def name(self) -> str:
        """Its dotted name."""
        parts = self.path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def text(self) -> str:
        """Its source."""
        return self.path.read_text(encoding="utf-8")

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return _parse(self.path)

    @property
    def n_lines(self) -> int:
        """How long it is."""
        return len(self.text.splitlines())

    @property
    def public(self) -> bool:
        """Whether no part of its name begins with an underscore."""
        parts = self.path.relative_to(self.root).with_suffix("").parts
        return not any(p.startswith("_") and p != "__init__" for p in parts)

    @property
    def definitions(self) -> list[tuple[str, Definition]]:
        """Classes, functions and the methods of public classes, with dotted names."""
        found: list[tuple[str, Definition]] = []

        def walk(body: list[ast.stmt], prefix: str) -> None:
            for node in body:
                if isinstance(node, Definition):
                    found.append((prefix + node.name, node))
                    if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                        walk(node.body, f"{prefix}{node.name}.")

        walk(self.tree.body, "")
        return found

    @property
    def all_names(self) -> list[str] | None:
        """The literal `__all__`; None without one, empty when it is computed."""
        for node in self.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
                if isinstance(node.value, (ast.List, ast.Tuple)):
                    return [ast.literal_eval(e) for e in node.value.elts]
                return []
        return None


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def modules(folder: str = "bandmaster") -> list[Module]:
    """Return all modules below a folder of the checkout."""
    return [Module(path) for path in sorted((ROOT / folder).rglob("*.py"))]
