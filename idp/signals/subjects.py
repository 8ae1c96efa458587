"""Whom a receiver wants to hear about: everybody who concerns it, until it says otherwise."""

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent import grants
from core.database import parts
from idp.oidc import families, subjects
from idp.oidc.client import Client
from idp.signals.bodies import Subject
from idp.signals.errors import StreamRefused
from idp.signals.streams import Stream
from idp.signals.tables import silence

_SILENCE = {
    "sqlite": sqlite.insert(silence).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(silence).on_conflict_do_nothing(),
}


def listen(db: Session, client: Client, stream: Stream, subject: Subject, *, listening: bool) -> None:
    """Keep whether a stream wants to hear about a citizen (SSF 1.0, 8.1.3); raises StreamRefused.

    Only about citizens who have to do with the agency is anything kept, and the answer is the same for all
    others, so that nobody learns by asking who is a citizen.
    """
    issuer = parts(db).settings.issuer
    if subject.format != "iss_sub" or subject.iss != issuer or not subject.sub:
        raise StreamRefused(detail="subject", mistake="subject is an iss_sub with this issuer")
    citizen = subjects.citizen(db, client, subject.sub)
    if citizen is None:
        return
    if listening:
        mine = (silence.c.stream_id == stream.stream_id, silence.c.citizen == citizen)
        db.execute(delete(silence).where(*mine))
    elif _concerns(db, client, citizen):
        values = {"stream_id": stream.stream_id, "citizen": citizen}
        db.execute(_SILENCE[db.get_bind().dialect.name], values)


def _concerns(db: Session, client: Client, citizen: str) -> bool:
    decided = any(grant.agency == client.agency for grant in grants.of(db, citizen))
    return decided or client.client_id in families.clients_of(db, citizen)
