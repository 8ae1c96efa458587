"""Answers to authorization requests as one signed text (JARM: JWT Secured Authorization Response Mode for OAuth 2.0)."""

from typing import Final

from sqlalchemy.orm import Session

from core import clock
from idp.oidc import encryption
from idp.oidc.asked import Asked
from idp.oidc.checks.answering import SIGNED
from idp.oidc.client import Client

SECONDS: Final = 300  # JARM recommends 600 at most; the code inside lives for 60
USUAL_ALGORITHM: Final = "ES256"
# No `iat` and no `sub` in it: so it is never an ID token, although libraries want the same `typ` of both.
TYPE: Final = "JWT"


def signed(db: Session, client: Client, answer: dict[str, str]) -> str:
    """Return an answer, which names its `iss`, as a JWT for the client, encrypted if it wants that (JARM, 2.1 and 2.2).

    Raises ClientKeysAway as `encryption.key` does.
    """
    claims = {**answer, "aud": client.client_id, "exp": clock.seconds(clock.now()) + SECONDS}
    alg = client.authorization_signed_response_alg or USUAL_ALGORITHM
    return encryption.told(db, client, claims, kind=encryption.AUTHORIZATION, typ=TYPE, alg=alg)


def see_to_keys(db: Session, asked: Asked) -> None:
    """Raise ClientKeysAway if the answer has to be encrypted and cannot be, before anything is used up for it."""
    if asked.response_mode.endswith(SIGNED):
        encryption.key(db, asked.client, encryption.AUTHORIZATION)
