"""Standing reads and citizen IDs for agencies' systems: from their token and body to the door."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from consent import disclosure, evidence
from consent.disclosure import Ask, NotReleased, Released, ResolveAsk
from consent.ledger import receipts
from consent.ledger.errors import RequestReused
from core.database import Database
from core.language import _
from idp.oidc import bearer, subjects
from idp.oidc.bearer import Denied, Shown
from idp.oidc.client import Client
from idp.oidc.errors import CitizenNotFound, ReadRefused
from idp.oidc.resources import bodies
from idp.oidc.resources.bodies import Batch, Read, Resolve

SCOPE = "attributes"
# Said in the door's own words for a citizen ID that can be nobody's, so that it tells no more than an unknown one.
UNKNOWN = _("There is no citizen with this ID.")
NO_MANDATE = _("The citizen has not given this person a mandate for this, or no longer does.")


@dataclass(frozen=True)
class Caller:
    """A client that came with a token of its own."""

    client: Client
    token_hash: str


def caller(
    database: Database, shown: Shown, *, scope: str = SCOPE, even_suspended: bool = False
) -> Caller | Denied:
    """Return who calls, if the token is the client's own (client credentials) and has the scope."""
    with database.reading() as db:
        found = bearer.own(db, shown, scope, even_suspended=even_suspended)
    return found if isinstance(found, Denied) else Caller(found[0], found[1].token_hash)


def attributes(database: Database, who: Caller, content: bytes) -> dict[str, Any]:
    """Read attributes of one citizen for one purpose; returns envelopes and the receipt of the entry.

    Raises BodyNotUnderstood, ReadRefused with the rule that refused, and as `disclosure.release` does.
    """
    body = bodies.read(content, Read)
    with database.reading() as db:
        citizen = subjects.citizen(db, who.client, body.citizen_id)
        acting = subjects.citizen(db, who.client, body.act.sub) if body.act else None
    if citizen is None:
        raise ReadRefused(UNKNOWN, rule="citizen-unknown")
    if body.act is not None and acting is None:
        raise ReadRefused(NO_MANDATE, rule="mandate-missing")
    request_id = bodies.request_id(body.request_id)
    ask = _ask(who, body, content, citizen=citizen, request_id=request_id, acting=acting)
    released = disclosure.release(database, ask)
    if isinstance(released, NotReleased):
        raise ReadRefused(released.text, rule=released.rule, detail=released.rule)
    with database.reading() as db:
        told = {"citizen_id": body.citizen_id, **_released(db, who, released, request_id)}
        return told | _checkpoint(db)


def batch(database: Database, who: Caller, content: bytes) -> dict[str, Any]:
    """Read attributes of many citizens for one purpose; one result for each, in their order.

    A result holds what a single read answers, or the rule that refused it. Each citizen's request ID is the
    batch's with the place behind it. Raises BodyNotUnderstood, and as `disclosure.release_all` does.
    """
    body = bodies.read(content, Batch)
    request_id = bodies.request_id(body.request_id)
    with database.reading() as db:
        known = [subjects.citizen(db, who.client, given) for given in body.citizen_ids]
    asks = [
        _ask(who, body, content, citizen=citizen, request_id=f"{request_id}/{place}")
        for place, citizen in enumerate(known)
        if citizen is not None
    ]
    said = iter(disclosure.release_all(database, asks))
    with database.reading() as db:
        results = []
        for place, (given, citizen) in enumerate(zip(body.citizen_ids, known, strict=True)):
            released = NotReleased("citizen-unknown", UNKNOWN) if citizen is None else next(said)
            results.append(
                {"citizen_id": given, **_result(db, who, released, f"{request_id}/{place}")},
            )
        return {"request_id": request_id, "results": results} | _checkpoint(db)


def _result(
    db: Session, who: Caller, said: Released | NotReleased | RequestReused, request_id: str
) -> dict[str, Any]:
    if isinstance(said, Released):
        return _released(db, who, said, request_id)
    if isinstance(said, NotReleased):
        return {"refused": {"rule": said.rule, "detail": str(said.text)}}
    return {"refused": {"rule": said.code, "detail": str(said.text)}}


def _ask(
    who: Caller,
    body: Read | Batch,
    content: bytes,
    *,
    citizen: str,
    request_id: str,
    acting: str | None = None,
) -> Ask:
    return Ask(
        citizen=citizen,
        agency=who.client.agency,
        client=who.client.client_id,
        purpose=body.purpose,
        attributes=tuple(body.attributes),
        request_id=request_id,
        body_sha256=bodies.digest(content),
        channel="behalf" if acting else "standing",
        case=body.case,
        official=body.official,
        token=who.token_hash,
        registered=_is_own(who.client, body.purpose),
        narrow=body.narrow,
        representative=acting,
    )


def _released(db: Session, who: Caller, released: Released, request_id: str) -> dict[str, Any]:
    placed = released.receipt
    signed = receipts.receipt(db, placed, audience=who.client.client_id, request_id=request_id)
    told: dict[str, Any] = {
        "attributes": {name: vars(envelope) for name, envelope in released.values.items()},
        "receipt": {
            "request_id": request_id,
            "entry": placed.index,
            "event": placed.event_id,
            "commitment": placed.commitment.hex(),
            "signed": signed,
        },
    }
    if released.withheld:
        told["withheld"] = list(released.withheld)
    return told


def _checkpoint(db: Session) -> dict[str, Any]:
    newest = evidence.checkpoint(db)
    return {"checkpoint": newest} if newest else {}


def resolve(database: Database, who: Caller, content: bytes) -> dict[str, Any]:
    """Return the citizen ID behind an identifier, for a read by law.

    Raises BodyNotUnderstood, CitizenNotFound (unknown and forbidden alike), and as `disclosure.resolve` does.
    """
    body = bodies.read(content, Resolve)
    request_id = bodies.request_id(body.request_id)
    found = disclosure.resolve(
        database,
        ResolveAsk(
            agency=who.client.agency,
            client=who.client.client_id,
            # One that this client was not registered for is as unknown to the door as one that does not exist.
            purpose=body.purpose if _is_own(who.client, body.purpose) else "",
            identifier_type=body.identifier_type,
            identifier=body.identifier_value,
            case=body.case,
            request_id=request_id,
            body_sha256=bodies.digest(content),
            official=body.official,
        ),
    )
    if found is None:
        raise CitizenNotFound(request_id=request_id)
    with database.reading() as db:
        name = subjects.sub(db, who.client, found)
    if name != found:
        with database.writing() as db:
            subjects.learn(db, who.client, found)
    return {"citizen_id": name, "request_id": request_id}


def _is_own(client: Client, purpose: str) -> bool:
    return purpose in (client.sign_in_purpose, *client.purposes)
