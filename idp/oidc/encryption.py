"""What only one client may read: signed by us, then encrypted to a key of its own (OpenID Connect Core 1.0, 10.2)."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from joserfc import jwe
from joserfc.errors import JoseError
from sqlalchemy.orm import Session

from core.database import Database
from idp.oidc import client_keys, clients, public_keys
from idp.oidc.client import Client
from idp.oidc.errors import ClientKeysAway
from idp.oidc.public_keys import PublicKey
from keys import signing

ID_TOKEN, USERINFO, AUTHORIZATION, INTROSPECTION = "id_token", "userinfo", "authorization", "introspection"
T = TypeVar("T")


def wanted(client: Client, kind: str) -> tuple[str, str]:
    """Return key and content algorithm by which a client wants one kind of answer encrypted; both empty for none."""
    return (
        getattr(client, f"{kind}_encrypted_response_alg"),
        getattr(client, f"{kind}_encrypted_response_enc"),
    )


def with_keys(database: Database, attempt: Callable[[], T]) -> T:
    """Do something whose answer may have to be encrypted; if keys have to be fetched for that, do it again after that.

    `attempt` opens its transactions itself, and is undone by the ClientKeysAway that `told` raises in it. So nobody
    waits for a client's server with a transaction open, and what is not encrypted costs nothing more.
    """
    try:
        return attempt()
    except ClientKeysAway as error:
        with database.reading() as db:
            client = clients.find(db, error.detail)
        if client is None or not client.jwks_uri:
            raise
        client_keys.ready(database, client)
        return attempt()


def key(db: Session, client: Client, kind: str) -> PublicKey | None:
    """Return the client's key for one kind of answer, None if it does not want that encrypted.

    Raises ClientKeysAway if there is none, or if the client's keys should be fetched first.
    """
    alg, _enc = wanted(client, kind)
    if not alg:
        return None
    found = public_keys.for_encryption(client_keys.held(db, client), alg)
    if found is None or client_keys.is_due(db, client):
        raise ClientKeysAway(detail=client.client_id)
    return found


def told(db: Session, client: Client, claims: dict[str, Any], *, kind: str, typ: str, alg: str) -> str:
    """Return claims as one kind of answer to a client: a JWT signed with `alg`, encrypted if the client wants it so.

    With `alg` empty it is encrypted alone, which UserInfo may be (OpenID Connect Registration 1.0, section 2). Raises
    ClientKeysAway as `key` does: see `with_keys`.
    """
    to = key(db, client, kind)
    inside = signing.sign(db, claims, typ=typ, alg=alg) if alg else json.dumps(claims, ensure_ascii=False)
    if to is None:
        return inside
    key_alg, enc = wanted(client, kind)
    header = {"alg": key_alg, "enc": enc}
    if alg:
        header["cty"] = "JWT"  # RFC 7519, section 5.2
    if to.kid:
        header["kid"] = to.kid
    try:
        return jwe.encrypt_compact(header, inside, to.key, algorithms=[key_alg, enc])
    except (JoseError, ValueError) as error:
        raise ClientKeysAway(detail=client.client_id) from error
