"""Clients: the systems of agencies, registered with RFC 7591 metadata and known again by ID and secret."""

import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from consent import agencies, purposes
from consent.declarations import Reader
from consent.errors import FileRefused
from core import clock
from core.database import parts
from core.events import OFFICE, Actor, record
from core.language import _
from idp.oidc import metadata, sandbox
from idp.oidc.client import Client, digest
from idp.oidc.errors import ClientUnknown
from idp.oidc.events import ClientPut
from idp.oidc.tables import client as table
from keys import sealing

KEPT_SECONDS = 0.9  # a change reaches every process within a second
MOST_KEPT = 5_000
SECRETS = "client secrets"
_FIND = select(table).where(table.c.client_id == bindparam("client_id"))


def find(db: Session, client_id: str) -> Client | None:
    """Return a client that is not switched off, or None; what this process knows is under a second old."""
    if "\x00" in client_id:  # which PostgreSQL would refuse as a text
        return None
    bind = db.get_bind()
    kept = _KEPT.setdefault(bind.engine, {})
    until, found = kept.get(client_id, (0.0, None))
    if found is not None and time.monotonic() < until and not db.info.get("clients_changed"):
        return found if found.is_active else None
    found = fetch(db, client_id)
    if found is not None and not db.info.get("clients_changed"):
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[client_id] = (time.monotonic() + KEPT_SECONDS, found)
    return found if found is not None and found.is_active else None


def fetch(db: Session, client_id: str) -> Client | None:
    """Return a client in any state straight from the database, or None."""
    row = db.execute(_FIND, {"client_id": client_id}).first()
    return _client(row) if row else None


def read(db: Session, client_id: str) -> Client:
    """Return a client in any state; raises ClientUnknown."""
    found = fetch(db, client_id)
    if found is None:
        raise ClientUnknown(detail=client_id[:64])
    return found


def listing(db: Session, *, agency: str | None = None) -> list[Client]:
    """Return every client, or one agency's, in the order of their IDs."""
    query = select(table).order_by(table.c.client_id)
    if agency is not None:
        query = query.where(table.c.agency == agency)
    return [_client(row) for row in db.execute(query)]


def load(db: Session, document: Mapping[str, Any], *, actor: Actor) -> dict[str, str]:
    """Take the clients of a file into the caller's transaction: all of them, or none.

    `document["clients"]` lists RFC 7591 metadata with agency, sign_in_purpose and purposes; client_id and
    client_secret may be preset. The profile is ``basic`` where none is named. Returns the secrets that were
    made here, by client ID: they are not kept. Raises FileRefused with every mistake and its path.
    """
    reader = Reader(parts(db).settings.languages)
    listed = document.get("clients") or []
    if not isinstance(listed, list | tuple):
        reader.wrong("clients", _("must be a list"))
        listed = []
    drafts = []
    for number, raw in enumerate(listed):
        drafts.append(_draft(db, reader, raw, f"clients[{number}]", actor=actor))
    _check_served(db, reader, [(f"clients[{number}]", draft) for number, draft in enumerate(drafts)])
    _refuse_mistakes(reader)
    made = {}
    for draft in drafts:
        client, secret = _keep(db, draft, actor=actor)
        if secret:
            made[client.client_id] = secret
    return made


def put(db: Session, declared: Mapping[str, Any], *, actor: Actor) -> tuple[Client, str | None]:
    """Register a client or change one; return it with its new secret if one was made, else None.

    PKCE is required unless the metadata says otherwise. A known client keeps its secret unless one is
    preset. Raises FileRefused.
    """
    reader = Reader(parts(db).settings.languages)
    draft = _draft(db, reader, {"require_pkce": True, **declared}, "client", actor=actor)
    _refuse_mistakes(reader)
    return _keep(db, draft, actor=actor)


def new_secret(db: Session, client_id: str, *, actor: Actor) -> str:
    """Give a client a new secret; the old one stops at once. Raises ClientUnknown."""
    client = read(db, client_id)
    secret = secrets.token_urlsafe(32)
    _store(db, client, _stored_secret(db, client_id, secret, method=client.token_endpoint_auth_method))
    _announce(db, client, actor=actor, new_secret=True)
    return secret


def secret_of(db: Session, client: Client) -> str | None:
    """Return the secret itself, of a client that signs with it (client_secret_jwt); None for every other."""
    held = db.scalar(select(table.c.sealed_secret).where(table.c.client_id == client.client_id))
    if held is None:
        return None
    return sealing.unseal(db, OFFICE, SECRETS, held, aad=client.client_id.encode()).decode()


def switch(db: Session, client_id: str, *, active: bool, actor: Actor) -> Client:
    """Switch a client on or off; while it is off nobody signs in there and its tokens are refused."""
    client = read(db, client_id)
    state = "active" if active else "disabled"
    if client.state != state:
        _store(db, client, {"state": state})
        client = read(db, client_id)
        _announce(db, client, actor=actor, new_secret=False)
    return client


