"""One code, and one refresh token, in fifty hands at once, over four workers."""

from __future__ import annotations

import base64
import hashlib
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from core import sessions
from core.database import Database
from core.events import SYSTEM
from idp.oidc import clients, families, tokens
from idp.oidc.client import Client
from registry_sync import people
from service.app import open_house
from tests import ports, service_process
from tests.consent import country

HANDS = 50
CALLBACK = "https://race.example/cb"
VERIFIER = "a-verifier-of-more-than-forty-three-characters-is-enough"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[service_process.Service]:
    """A founded house on each engine, served by four workers."""
    port = ports.free_port()
    wish: dict[str, Any] = {"issuer": f"http://localhost:{port}", "homes": {}, "people_count": 20}
    if request.param == "sqlite":
        yield from served(service_process.prepare(tmp_path, **wish), port)
    else:
        with request.getfixturevalue("postgres").empty() as url:
            yield from served(service_process.prepare(tmp_path, **wish, database_url=url), port)


def served(service: service_process.Service, port: int) -> Iterator[service_process.Service]:
    """Serve it, until the test is over."""
    try:
        service.start(sys.executable, "-m", "service", "serve", "--port", str(port), "--workers", "4")
        ports.wait_for(f"{service.issuer}/readyz")
        yield service
    finally:
        service.stop()


def signed_in(database: Database, at: Client) -> tuple[families.Family, str]:
    """Return the family and the code of a sign-in at a client, of somebody new."""
    citizen = people.new_citizen_id()
    with database.writing() as db:
        country.be_born(db, citizen)
        session, _token = sessions.begin(
            db, subject=citizen, kind="citizen", acr=country.SUBSTANTIAL, amr=["pwd", "otp"], user_agent="test",
            network="127.0.0.1",
        )  # fmt: skip
        family = families.begin(
            db,
            at,
            session,
            scopes=("openid", "offline_access"),
            attributes=(),
            resources=(),
            nonce="",
            grants=(),
        )
        return family, tokens.issue_code(db, family, redirect_uri=CALLBACK, challenge=CHALLENGE)


def at_once(url: str, form: dict[str, str]) -> list[httpx.Response]:
    """Post the same form from fifty connections, all of them let go at one moment."""
    gate = threading.Barrier(HANDS)

    def one(_hand: int) -> httpx.Response:
        with httpx.Client(timeout=60, trust_env=False, verify=False) as web:
            gate.wait()
            return web.post(f"{url}/token", data=form)

    with ThreadPoolExecutor(HANDS) as pool:
        return list(pool.map(one, range(HANDS)))


def winner(answers: list[httpx.Response]) -> dict[str, Any]:
    """Return what the one success was told; every other answer is `invalid_grant`."""
    said = Counter((one.status_code, one.json().get("error")) for one in answers)
    assert said == {(200, None): 1, (400, "invalid_grant"): HANDS - 1}
    (won,) = [one.json() for one in answers if one.status_code == 200]
    return dict(won)


def dead_everywhere(url: str, token: str) -> bool:
    """Tell whether a token is refused by whichever worker answers."""
    statuses = set()
    for _try in range(12):
        with httpx.Client(timeout=30, trust_env=False, verify=False) as web:
            statuses.add(web.get(f"{url}/userinfo", headers={"Authorization": f"Bearer {token}"}).status_code)
    return statuses == {401}


@pytest.mark.slow
def test_of_fifty_hands_one_wins_and_the_family_ends(town: service_process.Service) -> None:
    """A code, then a refresh token, redeemed by fifty requests at once: one success, and since the others are
    replays, nothing that came of it is good any more, on any worker."""
    database = open_house(town.settings)
    spa: dict[str, Any] = {
        "client_id": "race-spa", "agency": "revenue", "sign_in_purpose": "revenue-sign-in",
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    }  # fmt: skip
    with database.writing() as db:
        client, _secret = clients.put(db, spa, actor=SYSTEM)
    redeem = {
        "client_id": "race-spa", "grant_type": "authorization_code", "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }  # fmt: skip
    family, code = signed_in(database, client)
    won = winner(at_once(town.issuer, {**redeem, "code": code}))
    assert dead_everywhere(town.issuer, won["access_token"])
    with database.reading() as db:
        assert families.read(db, family.id).ended_by == "replay"

    family, code = signed_in(database, client)
    with httpx.Client(timeout=30, trust_env=False, verify=False) as web:
        first = web.post(f"{town.issuer}/token", data={**redeem, "code": code}).json()
    refresh = {
        "client_id": "race-spa", "grant_type": "refresh_token", "refresh_token": first["refresh_token"]
    }  # fmt: skip
    won = winner(at_once(town.issuer, refresh))
    assert dead_everywhere(town.issuer, won["access_token"])
    assert dead_everywhere(town.issuer, first["access_token"])
    with database.reading() as db:
        assert families.read(db, family.id).ended_by == "replay"
    database.close()
