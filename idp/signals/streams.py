"""Event streams: one for each client that wants to be told, as its receiver configured it (SSF 1.0, 8.1.1)."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET
from sqlalchemy import ColumnElement, Row, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from consent import agencies
from core import clock, limits, outbound
from core.database import parts
from core.events import Actor, record
from core.outbound import CallRefused
from idp.oidc import clients
from idp.oidc.client import Client
from idp.signals import bodies, vocabulary
from idp.signals.bodies import Delivery, Wish
from idp.signals.errors import ChangedTooOften, StreamExists, StreamRefused, StreamUnknown, VerifiedJustNow
from idp.signals.events import StreamPut
from idp.signals.tables import silence
from idp.signals.tables import stream as table
from idp.signals.vocabulary import POLL, PUSH
from keys import sealing
from keys.errors import Shredded

SCOPE = "signals"
ENABLED, PAUSED, DISABLED = "enabled", "paused", "disabled"
STATUSES = (ENABLED, PAUSED, DISABLED)
VERIFICATION_SECONDS = 30
MOST_CHANGES, CHANGES_SECONDS = 30, 60
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = tuple(
    table.c[name]
    for name in (
        "stream_id", "client_id", "agency", "method", "endpoint_url", "authorization_sealed", "events_requested",
        "description", "status", "reason", "failures",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Stream:
    """One stream. `events_requested` are URIs, empty for everything; `failures` counts deliveries that failed in a row."""

    stream_id: str
    client_id: str
    agency: str
    method: str
    endpoint_url: str | None
    authorization_sealed: bytes | None
    events_requested: tuple[str, ...]
    description: str | None
    status: str
    reason: str | None
    failures: int

    @property
    def keeps(self) -> bool:
        """True if events are kept for it: one that is paused gets them later, a disabled one never."""
        return self.status != DISABLED


def find(db: Session, client_id: str) -> Stream | None:
    """Return a client's stream, or None."""
    return _one(db, table.c.client_id == client_id)


def read(db: Session, client_id: str, stream_id: str) -> Stream:
    """Return a client's own stream by its ID; raises StreamUnknown, for another's too."""
    found = _one(db, table.c.client_id == client_id, table.c.stream_id == stream_id)
    if found is None:
        raise StreamUnknown(detail=stream_id[:64])
    return found


def reaching(
    db: Session, *, agencies: Collection[str] = (), client_ids: Collection[str] = ()
) -> list[Stream]:
    """Return the streams of some agencies and of some clients, switched off or not."""
    if not agencies and not client_ids:
        return []
    which = or_(table.c.agency.in_(sorted(agencies)), table.c.client_id.in_(sorted(client_ids)))
    return [stream(row) for row in db.execute(select(*_COLUMNS).where(which).order_by(table.c.stream_id))]


def create(db: Session, client: Client, wish: Wish, *, actor: Actor) -> Stream:
    """Make a client's stream. Without a delivery method it is polled (SSF 1.0, 8.1.1.1).

    Raises StreamExists, StreamRefused.
    """
    if wish.stream_id is not None:
        raise _refused("stream_id is given by the transmitter")
    if find(db, client.client_id) is not None:
        raise StreamExists
    at, stream_id = clock.now(), secrets.token_hex(16)
    values = {
        **_receivers(db, client, None, wish, replaced=True),
        "stream_id": stream_id,
        "client_id": client.client_id,
        "agency": client.agency,
        "status": ENABLED,
        "reason": None,
        "verified_at": NEVER,
        "failures": 0,
        "due_at": at,
        "lease": None,
        "lease_until": at,
        "created_at": at,
        "changed_at": at,
    }
    try:
        db.execute(insert(table).values(values))
    except IntegrityError as error:  # two at once
        raise StreamExists from error
    made = read(db, client.client_id, stream_id)
    _check_transmitters(db, client, made, wish)
    _announce(db, made, actor)
    return made


def change(db: Session, client: Client, wish: Wish, *, replaced: bool, actor: Actor) -> Stream:
    """Change a stream: what is given (PATCH), or all that is the receiver's (PUT; SSF 1.0, 8.1.1.3 and 8.1.1.4).

    An authorization header that is not given stays as long as the endpoint stays; it is never shown again.
    Raises StreamUnknown, StreamRefused.
    """
    if wish.stream_id is None:
        raise _refused("stream_id is missing")
    before = read(db, client.client_id, wish.stream_id)
    _check_transmitters(db, client, before, wish)
    values = _receivers(db, client, before, wish, replaced=replaced)
    moved = (values["method"], values["endpoint_url"]) != (before.method, before.endpoint_url)
    if moved or "authorization_sealed" in values:
        values |= {"failures": 0, "due_at": clock.now()}
    return _store(db, before, values, actor)