def _draft(db: Session, reader: Reader, raw: Any, path: str, *, actor: Actor) -> dict[str, Any]:
    production = parts(db).settings.mode == "production"
    found = metadata.read(reader, raw, path, production=production)
    if not found:
        return {}
    found["client_id"] = found["client_id"] or secrets.token_urlsafe(16)
    if found["token_endpoint_auth_method"] not in metadata.auth_methods(parts(db).settings):
        reader.wrong(
            f"{path}.token_endpoint_auth_method",
            _(
                "cannot be used here: this service does not see clients' certificates, or knows no authorities"
            ),
        )
    found["client_secret"] = metadata.secret(reader, raw, path, production=production)
    agency, purpose = raw.get("agency"), raw.get("sign_in_purpose", "")
    if agency is None and not purpose and not found["purposes"] and not production:
        agency, purpose = sandbox.ready(db, actor=actor)
    known = agencies.find(db, agency) if isinstance(agency, str) else None
    if known is None:
        reader.wrong(f"{path}.agency", _("is not an agency that is known"))
        return {}
    if set(metadata.SIGNING_IN) & set(found["grant_types"]) and not purpose:
        reader.wrong(
            f"{path}.sign_in_purpose", _("is missing: it says which attributes a sign-in may release")
        )
    for where, name in [("sign_in_purpose", purpose), *(("purposes", name) for name in found["purposes"])]:
        declared = purposes.find(db, name) if isinstance(name, str) and name else None
        if name and (declared is None or declared.agency != agency):
            reader.wrong(f"{path}.{where}", _("names a purpose that this agency does not have"))
    before = fetch(db, found["client_id"])
    if before is not None and before.agency != agency:
        reader.wrong(f"{path}.client_id", _("belongs to a client of another agency"))
    if known.is_company:
        _check_companys(reader, found, path)
    subject_type = found["subject_type"] or ("pairwise" if known.is_company else "public")
    sector = (urlsplit(found["sector_identifier_uri"]).hostname or "") if subject_type == "pairwise" else ""
    return {
        **found,
        "agency": agency,
        "sign_in_purpose": purpose,
        "subject_type": subject_type,
        "sector": sector,
    }


def _check_companys(reader: Reader, found: Mapping[str, Any], path: str) -> None:
    """Note what a private company's client may not be."""
    if found["subject_type"] == "public":
        reader.wrong(f"{path}.subject_type", _("of a company's client must be pairwise"))
    if metadata.EXCHANGE_GRANT in found["grant_types"]:
        reader.wrong(f"{path}.grant_types", _("of a company's client cannot hold token exchange"))


def _check_served(db: Session, reader: Reader, drafts: list[tuple[str, dict[str, Any]]]) -> None:
    """Note each resource that is Erti itself or another agency's: who serves one may look into its tokens."""
    if not any(draft.get("serves") for _path, draft in drafts):
        return
    owners = {uri: client.agency for client in listing(db) for uri in client.serves}
    issuer = parts(db).settings.issuer.rstrip("/")
    for path, draft in drafts:
        for number, uri in enumerate(draft.get("serves", ())):
            if uri.rstrip("/") == issuer or owners.setdefault(uri, draft["agency"]) != draft["agency"]:
                reader.wrong(f"{path}.serves[{number}]", _("is a resource of somebody else"))


def _keep(db: Session, draft: dict[str, Any], *, actor: Actor) -> tuple[Client, str | None]:
    client_id, agency, preset = (draft.pop(name) for name in ("client_id", "agency", "client_secret"))
    before = fetch(db, client_id)
    made = None
    method = draft["token_endpoint_auth_method"]
    if method not in metadata.SECRET_METHODS:
        secret_hash = None
    elif preset:
        secret_hash = digest(preset)
    elif before and before.secret_hash and _signs(before.token_endpoint_auth_method) == _signs(method):
        secret_hash = before.secret_hash
    else:
        made = secrets.token_urlsafe(32)
        secret_hash = digest(made)
    wanted = _client_of(client_id, agency, before.state if before else "active", secret_hash, draft)
    if wanted == before:
        return wanted, None
    values: dict[str, Any] = {"secret_hash": secret_hash, "registration": draft}
    if preset or made:
        values |= _stored_secret(db, client_id, preset or made or "", method=method)
    if before is None:
        at = clock.now()
        db.execute(
            insert(table).values(
                client_id=client_id, agency=agency, state="active", created_at=at, changed_at=at, **values
            )
        )
        db.info["clients_changed"] = True
    else:
        _store(db, before, values)
    _announce(db, wanted, actor=actor, new_secret=before is None or before.secret_hash != secret_hash)
    return wanted, made


def _signs(method: str) -> bool:
    return method in metadata.SECRET_SIGNS


def _stored_secret(db: Session, client_id: str, secret: str, *, method: str) -> dict[str, Any]:
    """Return what is stored of a secret: its hash, and itself, sealed, only where it is the key of signatures."""
    aad = client_id.encode()
    sealed = sealing.seal(db, OFFICE, SECRETS, secret.encode(), aad=aad) if _signs(method) else None
    return {"secret_hash": digest(secret), "sealed_secret": sealed}


def _store(db: Session, client: Client, values: dict[str, Any]) -> None:
    where = table.c.client_id == client.client_id
    db.execute(update(table).where(where).values(changed_at=clock.now(), **values))
    db.info["clients_changed"] = True
    _KEPT.get(db.get_bind().engine, {}).pop(client.client_id, None)


def _announce(db: Session, client: Client, *, actor: Actor, new_secret: bool) -> None:
    facts = {name: value for name, value in vars(client).items() if name not in ("secret_hash", "state")}
    event = ClientPut(
        agency=client.agency,
        client=client.client_id,
        client_state=client.state,
        new_secret=new_secret,
        registration=facts,
    )
    record(db, event, actor=actor, about=[agencies.chain(client.agency)])


def _refuse_mistakes(reader: Reader) -> None:
    if reader.mistakes:
        raise FileRefused(reader.mistakes)


def _client(row: Row[Any]) -> Client:
    return _client_of(row.client_id, row.agency, row.state, row.secret_hash, row.registration)


def _client_of(
    client_id: str, agency: str, state: str, secret_hash: str | None, stored: Mapping[str, Any]
) -> Client:
    facts: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return Client(client_id=client_id, agency=agency, state=state, secret_hash=secret_hash, **facts)


# One process's view, for each database it has open.
_KEPT: WeakKeyDictionary[Engine, dict[str, tuple[float, Client | None]]] = WeakKeyDictionary()
