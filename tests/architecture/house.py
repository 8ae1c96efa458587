"""The house as text: its files, their syntax trees, and where in them something stands."""

import ast
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("core", "keys", "registry_sync", "consent", "idp", "admin", "service", "verifier")
PROGRAMS = ("examples", "tools", "bench")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def files(*folders: str) -> list[Path]:
    """Return the Python files below some folders of the house, without caches and packages of others."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if not {"node_modules", "__pycache__"} & set(path.parts))


def modules() -> list[Path]:
    """Return the modules of the service and the verifier, without migrations, which Alembic shapes."""
    return [path for path in files(*PACKAGES) if "migrations" not in path.parts]


def tests() -> list[Path]:
    """Return the files that hold tests."""
    return [path for path in files("tests") if path.name.startswith("test_")]


def tracked() -> list[Path]:
    """Return every file under version control that is there."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def name(path: Path) -> str:
    """Return a file's path from the root of the house."""
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[Function]:
    """Give every function and method of a file, inner ones too."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def places(paths: list[Path], found: Callable[[ast.AST], bool]) -> list[str]:
    """Return `file:line` of every node that `found` finds."""
    return [
        f"{name(path)}:{getattr(node, 'lineno', 1)}"
        for path in paths
        for node in ast.walk(tree(path))
        if found(node)
    ]


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for a chain of names, or an empty text for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def imported(node: ast.AST) -> list[str]:
    """Return the names of the modules that an import statement imports; none for any other node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
