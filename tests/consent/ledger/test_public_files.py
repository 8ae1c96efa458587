from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import KeySet

from consent.ledger import api, entries, note, policy, receipts, signer, tiles, tree
from consent.ledger.sequencer import Integrated, Sequencer
from core import problems, refusals
from core.database import Database
from core.errors import Problem
from core.web import network
from keys import rotation, signing
from tests.consent.ledger.reading import disclosure
from verifier import erti_verify


@pytest.fixture
def web(database: Database, ledger: Sequencer) -> Iterator[TestClient]:
    """The ledger's public files, served."""
    app = FastAPI()
    app.include_router(api.router)
    app.state.database = database
    app.state.settings = database.parts.settings
    app.state.refusals = refusals.Book(database, network=network)
    app.add_exception_handler(Problem, problems.answer)  # type: ignore[arg-type]
    with TestClient(app, headers={"Accept": "application/json"}) as client:
        yield client


def test_anybody_can_follow_the_log(web: TestClient, database: Database, ledger: Sequencer) -> None:
    """From checkpoint, tiles and entries over HTTP anybody recomputes the root that was signed."""
    assert web.get("/ledger/checkpoint").status_code == 404
    ledger.start()
    for _ in range(3):
        ledger.submit(disclosure()).wait()
    signer.sign_if_due(database)
    answer = web.get("/ledger/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    signed, _ = note.open_checkpoint(
        answer.text, policy.log_keys(database.parts, database.parts.settings.ledger_origin)
    )
    hashes = web.get(f"/ledger/tile/0/000.p/{signed.size}")
    assert hashes.headers["content-type"] == "application/octet-stream"
    assert "immutable" in hashes.headers["cache-control"]
    data = tiles.split_bundle(web.get(f"/ledger/tile/entries/000.p/{signed.size}").content)
    assert hashes.content == b"".join(tree.leaf_hash(leaf) for leaf in data)
    edge = tree.Frontier()
    edge.extend(tree.leaf_hash(leaf) for leaf in data)
    assert edge.root() == signed.root


@pytest.mark.parametrize(
    "path", ["0/000", "0/000.p/3", "0/001", "1/000", "0/../signer-guard.json", "entries/000.p/9", "x", "0/0"]
)
def test_nothing_but_signed_tiles_is_served(web: TestClient, database: Database, path: str) -> None:
    """Tiles beyond the checkpoint, malformed paths and the signer's own files are not found."""
    signer.sign_if_due(database)
    assert web.get(f"/ledger/tile/{path}").status_code == 404


def test_the_policy_is_the_verifiers(web: TestClient, database: Database) -> None:
    """The policy served is read by the verifier, with the fingerprint that stands on the letters."""
    served = erti_verify.read_policy(web.get("/ledger/policy").content)
    with database.reading() as db:
        assert served.fingerprint == signer.policy_fingerprint(db)


def test_a_receipt_names_its_leaf(database: Database, ledger: Sequencer) -> None:
    """A receipt is signed, of its own type, and names the leaf hash that stands in the public tree."""
    with database.writing() as db:
        rotation.ensure(db)
    ledger.start()
    placed = ledger.submit(disclosure()).wait()
    assert isinstance(placed, Integrated)
    with database.reading() as db:
        receipt = receipts.receipt(db, placed, audience="revenue-portal", request_id="r1")
        kept = signing.loaded(db).published
    header, claims = opened(receipt, kept)
    assert header["typ"] == "erti-receipt+jwt"
    leaf = tree.leaf_hash(entries.leaf(entries.COMMITMENT, placed.commitment))
    assert (claims["index"], claims["leaf_hash"], claims["jti"]) == (
        placed.index,
        entries.base64_of(leaf),
        placed.event_id,
    )


def opened(receipt: str, keys: list[dict[str, object]]) -> tuple[dict[str, object], dict[str, object]]:
    """Header and claims of a receipt, verified with the published keys."""
    found = jwt.decode(receipt, KeySet.import_key_set({"keys": keys}), algorithms=["ES256"])  # type: ignore[typeddict-item]
    return dict(found.header), dict(found.claims)
