"""What a client that registers itself may say, what becomes of it, and what it is told back."""

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from consent.errors import FileRefused
from core import limits, outbound
from core.database import parts
from core.errors import TooMany
from core.events import Actor
from core.outbound import CallRefused
from core.settings import Settings
from idp.oidc import clients, families, metadata, profiles
from idp.oidc.client import Client, digest
from idp.oidc.registration import invitations, statements
from idp.oidc.registration.errors import METADATA, REDIRECT_URI, TOKEN, Declined
from idp.oidc.registration.invitations import Invitation
from idp.oidc.tables import client as table

MOST_AN_HOUR: Final = 200  # of one network
MOST_IN_A_TEST: Final = 2_000  # a certification run registers a client or two for each of its modules
SECTOR_LIMIT: Final = 100_000
NOT_INVITED: Final = "an initial access token is needed that is neither over nor used up"
# What a client never says of itself: it comes with the invitation, or is made here.
NOT_ITS_OWN: Final = frozenset(
    {
        "agency",
        "sign_in_purpose",
        "purposes",
        "resources",
        "serves",
        "representation",
        "client_id",
        "client_secret",
    }
)
TOLD_ONLY: Final = frozenset(
    {
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    }
)


@dataclass(frozen=True)
class Registered:
    """A client that has just registered, with what is shown once: its secret (if it has one) and its own token."""

    client: Client
    secret: str | None
    token: str


def prepare(settings: Settings, document: Any) -> dict[str, Any]:
    """Return the metadata that a client gives, a software statement's in place of its own, before any transaction.

    The document of `sector_identifier_uri` is fetched, and names every redirect URI (OpenID Connect Registration 1.0,
    section 5). Raises Declined.
    """
    if not isinstance(document, dict):
        raise Declined(METADATA, "the body has to be a JSON object")
    found = {name: value for name, value in document.items() if name not in NOT_ITS_OWN | TOLD_ONLY}
    if "software_statement" in found:
        vouched = statements.read(settings, found["software_statement"])
        found |= {name: value for name, value in vouched.items() if name not in NOT_ITS_OWN | TOLD_ONLY}
    if found.get("profile", profiles.BASIC) == profiles.BASIC:  # the standard's own default
        found = {"id_token_signed_response_alg": "RS256"} | found
    if found.get("sector_identifier_uri"):
        _check_sector(settings, found)
    return found


def pace(db: Session, network: str) -> None:
    """Count a request of a network; raises TooMany where it sends too many. Refused ones count as well."""
    most = MOST_AN_HOUR if parts(db).settings.mode == "production" else MOST_IN_A_TEST
    wait = limits.hit(db, "register", network, most=most, per_seconds=3600)
    if wait:
        raise TooMany(retry_after=wait)


def check_invited(db: Session, settings: Settings, token: str | None) -> None:
    """See that somebody may register at all, with nothing used up; raises Declined."""
    invited = invitations.stands(db, token) if token else settings.registration == "open"
    if not invited:
        raise Declined(TOKEN, NOT_INVITED)


def register(db: Session, found: Mapping[str, Any], *, token: str | None) -> Registered:
    """Register a client (RFC 7591, section 3). Raises Declined.

    With an initial access token it stands where the token says. Without one it stands in the sandbox, and only
    where the settings let everybody in.
    """
    invitation = invitations.use(db, token) if token else None
    if invitation is None and (token or parts(db).settings.registration != "open"):
        raise Declined(TOKEN, NOT_INVITED)
    client_id = secrets.token_urlsafe(16)
    declared = {**found, "client_id": client_id, **_place(found, invitation)}
    client, secret = _put(db, declared, client_id)
    return Registered(client, secret, _give_token(db, client))


def known_by(db: Session, client_id: str, token: str) -> Client:
    """Return the client that a registration access token is of; raises Declined for every other (RFC 7592, section 2)."""
    row = db.execute(select(table.c.registration_token_hash).where(table.c.client_id == client_id)).first()
    held = row.registration_token_hash if row else None
    client = clients.find(db, client_id) if held else None
    if client is None or not hmac.compare_digest(digest(token), held or ""):
        raise Declined(TOKEN, "the registration access token is not one of this client")
    return client