def set_status(db: Session, found: Stream, status: str, reason: str | None, *, actor: Actor) -> Stream:
    """Enable, pause or disable a stream; `outbox.drop` does away with what a disabled one was still to get."""
    if status not in STATUSES:
        raise _refused("status is enabled, paused or disabled")
    return _store(db, found, {"status": status, "reason": reason}, actor)


def remove(db: Session, found: Stream, *, actor: Actor) -> None:
    """Delete a stream (SSF 1.0, 8.1.1.5)."""
    db.execute(delete(silence).where(silence.c.stream_id == found.stream_id))
    db.execute(delete(table).where(table.c.stream_id == found.stream_id))
    _announce(db, found, actor, state="deleted")


def pace(db: Session, client_id: str) -> None:
    """Count a client's change to its stream, each of which goes into the ledger; raises ChangedTooOften."""
    wait = limits.hit(db, "signals.change", client_id, most=MOST_CHANGES, per_seconds=CHANGES_SECONDS)
    if wait:
        raise ChangedTooOften(retry_after=wait)


def may_verify(db: Session, found: Stream) -> None:
    """Count a wish for a verification event; raises VerifiedJustNow. One statement, so that of two at once one waits."""
    at = clock.now()
    fresh = update(table).where(
        table.c.stream_id == found.stream_id,
        table.c.verified_at <= at - timedelta(seconds=VERIFICATION_SECONDS),
    )
    if db.execute(fresh.values(verified_at=at)).rowcount != 1:  # type: ignore[attr-defined]
        raise VerifiedJustNow(retry_after=VERIFICATION_SECONDS)


def delivers(db: Session, found: Stream, name: str) -> bool:
    """Tell whether a stream wants this type of event."""
    if name in vocabulary.OF_THE_STREAM:
        return True
    asked = found.events_requested
    return not asked or vocabulary.uri(parts(db).settings, name) in asked


def document(db: Session, found: Stream) -> dict[str, Any]:
    """Return a stream's configuration as its receiver reads it (SSF 1.0, 8.1.1), without its authorization header."""
    settings = parts(db).settings
    where = found.endpoint_url if found.method == PUSH else f"{settings.issuer}/ssf/poll/{found.stream_id}"
    asked = list(found.events_requested)
    known = vocabulary.supported(settings)
    described = {"description": found.description} if found.description is not None else {}
    return {
        "stream_id": found.stream_id,
        "iss": settings.issuer,
        "aud": found.client_id,
        "events_supported": known,
        "events_requested": asked or known,
        "events_delivered": [uri for uri in known if not asked or uri in asked],
        "delivery": {"method": found.method, "endpoint_url": where},
        "min_verification_interval": VERIFICATION_SECONDS,
        **described,
    }


def authorization(db: Session, found: Stream) -> str | None:
    """Return the header with which the receiver wants to be called, or None."""
    if found.authorization_sealed is None:
        return None
    owner = agencies.chain(found.agency)
    try:
        return sealing.unseal(
            db, owner, SCOPE, found.authorization_sealed, aad=_aad(found.client_id)
        ).decode()
    except Shredded:
        return None


def load(db: Session, document: Mapping[str, Any], *, actor: Actor) -> int:
    """Make or change the streams that a file of clients asks for; returns how many it names.

    A client's member `signals` is a stream's configuration: delivery, events_requested, description.
    Raises StreamRefused, ClientUnknown.
    """
    count = 0
    listed = document.get("clients") or []
    for raw in listed:
        given = raw.get("signals") if isinstance(raw, Mapping) else None
        if given is None:
            continue
        client = clients.read(db, str(raw.get("client_id", "")))
        wish = bodies.declared(given)
        before = find(db, client.client_id)
        if before is None:
            create(db, client, wish, actor=actor)
        else:
            change(db, client, bodies.about(wish, before.stream_id), replaced=True, actor=actor)
        count += 1
    return count


def stream(row: Row[Any]) -> Stream:
    """Return a row of the table as a stream."""
    facts = {column.name: getattr(row, column.name) for column in _COLUMNS}
    return Stream(**{**facts, "events_requested": tuple(facts["events_requested"])})


