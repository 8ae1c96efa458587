"""Journeys through the whole house that no single package could tell."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey
from starlette.testclient import TestClient

from consent import decisions, grants, purposes
from consent.ledger import signer
from core import sessions
from core.database import Database
from core.events import SYSTEM, Actor
from idp import accounts
from idp.login import activation
from idp.oidc import clients
from tests import factories
from tests.at_counter import SEEN
from tests.flows.register import NUMBER, SECRET, message, sign_in

VERIFIER = Path(__file__).parents[2] / "verifier" / "erti_verify.py"


def token(client: TestClient) -> dict[str, str]:
    """Get a token by client credentials and return it as a header."""
    basic = base64.b64encode(f"revenue-portal:{SECRET}".encode()).decode()
    answer = client.post(
        "/token",
        data={"grant_type": "client_credentials", "scope": "attributes"},
        headers={"Authorization": f"Basic {basic}"},
    )
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def verify(folder: Path, bundle: bytes, policy: str) -> dict[str, Any]:
    """Run the citizen's verifier in a process of its own, without our packages."""
    (folder / "bundle.json").write_bytes(bundle)
    (folder / "policy.txt").write_text(policy)
    ran = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), "bundle.json", "--policy", "policy.txt", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_reads_by_law_wait_for_the_citizen_with_their_proof(
    client: TestClient, database: Database, citizen: str, tmp_path: Path
) -> None:
    """Somebody whose data was read by law before they ever signed in finds those reads, and can prove them."""
    bearer = token(client)
    about = {"purpose": "revenue-assessment", "case": "T-1", "official": "officer-7f"}
    resolved = client.post(
        "/citizens/resolve",
        json={**about, "identifier_type": "UIN", "identifier_value": NUMBER, "request_id": "r-1"},
        headers=bearer,
    )
    assert resolved.json()["citizen_id"] == citizen
    wanted = {**about, "citizen_id": citizen, "attributes": ["address"], "request_id": "r-2"}
    assert client.post("/attributes/read", json=wanted, headers=bearer).status_code == 200

    sign_in(client, database, citizen)
    page = client.get("/my/history", headers={"accept": "text/html"})
    assert page.text.count("T-1") >= 2

    assert database.parts.sequencer.drain()
    signer.sign_if_due(database)
    with database.reading() as db:
        policy, fingerprint = signer.policy_text(db), signer.policy_fingerprint(db)
    found = verify(tmp_path, client.get("/my/history/bundle").content, policy)
    assert "VALID-COMPLETE" in json.dumps(found)
    assert fingerprint in json.dumps(found)
    assert json.dumps(found).count("T-1") >= 2


def test_the_letter_carries_the_fingerprint(database: Database, client: TestClient, citizen: str) -> None:
    """The printed letter names the trust policy by the fingerprint that the verifier prints."""
    with database.writing() as db:
        fingerprint = signer.policy_fingerprint(db)
        code = activation.make_code(db, citizen, seen=SEEN, actor=SYSTEM)
        page = activation.letter(db, citizen, code, fingerprint=fingerprint)

    assert fingerprint in page
    assert code in page


def test_a_death_ends_everything_in_one_commit(
    client: TestClient, database: Database, citizen: str, register: ECKey
) -> None:
    """A registered death locks the account and ends grants, tokens and sessions together; a reversal reopens."""
    actor = Actor("citizen", citizen)
    with database.writing() as db:
        accounts.activate(db, citizen, handle=accounts.new_handle(), language="en", actor=actor)
        purpose = purposes.current(db, "revenue-sign-in")
        grant = decisions.decide(
            db,
            citizen=citizen,
            client_id="revenue-portal",
            purpose=purpose,
            allowed={"given_name", "family_name"},
            lang="en",
            actor=actor,
        )
        portal = clients.find(db, "revenue-portal")
    assert portal is not None
    bearer = {"Authorization": f"Bearer {factories.access_token(database, portal, citizen, grant.grant_id)}"}
    assert client.get("/userinfo", headers=bearer).status_code == 200

    answer = client.post(
        "/registry/events",
        content=message(register, "death", {"death_date": "2026-11-20"}),
        headers={"content-type": "application/secevent+jwt"},
    )

    assert (answer.status_code, answer.headers["erti-outcome"]) == (202, "applied")
    assert client.get("/userinfo", headers=bearer).status_code == 401
    with database.reading() as db:
        account = accounts.find(db, citizen)
        assert account is not None
        assert account.state == "locked"
        assert grants.live(db, citizen=citizen, purpose="revenue-sign-in") is None
        assert sessions.of(db, citizen) == []

    back = message(register, "death-reversed", {})
    again = client.post(
        "/registry/events", content=back, headers={"content-type": "application/secevent+jwt"}
    )
    assert again.headers["erti-outcome"] == "applied"
    with database.reading() as db:
        reopened = accounts.find(db, citizen)
    assert reopened is not None
    assert reopened.state == "active"
