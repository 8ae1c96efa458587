"""Where a test stands that a page or a list calls by its name: ``test_code_flow::test_expired_code_is_refused``."""

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
NAME = re.compile(r"`((?:[a-z0-9_/]+/)?test_[a-z0-9_]+)::(test_[a-z0-9_]+)`")


@cache
def functions(path: Path) -> frozenset[str]:
    """Return the functions of a file, methods among them."""
    tree = ast.parse(path.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def missing(names: Iterable[tuple[str, str]]) -> list[str]:
    """Return those of some pairs of file and function that are not the function of exactly one file of the tests."""
    lost = []
    for file, function in names:
        found = [path for path in _files() if path.as_posix().endswith(f"/{file}.py")]
        if len(found) != 1 or function not in functions(found[0]):
            lost.append(f"{file}::{function}")
    return lost


@cache
def _files() -> tuple[Path, ...]:
    return tuple(TESTS.rglob("test_*.py"))
