"""What introspection says of a token (RFC 7662, 2.2; RFC 9701)."""

from typing import Any

from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from idp.oidc import binding, clients, details, encryption, subjects
from idp.oidc.client import Client
from idp.oidc.tokens import Access, Refresh

DEAD = {"active": False}
TYP = "token-introspection+jwt"
JWT = f"application/{TYP}"


def facts(db: Session, token: Access | Refresh | None) -> dict[str, Any]:
    """Return what a resource may know of a token; a dead one says nothing but that.

    `sub` is what the token's own client calls the citizen.
    """
    if token is None:
        return dict(DEAD)
    issuer = parts(db).settings.issuer
    if isinstance(token, Refresh):
        return {
            "active": True,
            "iss": issuer,
            "client_id": token.family.client_id,
            "scope": token.scope,
            "exp": clock.seconds(token.expires_at),
            **({"cnf": token.cnf} if token.cnf else {}),
            **_acting(db, token),
        }
    owner = clients.find(db, token.client_id)
    if owner is None or (token.origin and clients.find(db, token.origin) is None):
        return dict(DEAD)
    found: dict[str, Any] = {
        "active": True,
        "iss": issuer,
        "client_id": token.client_id,
        "sub": subjects.sub(db, owner, token.citizen) if token.citizen else token.client_id,
        "aud": token.audience,
        "scope": token.scope,
        "token_type": binding.token_type(token.cnf),
        "iat": clock.seconds(token.issued_at),
        "exp": clock.seconds(token.expires_at),
    }
    if token.cnf:
        found["cnf"] = token.cnf
    if token.act:
        found["act"] = token.act
    if token.acr and token.auth_time:
        found |= {"acr": token.acr, "auth_time": clock.seconds(token.auth_time)}
    if token.citizen:
        found |= details.told(db, token.citizen, token.details or [], token.grant_id)
    return found


def _acting(db: Session, token: Refresh) -> dict[str, Any]:
    owner = clients.find(db, token.family.client_id)
    act = subjects.act(db, owner, token.family.actor) if owner else None
    return {"act": act} if act else {}


def signed(db: Session, client: Client, said: dict[str, Any]) -> str:
    """Return what is said of a token as a JWT for the one who asked (RFC 9701, section 5), encrypted if it wants that.

    RS256 where nothing else is registered (section 6), which FAPI clients cannot be answered with: ES256.
    """
    claims = {
        "iss": parts(db).settings.issuer,
        "aud": client.client_id,
        "iat": clock.seconds(clock.now()),
        "token_introspection": said,
    }
    alg = client.introspection_signed_response_alg or ("ES256" if client.is_fapi else "RS256")
    return encryption.told(db, client, claims, kind=encryption.INTROSPECTION, typ=TYP, alg=alg)
