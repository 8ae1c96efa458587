"""The outbox: each event that an agency is to be told, written with the change and kept until it is settled."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, exists, func, insert, not_, select, update
from sqlalchemy.orm import Session

from consent import notices
from consent.notices import DROPPED, GIVEN_UP, RECEIVED, REFUSED, WAITING
from core import clock, events
from core.database import parts
from idp.oidc import clients, subjects
from idp.oidc.client import Client
from idp.signals import streams, vocabulary
from idp.signals.bodies import Refusal
from idp.signals.streams import Stream
from idp.signals.tables import outbox as table
from idp.signals.tables import silence
from keys import signing

TYP = "secevent+jwt"
GIVE_UP_AFTER = timedelta(days=14)
KEEP_RECEIVED = timedelta(days=30)
KEEP_UNRECEIVED = timedelta(days=365)


@dataclass(frozen=True)
class Waiting:
    """One event on its way, as it was written. `token` is the signed Security Event Token (RFC 8417)."""

    id: int
    jti: str
    kind: str
    attempts: int
    token: str


@dataclass(frozen=True)
class Backlog:
    """How the outbox stands: what waits, how old the oldest of it is, and what will not be delivered any more."""

    waiting: int
    oldest_seconds: float
    refused: int
    given_up: int


@dataclass(frozen=True)
class Unreceived:
    """An event that its receiver called unusable (`error`, `error_text`), or that was given up."""

    jti: str
    kind: str
    state: str
    created_at: datetime
    attempts: int
    error: str | None
    error_text: str | None


def put(
    db: Session,
    stream: Stream,
    kind: str,
    said: Mapping[str, Any],
    *,
    citizen: str,
    grant: str | None = None,
    sid: str | None = None,
) -> str | None:
    """Write an event about a citizen into the outbox, in the caller's transaction; returns its `jti`.

    None if the stream does not want it: it is disabled, did not ask for the type, or asked not to hear about
    this citizen. With `sid` the subject is that session of the citizen (SSF 1.0, 3.3).
    """
    if not stream.keeps or not streams.delivers(db, stream, kind) or _silent(db, stream, citizen):
        return None
    client = clients.read(db, stream.client_id)
    user = {"format": "iss_sub", "iss": parts(db).settings.issuer, "sub": subjects.sub(db, client, citizen)}
    subject: dict[str, Any] = user
    if sid is not None:
        session = {"format": "opaque", "id": subjects.sid(db, client, sid)}
        subject = {"format": "complex", "user": user, "session": session}
    event_id = events.under_way(db)
    txn = event_id if grant is not None else subjects.txn(db, client, event_id)
    jti = _write(db, stream, kind, said, subject=subject, citizen=citizen, txn=txn)
    if grant is not None:
        notices.begin(db, jti, grant_id=grant, event_id=event_id)
    return jti


def put_about_stream(db: Session, stream: Stream, kind: str, said: Mapping[str, Any]) -> str:
    """Write an event about the stream itself: a verification, or a change of its status (SSF 1.0, 8.1.4 and 8.1.5)."""
    subject = {"format": "opaque", "id": stream.stream_id}
    return _write(db, stream, kind, said, subject=subject, citizen="", txn=events.new_id())


def signed(db: Session, row: Row[Any], client: Client) -> Waiting:
    """Return an event as its receiver gets it, signed now: a key that signed weeks ago may be gone by then.

    Its claims, `jti` and `iat` among them, are the same each time (RFC 8417, 2.2; SSF 1.0, 4).
    """
    settings = parts(db).settings
    claims = {
        "iss": settings.issuer,
        "aud": client.client_id,
        "jti": row.jti,
        "iat": clock.seconds(row.created_at),
        "txn": row.txn,
        "sub_id": row.subject,
        "events": {vocabulary.uri(settings, row.kind): row.said},
    }
    token = signing.sign(db, claims, typ=TYP, alg=client.id_token_alg)
    return Waiting(row.id, row.jti, row.kind, row.attempts, token)


def received(db: Session, stream: Stream, jtis: Collection[str]) -> list[str]:
    """Keep that a receiver acknowledged these; returns those that were waiting."""
    return _settle(db, stream, jtis, RECEIVED)


def refused(db: Session, stream: Stream, jti: str, refusal: Refusal) -> list[str]:
    """Keep that a receiver cannot use an event, and why: it is not sent again, and staff see it."""
    return _settle(db, stream, [jti], REFUSED, error=refusal.error, error_text=refusal.text)


def drop(db: Session, stream: Stream) -> None:
    """Do away with what a stream was still to get, because it was disabled or deleted (SSF 1.0, 8.1.2)."""
    mine = (table.c.stream_id == stream.stream_id, table.c.state == WAITING)
    jtis = db.scalars(select(table.c.jti).where(*mine)).all()
    _settle(db, stream, jtis, DROPPED)


def give_up(db: Session) -> int:
    """Stop trying what nobody took for two weeks; returns how many. Citizen and staff see it."""
    old = select(table.c.jti).where(
        table.c.state == WAITING, table.c.created_at <= clock.now() - GIVE_UP_AFTER
    )
    jtis = db.scalars(old.limit(500)).all()
    if jtis:
        values = {"state": GIVEN_UP, "settled_at": clock.now()}
        db.execute(update(table).where(table.c.jti.in_(jtis), table.c.state == WAITING).values(values))
        notices.settle(db, jtis, GIVEN_UP)
    return len(jtis)


def purge(db: Session) -> None:
    """Delete what was settled long ago; whoever was told that an account is disabled is told when it is not."""
    at = clock.now()
    later = table.alias()
    undone = exists().where(
        later.c.stream_id == table.c.stream_id,
        later.c.citizen == table.c.citizen,
        later.c.id > table.c.id,
        later.c.kind.in_((vocabulary.ACCOUNT_ENABLED, vocabulary.ACCOUNT_PURGED)),
    )
    stands = and_(table.c.kind == vocabulary.ACCOUNT_DISABLED, ~undone)
    done = table.c.state.in_((RECEIVED, DROPPED)) & (table.c.settled_at <= at - KEEP_RECEIVED)
    old = table.c.state.in_((REFUSED, GIVEN_UP)) & (table.c.settled_at <= at - KEEP_UNRECEIVED)
    db.execute(delete(table).where((done | old) & not_(stands)))


def backlog(db: Session, *, client_id: str | None = None) -> Backlog:
    """Return how the outbox stands, for one client or as a whole."""
    mine = () if client_id is None else (table.c.client_id == client_id,)
    rows = db.execute(
        select(table.c.state, func.count().label("number"), func.min(table.c.created_at).label("oldest"))
        .where(table.c.state.in_((WAITING, REFUSED, GIVEN_UP)), *mine)
        .group_by(table.c.state)
    ).all()
    counts = {row.state: row.number for row in rows}
    oldest = next((row.oldest for row in rows if row.state == WAITING), None)
    age = (clock.now() - oldest).total_seconds() if oldest else 0.0
    return Backlog(counts.get(WAITING, 0), age, counts.get(REFUSED, 0), counts.get(GIVEN_UP, 0))


def unreceived(db: Session, client_id: str, *, most: int = 50) -> list[Unreceived]:
    """Return what a client's receiver called unusable or did not take in time, the newest first, without whom it is about."""
    rows = db.execute(
        select(table.c.jti, table.c.kind, table.c.state, table.c.created_at, table.c.attempts, table.c.error, table.c.error_text)
        .where(table.c.client_id == client_id, table.c.state.in_((REFUSED, GIVEN_UP)))
        .order_by(table.c.id.desc())
        .limit(most)
    )  # fmt: skip
    return [Unreceived(**row._asdict()) for row in rows]


