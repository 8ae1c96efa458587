"""Standing reads and citizen IDs for agencies' systems: from their token and body to the door."""

from dataclasses import dataclass
from typing import Any

from consent import disclosure, purposes
from consent.disclosure import Ask, NotReleased, ResolveAsk
from consent.ledger import receipts
from core.database import Database
from core.language import _
from idp.oidc import bearer, clients, subjects
from idp.oidc.bearer import Denied
from idp.oidc.clients import Client
from idp.oidc.errors import CitizenNotFound, ReadRefused
from idp.oidc.resources import bodies
from idp.oidc.resources.bodies import Read, Resolve

SCOPE = "attributes"
# Said in the door's own words for a citizen ID that can be nobody's, so that it tells no more than an unknown one.
UNKNOWN = _("There is no citizen with this ID.")


@dataclass(frozen=True)
class Caller:
    """A client that came with a token of its own."""

    client: Client
    token_hash: str


def caller(database: Database, token: str) -> Caller | Denied:
    """Return who calls, if the token is the client's own (client credentials) and has the scope."""
    with database.reading() as db:
        found = bearer.access(db, token, scope=SCOPE)
        if isinstance(found, Denied):
            return found
        client = clients.find(db, found.client_id)
    if client is None:
        return bearer.NOT_GOOD
    if found.citizen is not None:
        return Denied("insufficient_scope", "A token of the client's own is needed (client credentials).")
    return Caller(client, found.token_hash)


def attributes(database: Database, who: Caller, content: bytes) -> dict[str, Any]:
    """Read attributes of one citizen for one purpose; returns envelopes and the receipt of the entry.

    Raises BodyNotUnderstood, ReadRefused with the rule that refused, and as `disclosure.release` does.
    """
    body = bodies.read(content, Read)
    with database.reading() as db:
        citizen = subjects.citizen(db, who.client, body.citizen_id)
        purpose = purposes.find(db, body.purpose)
    if citizen is None:
        raise ReadRefused(UNKNOWN, rule="citizen-unknown")
    request_id = bodies.request_id(body.request_id)
    released = disclosure.release(
        database,
        Ask(
            citizen=citizen,
            agency=who.client.agency,
            client=who.client.client_id,
            purpose=body.purpose,
            attributes=tuple(body.attributes),
            request_id=request_id,
            body_sha256=bodies.digest(content),
            channel="law" if purpose and purpose.by_law else "standing",
            case=body.case,
            official=body.official,
            token=who.token_hash,
            registered=_is_own(who.client, body.purpose),
        ),
    )
    if isinstance(released, NotReleased):
        raise ReadRefused(released.text, rule=released.rule, detail=released.rule)
    with database.reading() as db:
        signed = receipts.receipt(db, released.receipt, audience=who.client.client_id, request_id=request_id)
    return {
        "citizen_id": body.citizen_id,
        "attributes": {name: vars(envelope) for name, envelope in released.values.items()},
        "receipt": {
            "request_id": request_id,
            "entry": released.receipt.index,
            "event": released.receipt.event_id,
            "commitment": released.receipt.commitment.hex(),
            "signed": signed,
        },
    }


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
