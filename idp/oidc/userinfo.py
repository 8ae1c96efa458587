"""UserInfo: what a citizen shares with a client at sign-in, released through the door."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consent import disclosure
from consent.disclosure import Ask, Envelope, NotReleased
from consent.ledger.disclosures import RETRY_WINDOW
from core import clock
from core.database import Database, parts
from idp.oidc import bearer, claims, clients, encryption, id_tokens, subjects
from idp.oidc.bearer import Denied, Shown
from idp.oidc.client import Client
from idp.oidc.tokens import Access

NO_BODY = hashlib.sha256(b"").hexdigest()
BY_LAW = "sign-in"  # the case that a sign-in by law is for


@dataclass(frozen=True)
class Told:
    """The claims that are answered, and the entry that stands for the read (empty where none was made).

    `jwt` is the same answer for a client that wants it signed or encrypted.
    """

    claims: dict[str, Any]
    event_id: str = ""
    jwt: str = ""


def answer(database: Database, shown: Shown) -> Told | Denied:
    """Return the claims that a token opens (OpenID Connect Core 1.0, 5.3), or the refusal.

    `sub` always, and `act` where somebody acts for the citizen, of whom nothing else is told; attributes of the client's sign-in purpose through `disclosure.release`, with no write
    transaction open. A token of openid alone releases nothing and makes no entry. Raises ClientKeysAway, before
    anything is released, if the answer has to be encrypted and cannot be (`encryption.with_keys`).
    """
    with database.reading() as db:
        access = bearer.access(db, shown, scope="openid")
        if isinstance(access, Denied):
            return access
        client = clients.find(db, access.client_id)
        if client is None or access.citizen is None:
            return bearer.NOT_GOOD
        answered: dict[str, Any] = {"sub": subjects.sub(db, client, access.citizen)}
        if act := subjects.act(db, client, access.actor):
            answered["act"] = act
        encryption.key(db, client, encryption.USERINFO)
    names = claims.within(access.attributes or [], agreed=access.agreed or "", scope=access.scope)
    if not names:
        return _told(database, client, answered)
    released = disclosure.release(database, _ask(client, access, access.citizen, tuple(names)))
    if isinstance(released, NotReleased) and released.acr:  # RFC 9470, section 3
        return Denied("insufficient_user_authentication", str(released.text), acr=released.acr)
    if isinstance(released, NotReleased):
        return Denied("insufficient_scope", str(released.text))
    return _told(database, client, {**_claims(released.values), **answered}, released.receipt.event_id)


def _told(database: Database, client: Client, told: dict[str, Any], event_id: str = "") -> Told:
    """Return claims as the client wants them: plain, or signed, or encrypted, or both (OpenID Connect Core 1.0, 5.3.2)."""
    alg = client.userinfo_signed_response_alg
    if not alg and not encryption.wanted(client, encryption.USERINFO)[0]:
        return Told(told, event_id)
    with database.reading() as db:
        whole = {"iss": parts(db).settings.issuer, "aud": client.client_id, **told} if alg else told
        jwt = encryption.told(db, client, whole, kind=encryption.USERINFO, typ=id_tokens.TYP, alg=alg)
    return Told(told, event_id, jwt)


def _repeat_as(access: Access) -> str:
    """Return what makes calls one read where the citizen has reads counted.

    Calls with one token within the same five minutes of its life are then one, as a repeated
    `/attributes/read` would be; without limits each call is a read of its own.
    """
    return f"userinfo:{access.token_hash}:{(clock.now() - access.issued_at) // RETRY_WINDOW}"


def _ask(client: Client, access: Access, citizen: str, names: tuple[str, ...]) -> Ask:
    return Ask(
        citizen=citizen,
        agency=client.agency,
        client=client.client_id,
        purpose=client.sign_in_purpose,
        attributes=names,
        request_id=secrets.token_urlsafe(16),
        repeat_as=_repeat_as(access),
        body_sha256=NO_BODY,
        channel="behalf" if access.actor else "offline" if access.offline else "sign-in",
        representative=access.actor,
        acr=access.acr,
        case=BY_LAW,
        token=access.token_hash,
        narrow=True,  # what was asked at sign-in, less what the citizen did not allow; the entry names both
    )


def _claims(values: Mapping[str, Envelope]) -> dict[str, Any]:
    told = {name: envelope.value for name, envelope in values.items() if envelope.value is not None}
    if isinstance(told.get("address"), str):
        told["address"] = {"formatted": told["address"]}  # OpenID Connect Core 1.0, 5.1.1
    return told