def told_disabled(db: Session, citizen: str) -> list[str]:
    """Return the clients that were told of a citizen that the account is disabled."""
    told = (table.c.citizen == citizen, table.c.kind == vocabulary.ACCOUNT_DISABLED)
    return list(db.scalars(select(table.c.client_id).where(*told).distinct()))


def _write(
    db: Session,
    stream: Stream,
    kind: str,
    said: Mapping[str, Any],
    *,
    subject: Mapping[str, Any],
    citizen: str,
    txn: str,
) -> str:
    at, jti = clock.now(), events.new_id()
    values = {
        "jti": jti,
        "stream_id": stream.stream_id,
        "client_id": stream.client_id,
        "citizen": citizen,
        "kind": kind,
        "txn": txn,
        "subject": dict(subject),
        "said": dict(said),
        "state": WAITING,
        "attempts": 0,
        "due_at": at,
        "created_at": at,
    }
    db.execute(insert(table).values(values))
    return jti


def _settle(db: Session, stream: Stream, jtis: Collection[str], state: str, **why: str) -> list[str]:
    if not jtis:
        return []
    mine = (table.c.stream_id == stream.stream_id, table.c.state == WAITING, table.c.jti.in_(sorted(jtis)))
    values = {"state": state, "settled_at": clock.now(), **why}
    done = list(db.scalars(update(table).where(*mine).values(values).returning(table.c.jti)))
    notices.settle(db, done, state)
    return done


def _silent(db: Session, stream: Stream, citizen: str) -> bool:
    asked = select(silence.c.citizen).where(
        silence.c.stream_id == stream.stream_id, silence.c.citizen == citizen
    )
    return db.execute(asked).first() is not None
