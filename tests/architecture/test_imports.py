"""The import contracts of pyproject.toml, as a test, so that `make promises` can see them break."""

import subprocess
import sys

from tests.architecture import house


def test_import_contracts_hold() -> None:
    """Every contract that `lint-imports` knows is kept."""
    command = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    result = subprocess.run(
        [sys.executable, "-c", command], cwd=house.ROOT, capture_output=True, check=False, text=True
    )
    assert result.returncode == 0, result.stdout[-3000:]
