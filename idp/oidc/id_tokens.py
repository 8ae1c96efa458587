"""ID tokens: who signed in, when and how surely, signed for one client."""

import base64
import hashlib
from typing import Any

from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from idp.oidc import encryption, subjects
from idp.oidc.client import Client
from idp.oidc.families import Family
from keys import decryption, signing
from keys.compact import ENCRYPTED_PARTS

TYP = "JWT"


def make(db: Session, client: Client, family: Family, *, access_token: str, nonce: str | None) -> str:
    """Return an ID token (OpenID Connect Core 1.0, section 2), in the algorithms that the client registered.

    `act` names who signed in where they act for the subject: then auth_time, acr and amr are of their sign-in.
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
    if act := subjects.act(db, client, family.actor):
        claims["act"] = act
    if family.acting_until is not None:
        claims["exp"] = min(claims["exp"], clock.seconds(family.acting_until))
    if nonce:
        claims["nonce"] = nonce
    return encryption.told(db, client, claims, kind=encryption.ID_TOKEN, typ=TYP, alg=client.id_token_alg)


def hinted(db: Session, hint: str, *, audience: str | None = None) -> dict[str, Any]:
    """Return the claims of an ID token that comes back as a hint, expired or not; raises BadToken.

    A client that was sent it encrypted takes that off, and may encrypt it to us (OpenID Connect Core 1.0, 3.1.2.1).
    """
    token = decryption.opened(db, hint) if hint.count(".") + 1 == ENCRYPTED_PARTS else hint
    return signing.verify(db, token, typ=TYP, audience=audience, expired_ok=True)


def half_hash(token: str) -> str:
    """Return the left half of the SHA-256 of a token, in base64url (OpenID Connect Core 1.0, 3.1.3.6)."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()
