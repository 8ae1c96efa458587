"""From an identifier to a citizen ID, for reads by law: a disclosure like any other, unknown and forbidden alike."""

from dataclasses import dataclass

from consent import agencies, evidence, purposes, secrecy
from consent.door import LONGEST_CASE, LONGEST_REQUEST_ID, SHA256, outside_writing
from consent.errors import AskMalformed, RefusedTooOften
from consent.events import CitizenResolved
from consent.evidence import Entry
from consent.purposes import Purpose
from core import limits
from core.database import Database
from core.events import Actor
from registry_sync import people
from registry_sync.people import DECEASED, Person

ASKED_A_MINUTE = 120
MISSED_AN_HOUR = 60
LONGEST_IDENTIFIER = 64


@dataclass(frozen=True, kw_only=True)
class ResolveAsk:
    """What an agency knows of a person, and why it asks: an identifier, a purpose by law, a case, its official's pseudonym."""

    agency: str
    client: str
    purpose: str
    identifier_type: str
    identifier: str
    case: str
    request_id: str
    body_sha256: str
    official: str

    def __post_init__(self) -> None:
        texts = (
            (self.identifier_type, 32),
            (self.identifier, LONGEST_IDENTIFIER),
            (self.case, LONGEST_CASE),
            (self.request_id, LONGEST_REQUEST_ID),
            (self.official, LONGEST_CASE),
        )
        short = all(text.strip() and len(text) <= most and text.isprintable() for text, most in texts)
        if not short or not SHA256.fullmatch(self.body_sha256):
            raise AskMalformed(detail="resolve")


def resolve(database: Database, ask: ResolveAsk) -> str | None:
    """Return the citizen ID behind an identifier, or None: unknown and forbidden are answered alike.

    Whatever the answer, the same steps are taken: purpose, agency, identifier and person are looked up, and
    an entry is made durable, in the history of the person if there is one, else in the agency's chain.
    Raises RuntimeError inside a write transaction, RefusedTooOften, and as `evidence.obtain` does.
    """
    outside_writing(database)
    _throttle(database, ask)
    with database.reading() as db:
        agency = agencies.find(db, ask.agency)
        purpose = purposes.find(db, ask.purpose)
        citizen = people.by_identifier(db, ask.identifier_type, ask.identifier)
        person = people.find(db, citizen or "")
    own = purpose if purpose is not None and purpose.agency == ask.agency else None
    may = agency is not None and agency.state == "active" and own is not None and own.by_law
    lives = person is not None and (person.state != DECEASED or bool(own and own.basis.get("deceased")))
    found = person.citizen_id if person is not None and may and lives else None
    entry = Entry(
        event=_event(ask, own, person, outcome="released" if found else "refused"),
        about=[person.citizen_id if person else agencies.chain(ask.agency)],
        actor=Actor("client", ask.client),
        client=ask.client,
        # A miss claims nothing: asked again once the person is known, it must be an entry in their history.
        request_id=ask.request_id if found else "",
        bound_to=evidence.binding(ask.body_sha256, found or ""),
    )
    evidence.obtain(database, entry)
    _count_miss(database, ask, missed=found is None)
    return found


def _event(
    ask: ResolveAsk, purpose: Purpose | None, person: Person | None, *, outcome: str
) -> CitizenResolved:
    until = secrecy.until(purpose) if person else None
    return CitizenResolved(
        agency=ask.agency,
        client=ask.client,
        purpose=purpose.id if purpose else None,
        purpose_version=purpose.version if purpose else None,
        basis=purpose.basis["kind"] if purpose else None,
        law=purpose.law if purpose else None,
        identifier_type=ask.identifier_type,
        case=ask.case,
        official=ask.official,
        request_id=ask.request_id,
        outcome=outcome,
        disclose_after=until,
        withholding_law=purpose.withholding_law if purpose and until else None,
    )


def _throttle(database: Database, ask: ResolveAsk) -> None:
    with database.writing() as db:
        wait = max(
            limits.hit(db, "resolve", ask.client, most=ASKED_A_MINUTE, per_seconds=60),
            limits.check(db, "resolve.missed", ask.client, most=MISSED_AN_HOUR),
        )
    if wait:
        raise RefusedTooOften(retry_after=wait)


def _count_miss(database: Database, ask: ResolveAsk, *, missed: bool) -> None:
    # A hit is counted too, under a name that nothing asks for, so that it takes as long as a miss.
    with database.writing() as db:
        bucket = "resolve.missed" if missed else "resolve.found"
        limits.hit(db, bucket, ask.client, most=MISSED_AN_HOUR, per_seconds=3600)