def _one(db: Session, *which: ColumnElement[bool]) -> Stream | None:
    row = db.execute(select(*_COLUMNS).where(*which)).first()
    return stream(row) if row else None


def _store(db: Session, before: Stream, values: dict[str, Any], actor: Actor) -> Stream:
    same = all(
        _as_kept(getattr(before, name)) == value for name, value in values.items() if hasattr(before, name)
    )
    if same:
        return before
    db.execute(
        update(table).where(table.c.stream_id == before.stream_id).values(changed_at=clock.now(), **values)
    )
    after = read(db, before.client_id, before.stream_id)
    _announce(db, after, actor)
    return after


def _as_kept(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _receivers(
    db: Session, client: Client, before: Stream | None, wish: Wish, *, replaced: bool
) -> dict[str, Any]:
    """Return the receiver's part of a configuration, checked; with `replaced` what is not given is as at first."""
    values: dict[str, Any] = {}
    if replaced or wish.events_requested is not UNSET:
        asked = [] if wish.events_requested is UNSET else wish.events_requested
        values["events_requested"] = list(dict.fromkeys(asked))
    if replaced or wish.description is not UNSET:
        values["description"] = None if wish.description is UNSET else wish.description
    if wish.delivery is not UNSET:
        values |= _delivery(db, client, before, wish.delivery)
    elif before is None or replaced:
        values |= {"method": POLL, "endpoint_url": None, "authorization_sealed": None}
    else:
        values |= {"method": before.method, "endpoint_url": before.endpoint_url}
    return values


def _delivery(db: Session, client: Client, before: Stream | None, wanted: Delivery) -> dict[str, Any]:
    if wanted.method == POLL:
        own = f"{parts(db).settings.issuer}/ssf/poll/{before.stream_id}" if before else None
        if wanted.endpoint_url not in (None, own):
            raise _refused("delivery.endpoint_url is given by the transmitter when it is polled")
        return {"method": POLL, "endpoint_url": None, "authorization_sealed": None}
    if wanted.method != PUSH:
        raise _refused("delivery.method is not one that is supported")
    if not wanted.endpoint_url or "#" in wanted.endpoint_url:
        raise _refused("delivery.endpoint_url is missing, or has a fragment")
    try:
        outbound.check(parts(db).settings, wanted.endpoint_url)
    except CallRefused as error:
        raise _refused("delivery.endpoint_url is not a public https address") from error
    values: dict[str, Any] = {"method": PUSH, "endpoint_url": wanted.endpoint_url}
    header = wanted.authorization_header
    if header:
        if not header.isascii() or not header.isprintable():
            raise _refused("delivery.authorization_header is not printable ASCII")
        if before and before.endpoint_url == wanted.endpoint_url and authorization(db, before) == header:
            return values
        sealed = sealing.seal(
            db, agencies.chain(client.agency), SCOPE, header.encode(), aad=_aad(client.client_id)
        )
        return {**values, "authorization_sealed": sealed}
    kept = before is not None and before.endpoint_url == wanted.endpoint_url and header is None
    return values if kept else {**values, "authorization_sealed": None}


def _aad(client_id: str) -> bytes:
    return f"authorization of {client_id}".encode()


def _check_transmitters(db: Session, client: Client, found: Stream, wish: Wish) -> None:
    """What belongs to the transmitter is as it is, if the receiver names it at all (SSF 1.0, 8.1.1.3)."""
    now = document(db, found)
    audiences = ("aud", [client.client_id] if isinstance(wish.aud, list) else client.client_id)
    fixed = [
        audiences,
        *((name, now[name]) for name in ("iss", "events_supported", "min_verification_interval")),
    ]
    for name, is_so in fixed:
        given = getattr(wish, name)
        if given is not UNSET and given != is_so:
            raise _refused(f"{name} is given by the transmitter")


def _announce(db: Session, found: Stream, actor: Actor, *, state: str | None = None) -> None:
    event = StreamPut(
        agency=found.agency,
        client=found.client_id,
        stream=found.stream_id,
        stream_state=state or found.status,
        method=found.method,
        endpoint=found.endpoint_url,
        events=found.events_requested,
    )
    record(db, event, actor=actor, about=[agencies.chain(found.agency)])


def _refused(mistake: str) -> StreamRefused:
    return StreamRefused(detail=mistake, mistake=mistake)
