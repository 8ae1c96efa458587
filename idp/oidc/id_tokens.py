"""ID tokens: who signed in, when and how surely, signed for one client."""

import base64
import hashlib
from typing import Any

from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from idp.oidc import subjects
from idp.oidc.client import Client
from idp.oidc.families import Family
from keys import signing

TYP = "JWT"


def make(db: Session, client: Client, family: Family, *, access_token: str, nonce: str | None) -> str:
    """Return an ID token (OpenID Connect Core 1.0, section 2), in the algorithm that the client registered.

    It holds no attribute: those leave through UserInfo alone. `at_hash` binds the access token (3.1.3.6).
    """
    at, settings = clock.seconds(clock.now()), parts(db).settings
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "sub": subjects.sub(db, client, family.citizen),
        "aud": client.client_id,
        "iat": at,
        "exp": at + settings.id_token_seconds,
        "auth_time": clock.seconds(family.auth_time),
        "acr": family.acr,
        "amr": family.amr,
        "sid": subjects.sid(db, client, family.sid),
        "at_hash": half_hash(access_token),
    }
    if nonce:
        claims["nonce"] = nonce
    return signing.sign(db, claims, typ=TYP, alg=client.id_token_alg)


def half_hash(token: str) -> str:
    """Return the left half of the SHA-256 of a token, in base64url (OpenID Connect Core 1.0, 3.1.3.6)."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()
