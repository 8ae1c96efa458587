"""Which agencies are told of what happens, and in which words: names of attributes, never their values."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent import agencies, grants
from consent.acts import MandateEnded
from consent.events import GrantEnded, GrantGiven, GrantWithdrawn
from consent.grants import Grant
from core import clock
from core.events import Actor
from idp.events import AccountClosed, AccountLocked, AccountReopened, PasskeyCloneSuspected, SessionEnded
from idp.oidc import clients, families
from idp.signals import outbox, streams, vocabulary
from idp.signals.streams import Stream
from idp.tables import passkey
from registry_sync.events import AttributesChanged, NameChanged

# CAEP 1.0, section 2: who began it.
INITIATORS = {"citizen": "user", "staff": "admin"}
# Why a permission ended, as far as it is the agency's business; it is not told that somebody died. A private
# company is told no more of one that was taken back, so that the silence says nothing (`receipts.is_untold`).
REASONS = {
    "expired": "expired",
    "used-up": "used-up",
    "agency": "ended-by-agency",
    "invalidated": "invalidated",
}
OTHER_REASON = "ended"
WITHDRAWN = "withdrawn"


def withdrawn(db: Session, event: GrantWithdrawn, _actor: Actor) -> None:
    """A citizen took a permission back, whole or in part."""
    grant = grants.find(db, event.grant)
    if grant is None:
        return
    if event.whole:
        company = agencies.read(db, grant.agency).is_company
        reason = OTHER_REASON if company else WITHDRAWN
        _tell_of_grant(db, grant, vocabulary.CONSENT_ENDED, {"reason": reason})
    else:
        names = {"attributes_ended": list(event.attributes), "attributes_left": list(event.left)}
        _tell_of_grant(db, grant, vocabulary.CONSENT_NARROWED, names)


def given_anew(db: Session, event: GrantGiven, _actor: Actor) -> None:
    """A citizen decided again on a permission, and allowed less than before."""
    grant = grants.find(db, event.grant) if event.ended else None
    if grant is not None and event.ended:
        names = {"attributes_ended": list(event.ended), "attributes_left": list(event.attributes)}
        _tell_of_grant(db, grant, vocabulary.CONSENT_NARROWED, names)


def ended(db: Session, event: GrantEnded, _actor: Actor) -> None:
    """A permission ended without the citizen taking it back."""
    grant = grants.find(db, event.grant)
    if grant is not None:
        reason = REASONS.get(event.reason, OTHER_REASON)
        _tell_of_grant(db, grant, vocabulary.CONSENT_ENDED, {"reason": reason})


def session_ended(db: Session, event: SessionEnded, actor: Actor) -> None:
    """A browser session ended: told to the clients at which its citizen signed in from it (CAEP 1.0, 3.1)."""
    for citizen, client_id in families.of_session(db, event.sid):
        _tell_of_session(db, client_id, citizen, event.sid, actor)


def mandate_ended(db: Session, event: MandateEnded, actor: Actor) -> None:
    """Somebody does not act for another any more: told to the clients at which they did."""
    for client_id, citizen, sid in families.acting(db, mandate=event.mandate):
        _tell_of_session(db, client_id, citizen, sid, actor)


def account_locked(db: Session, event: AccountLocked, _actor: Actor) -> None:
    """An account was locked (RISC 1.0, 2.4); the reason stays here.

    After a death companies are told that permissions and sessions ended, as after a citizen's own doing, and no more.
    """
    related = _related(db, event.citizen)
    if event.reason == "deceased":
        related = [stream for stream in related if not _is_company(db, stream)]
    _tell(db, related, vocabulary.ACCOUNT_DISABLED, {}, citizen=event.citizen)


def account_reopened(db: Session, event: AccountReopened, _actor: Actor) -> None:
    """An account was opened again (RISC 1.0, 2.5): told to whoever was told that it was locked."""
    told = streams.reaching(db, client_ids=outbox.told_disabled(db, event.citizen))
    _tell(db, told, vocabulary.ACCOUNT_ENABLED, {}, citizen=event.citizen)


def account_closed(db: Session, event: AccountClosed, _actor: Actor) -> None:
    """An account was closed for good (RISC 1.0, 2.2)."""
    told = streams.reaching(db, client_ids=outbox.told_disabled(db, event.citizen))
    known = {one.stream_id: one for one in [*_related(db, event.citizen), *told]}
    _tell(db, list(known.values()), vocabulary.ACCOUNT_PURGED, {}, citizen=event.citizen)


def passkey_copied(db: Session, event: PasskeyCloneSuspected, _actor: Actor) -> None:
    """A passkey may be in two hands (RISC 1.0, 2.7)."""
    citizen = db.scalar(select(passkey.c.citizen_id).where(passkey.c.id == event.passkey))
    if citizen is not None:
        said = {"credential_type": "passkey"}
        _tell(db, _related(db, citizen), vocabulary.CREDENTIAL_COMPROMISE, said, citizen=citizen)


def attributes_changed(db: Session, event: AttributesChanged | NameChanged, _actor: Actor) -> None:
    """A register says something new: told to agencies with a live permission to read it, and only what they may read."""
    names: dict[str, set[str]] = {}
    for grant in _live(db, event.citizen):
        names.setdefault(grant.agency, set()).update(grant.attributes & set(event.attributes))
    for stream in streams.reaching(db, agencies=[agency for agency, known in names.items() if known]):
        said = {"attributes": sorted(names[stream.agency])}
        _tell(db, [stream], vocabulary.ATTRIBUTE_CHANGED, said, citizen=event.citizen)


def _tell_of_session(db: Session, client_id: str, citizen: str, sid: str, actor: Actor) -> None:
    said = {"initiating_entity": INITIATORS.get(actor.kind, "policy")}
    for stream in streams.reaching(db, client_ids=[client_id]):
        # A death is nobody's act, and a company need not know whose it was.
        told = {} if _is_company(db, stream) else said
        _tell(db, [stream], vocabulary.SESSION_REVOKED, told, citizen=citizen, sid=sid)


def _is_company(db: Session, stream: Stream) -> bool:
    return agencies.read(db, stream.agency).is_company


def _tell_of_grant(db: Session, grant: Grant, kind: str, said: Mapping[str, Any]) -> None:
    """Tell the agency's systems that may read for the grant's purpose, or that asked for it."""
    for stream in streams.reaching(db, agencies=[grant.agency]):
        client = clients.read(db, stream.client_id)
        if grant.client_id != client.client_id and grant.purpose not in (
            client.sign_in_purpose,
            *client.purposes,
        ):
            continue
        body = {"grant_id": grant.grant_id, "purpose": grant.purpose, **said}
        _tell(db, [stream], kind, body, citizen=grant.citizen, grant=grant.grant_id)


def _tell(
    db: Session,
    concerned: Collection[Stream],
    kind: str,
    said: Mapping[str, Any],
    *,
    citizen: str,
    grant: str | None = None,
    sid: str | None = None,
) -> None:
    body = {"event_timestamp": clock.seconds(clock.now()), **said}
    for stream in concerned:
        outbox.put(db, stream, kind, body, citizen=citizen, grant=grant, sid=sid)


def _live(db: Session, citizen: str) -> list[Grant]:
    return [grant for grant in grants.of(db, citizen) if grant.is_live]


def _related(db: Session, citizen: str) -> list[Stream]:
    """Return the streams of those who have to do with a citizen now: by a live permission, or a sign-in that lasts."""
    return streams.reaching(
        db,
        agencies={grant.agency for grant in _live(db, citizen)},
        client_ids=families.clients_of(db, citizen),
    )
