"""Where the service hashes, signs and encrypts is written down."""

import ast
import re
from pathlib import Path

from tests.architecture import house

LIBRARIES = {"argon2", "cryptography", "hashlib", "hmac", "joserfc", "pkcs11", "pyotp", "webauthn"}
SECTION = re.compile(r"Where the code hashes, signs or encrypts.*?\n\n(.*?)\n\n", re.DOTALL)


def test_every_use_is_in_the_inventory() -> None:
    """The modules that import a library for cryptography are those that a row of docs/security.md names, each once."""
    table = SECTION.findall((house.ROOT / "docs/security.md").read_text(encoding="utf-8"))[0]
    inventory = re.findall(r"`([a-z0-9_.]+)`", table)
    using = [
        house.name(path).removesuffix(".py").replace("/", ".") for path in house.modules() if _uses(path)
    ]
    assert sorted(inventory) == sorted(name for name in using if not name.startswith("verifier."))


def _uses(path: Path) -> bool:
    named = {
        name.partition(".")[0]
        for node in ast.walk(house.tree(path))
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    return bool(named & LIBRARIES)