def change(
    db: Session, client: Client, found: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[Client, str | None]:
    """Put other metadata in the place of a client's own (RFC 7592, 2.2); what is left out gets its default.

    `given` is the document as it came: it names the client, and its secret only rightly. Returns the client, with a
    new secret where its way to authenticate needs another. Raises Declined.
    """
    if given.get("client_id") != client.client_id:
        raise Declined(METADATA, "client_id has to be the client's own")
    if TOLD_ONLY & given.keys():
        raise Declined(METADATA, f"cannot be set: {', '.join(sorted(TOLD_ONLY & given.keys()))}")
    if "client_secret" in given and not client.knows_secret(str(given["client_secret"])):
        raise Declined(METADATA, "client_secret is not the client's own")
    kept = {
        "client_id": client.client_id,
        "agency": client.agency,
        "sign_in_purpose": client.sign_in_purpose,
        "purposes": list(client.purposes),
        "resources": list(client.resources),
        "serves": list(client.serves),
        "representation": client.representation,
        "scope": _scope(found, [one for one in client.scopes if one in metadata.CLIENT_SCOPES]),
    }
    return _put(db, {**found, **kept}, client.client_id)


def end(db: Session, client: Client) -> None:
    """End a client at its own wish, with every token of it (RFC 7592, 2.3)."""
    clients.switch(db, client.client_id, active=False, actor=Actor("client", client.client_id))
    families.end_for_client(db, client.client_id)
    db.execute(
        update(table).where(table.c.client_id == client.client_id).values(registration_token_hash=None)
    )


def _place(found: Mapping[str, Any], invitation: Invitation | None) -> dict[str, Any]:
    """Return where a client stands: agency, purposes, and the scopes that it may have."""
    if invitation is None:
        return {"scope": _scope(found, [])}
    return {
        "agency": invitation.agency,
        "sign_in_purpose": invitation.sign_in_purpose,
        "purposes": list(invitation.purposes),
        "scope": _scope(found, invitation.scopes),
    }


def _scope(found: Mapping[str, Any], own: Any) -> str:
    """Return the scopes of a client: those of sign-in that it names (all, if none), and `own`, in its own name."""
    named = found.get("scope")
    of_sign_in = [one for one in metadata.SCOPES if one not in metadata.CLIENT_SCOPES]
    wanted = named.split() if isinstance(named, str) and named.split() else [*of_sign_in, *own]
    return " ".join(one for one in dict.fromkeys(wanted) if one in of_sign_in or one in own)


def _put(db: Session, declared: Mapping[str, Any], client_id: str) -> tuple[Client, str | None]:
    try:
        return clients.put(db, {"require_pkce": False, **declared}, actor=Actor("client", client_id))
    except FileRefused as refused:
        first = refused.mistakes[0].path.removeprefix("client.")
        error = REDIRECT_URI if first.startswith("redirect_uris") else METADATA
        said = "; ".join(f"{one.path.removeprefix('client.')} {one.says}" for one in refused.mistakes[:5])
        raise Declined(error, said) from refused


def _give_token(db: Session, client: Client) -> str:
    token = secrets.token_urlsafe(32)
    db.execute(
        update(table)
        .where(table.c.client_id == client.client_id)
        .values(registration_token_hash=digest(token))
    )
    return token


def _check_sector(settings: Settings, found: Mapping[str, Any]) -> None:
    uri = str(found["sector_identifier_uri"])
    try:
        answer = outbound.fetch(settings, "GET", uri, limit=SECTOR_LIMIT)
        listed = json.loads(answer.body) if answer.status == 200 else None
    except (CallRefused, ValueError) as error:
        raise Declined(METADATA, "sector_identifier_uri cannot be read") from error
    uris = found.get("redirect_uris")
    if not isinstance(listed, list) or not isinstance(uris, list) or any(one not in listed for one in uris):
        raise Declined(METADATA, "sector_identifier_uri does not name every redirect URI")
