"""Answers to authorization requests as one signed text (JARM: JWT Secured Authorization Response Mode for OAuth 2.0)."""

from typing import Final

from sqlalchemy.orm import Session

from core import clock
from idp.oidc.client import Client
from keys import signing

SECONDS: Final = 300  # JARM recommends 600 at most; the code inside lives for 60
USUAL_ALGORITHM: Final = "ES256"
# No `iat` and no `sub` in it: so it is never an ID token, although libraries want the same `typ` of both.
TYPE: Final = "JWT"


def signed(db: Session, client: Client, answer: dict[str, str]) -> str:
    """Return an answer, which names its `iss`, as a JWT for the client (JARM, 2.1)."""
    claims = {**answer, "aud": client.client_id, "exp": clock.seconds(clock.now()) + SECONDS}
    alg = client.authorization_signed_response_alg or USUAL_ALGORITHM
    return signing.sign(db, claims, typ=TYPE, alg=alg)
