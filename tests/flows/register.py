"""One person in the civil register: their number, the register's signed word about them, and their session."""

from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.testclient import TestClient

from core import clock, sessions
from core.database import Database
from tests import factories

AGENCIES = Path(__file__).parents[2] / "service" / "demo" / "agencies.yaml"
SECRET = "a-secret-for-the-revenue-portal-0123456789"
NUMBER = "38072135168"


def sign_in(client: TestClient, database: Database, citizen: str) -> None:
    """Put a citizen's session into the test browser."""
    with database.writing() as db:
        _session, secret = sessions.begin(
            db,
            subject=citizen,
            kind="citizen",
            acr=factories.SUBSTANTIAL,
            amr=["pwd", "otp"],
            user_agent="test",
            network="192.0.2.1",
        )
    client.cookies.set("__Host-erti_session", secret, domain="id.erti.example")


def uin(number: str) -> list[dict[str, str]]:
    """Return somebody's number in the DCI shape."""
    return [{"identifier_type": "UIN", "identifier_value": number}]


def message(
    key: ECKey,
    kind: str,
    payload: dict[str, Any],
    *,
    number: str = NUMBER,
    issuer: str = "https://id.erti.example",
    ago: int = 0,
) -> str:
    """Return what the civil register says of a person, as a signed event (RFC 8417) of some seconds `ago`."""
    at = clock.seconds(clock.now())
    content = {
        "iss": "civil",
        "aud": issuer,
        "iat": at,
        "toe": at - (ago or (60 if kind == "death" else 0)),
        "jti": f"{kind}-{number}-{at}",
        "events": {f"urn:erti:registry:{kind}": {"identifier": uin(number), **payload}},
    }
    return jwt.encode({"alg": "ES256", "typ": "secevent+jwt", "kid": "civil-1"}, content, key)
