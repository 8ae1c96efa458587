"""The verifier's one file and the browser's check, asked about the same bundles."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from verifier import erti_verify

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "core" / "static" / "history-verify.js"


def judged(bundles: list[str], policy: bytes, folder: Path) -> list[list[Any]]:
    """What the browser's check says of each bundle."""
    module = folder / "history-verify.mjs"  # the name tells Node what a browser knows from the page
    shutil.copy(SCRIPT, module)
    done = subprocess.run(
        ["node", str(Path(__file__).with_name("judge.mjs")), str(module)],
        input=json.dumps({"policy": policy.decode(), "bundles": bundles}),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: list[list[Any]] = json.loads(done.stdout)
    return found


def expected(bundle: str, policy: bytes) -> list[Any]:
    """What the verifier's one file says of a bundle."""
    try:
        history = erti_verify.read_bundle(
            bundle.encode(errors="surrogatepass"), erti_verify.read_policy(policy)
        )
    except erti_verify.Rejected as error:
        return [error.verdict]
    erased = sum(entry.record is None for entry in history.entries)
    return ["VALID-COMPLETE", erased, len(history.entries), history.signed_at, list(history.witnesses)]


def agree(bundles: list[str], policy: bytes, folder: Path) -> list[str]:
    """Both say the same of every bundle: the same word, and the same facts of what is accepted."""
    said = judged(bundles, policy, folder)
    for bundle, found in zip(bundles, said, strict=True):
        wanted = expected(bundle, policy)
        assert found[: len(wanted)] == wanted, found
    return [found[0] for found in said]
