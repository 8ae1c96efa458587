"""The rules of the door: what must be true before an attribute may be released, as a list to read down."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from consent import agencies, assurance, grants, kept, purposes
from consent.agencies import Agency
from consent.errors import AskMalformed
from consent.grants import Grant
from consent.purposes import Purpose
from core.database import Database
from core.language import Lazy, _
from registry_sync import people
from registry_sync.people import Person

LONGEST_CASE = 200
LONGEST_REQUEST_ID = 128
MOST_ATTRIBUTES = 100

SHA256 = re.compile(r"[0-9a-f]{64}")

Channel = Literal["sign-in", "standing", "law"]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a client asks of the door.

    `attributes` are names; `acr` is the assurance of the sign-in behind a token (none for a standing
    read); `request_id` and `body_sha256` (hex) make a repeated request the same read; `case` is the
    agency's own reference and `official` its person in charge.
    """

    citizen: str
    agency: str
    client: str
    purpose: str
    attributes: tuple[str, ...]
    request_id: str
    body_sha256: str
    channel: Channel = "standing"
    acr: str | None = None
    case: str | None = None
    official: str | None = None
    token: str | None = None
    registered: bool = True  # whether this very client was registered for the purpose

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", tuple(dict.fromkeys(self.attributes)))
        texts = (self.case, self.official)
        if (
            not 0 < len(self.request_id) <= LONGEST_REQUEST_ID
            or not self.request_id.isprintable()
            or not SHA256.fullmatch(self.body_sha256)
            or len(self.attributes) > MOST_ATTRIBUTES
            or any(
                text is not None and (len(text) > LONGEST_CASE or not text.isprintable()) for text in texts
            )
            or not (self.attributes or self.channel == "sign-in")
        ):
            raise AskMalformed(detail=self.channel)


@dataclass(frozen=True)
class NotReleased:
    """A "no": the rule that refused, stable and kebab-case, and what it says in words."""

    rule: str
    text: Lazy


@dataclass(frozen=True)
class Situation:
    """All that the rules look at, read in one transaction."""

    ask: Ask
    agency: Agency | None
    purpose: Purpose | None
    grant: Grant | None
    person: Person | None
    declared: frozenset[str] = frozenset()  # what any version that counts here names

    @property
    def terms(self) -> Purpose:
        """The version of the purpose that counts here; the first rules see to it that there is one."""
        if self.purpose is None:
            raise LookupError("a rule was asked before the purpose was known")
        return self.purpose


def outside_writing(database: Database) -> None:
    """Raise RuntimeError if this thread has a write transaction open, which the ledger would wait for."""
    if database.in_writing():
        raise RuntimeError(
            "the door was asked inside a write transaction: read and check, release, then write"
        )


def situation(db: Session, ask: Ask) -> Situation:
    """Read what the rules look at. The terms are those the citizen agreed to, if there is a live grant.

    Agency and purpose may be a second old; grant and person are always read live.
    """
    purpose = kept.look_up(db, ("purpose", ask.purpose), lambda: purposes.find(db, ask.purpose))
    grant = None
    declared = frozenset(purpose.names) if purpose else frozenset()
    if purpose is not None and not purpose.by_law:
        grant = grants.live(db, citizen=ask.citizen, purpose=ask.purpose)
        if grant is not None and grant.purpose_version != purpose.version:
            purpose = purposes.read(db, ask.purpose, grant.purpose_version)
            declared |= frozenset(purpose.names)
    agency = kept.look_up(db, ("agency", ask.agency), lambda: agencies.find(db, ask.agency))
    return Situation(ask, agency, purpose, grant, people.find(db, ask.citizen), declared)


def refusal(found: Situation) -> NotReleased | None:
    """Return the "no" of the first rule of CHECKS that is broken, or None if all hold."""
    for check in CHECKS:
        said = check(found)
        if said is not None:
            return said
    return None


def agency_is_active(found: Situation) -> NotReleased | None:
    """The agency is known and not suspended."""
    if found.agency is None or found.agency.state != "active":
        return NotReleased("agency-not-active", _("This agency may not read anything at present."))
    return None


def purpose_is_known(found: Situation) -> NotReleased | None:
    """The purpose exists."""
    if found.purpose is None:
        return NotReleased("purpose-unknown", _("There is no purpose with this ID."))
    return None


def purpose_is_the_agencys(found: Situation) -> NotReleased | None:
    """The purpose belongs to the agency that asks."""
    if found.terms.agency != found.ask.agency:
        return NotReleased("purpose-of-another-agency", _("This purpose belongs to another agency."))
    return None


def purpose_is_the_clients(found: Situation) -> NotReleased | None:
    """This client of the agency was registered for the purpose."""
    if not found.ask.registered:
        return NotReleased("purpose-not-registered", _("This client was not registered for the purpose."))
    return None


def attributes_are_within(found: Situation) -> NotReleased | None:
    """Every attribute asked for stands in the purpose."""
    if not set(found.ask.attributes) <= found.declared:
        return NotReleased(
            "attribute-outside-purpose", _("The purpose does not name every attribute that was asked for.")
        )
    return None


def case_is_named(found: Situation) -> NotReleased | None:
    """A read that rests on a law names the case it is for."""
    if found.terms.by_law and not (found.ask.case or "").strip():
        return NotReleased("case-missing", _("A read by law must name the case that it is for."))
    return None


def assurance_is_enough(found: Situation) -> NotReleased | None:
    """Where a sign-in is behind the read, it reached the purpose's assurance."""
    if found.ask.channel != "sign-in":
        return None
    if not assurance.enough(found.ask.acr or "", found.terms.acr):
        return NotReleased(
            "assurance-too-low", _("The sign-in was not strong enough for this purpose. Sign in again.")
        )
    return None


def grant_is_live(found: Situation) -> NotReleased | None:
    """Where consent is the basis, the citizen gave it, and it has neither ended nor expired."""
    if found.terms.by_law or not found.ask.attributes or found.grant is not None:
        return None
    return NotReleased("no-grant", _("The citizen has not allowed this, or no longer does."))


def grant_covers(found: Situation) -> NotReleased | None:
    """Where consent is the basis, it covers every attribute asked for."""
    agreed = found.grant.attributes if found.grant else frozenset()
    if found.terms.by_law or set(found.ask.attributes) <= agreed:
        return None
    return NotReleased(
        "attribute-not-agreed", _("The citizen has not allowed every attribute that was asked for.")
    )


def citizen_is_known(found: Situation) -> NotReleased | None:
    """There is such a citizen."""
    return NO_SUCH_CITIZEN if found.person is None else None


def citizen_lives(found: Situation) -> NotReleased | None:
    """After a death nothing is read, unless a law says so and the purpose with it."""
    if found.person is None or found.person.state != "deceased" or found.terms.basis.get("deceased") is True:
        return None
    return NotReleased("citizen-deceased", _("This purpose does not cover people who have died."))


Check = Callable[[Situation], NotReleased | None]
CHECKS: tuple[Check, ...] = (
    agency_is_active,
    purpose_is_known,
    purpose_is_the_agencys,
    purpose_is_the_clients,
    attributes_are_within,
    case_is_named,
    assurance_is_enough,
    grant_is_live,
    grant_covers,
    citizen_is_known,
    citizen_lives,
)
NO_SUCH_CITIZEN = NotReleased("citizen-unknown", _("There is no citizen with this ID."))
ENDED_MEANWHILE = NotReleased("grant-ended", _("The citizen has just taken this permission back."))
