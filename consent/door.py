"""The rules of the door: what must be true before an attribute may be released, as a list to read down."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from consent import agencies, allowances, assurance, desk, grants, kept, mandates, purposes
from consent.agencies import Agency
from consent.desk import Sitting
from consent.errors import AskMalformed
from consent.grants import Grant
from consent.ledger.disclosures import RETRY_WINDOW
from consent.mandates import Mandate
from consent.purposes import Purpose
from core import clock
from core.database import Database
from core.language import Lazy, _
from registry_sync import people
from registry_sync.people import Person

LONGEST_CASE = 200
LONGEST_REQUEST_ID = 128
MOST_ATTRIBUTES = 100
SHA256 = re.compile(r"[0-9a-f]{64}")

# sign-in: by a token of a session at this moment; offline: of a refresh token with offline access; standing: an agency's
# system, by consent; law: the same, by law; behalf: for somebody who acts for the citizen; desk: confirmed at a counter.
Channel = Literal["sign-in", "offline", "standing", "law", "behalf", "desk"]
SIGNED_IN = ("sign-in", "offline")  # these may be about nothing but who it is


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a client asks of the door.

    `attributes` are names; `acr` is the assurance of the sign-in behind a token (none for a standing
    read); `request_id` and `body_sha256` (hex) make a repeated request the same read; `case` is the
    agency's own reference and `official` the pseudonym of its person in charge, which only the agency can
    open. With `narrow` what is not covered is left out instead of refusing the whole. `representative` is
    the citizen ID of whoever acts for the citizen, `sitting` the ID of the sitting at a desk.
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
    narrow: bool = False
    representative: str | None = None
    sitting: str | None = None
    repeat_as: str = ""  # takes the place of the request ID where the citizen has reads counted

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
            or not (self.attributes or self.channel in SIGNED_IN)
            or (self.channel == "behalf") != (self.representative is not None)
            or (self.channel == "desk") != (self.sitting is not None)
        ):
            raise AskMalformed(detail=self.channel)


@dataclass(frozen=True)
class NotReleased:
    """A "no": the rule that refused, stable and kebab-case, what it says in words, and the `acr` if that is what lacks."""

    rule: str
    text: Lazy
    acr: str = ""


@dataclass(frozen=True)
class Situation:
    """All that the rules look at, read in one transaction."""

    ask: Ask
    agency: Agency | None
    purpose: Purpose | None
    grant: Grant | None
    person: Person | None
    declared: frozenset[str] = frozenset()  # what any version that counts here names
    mandate: Mandate | None = None
    representative: Person | None = None
    sitting: Sitting | None = None

    @property
    def request_id(self) -> str:
        """What is claimed for this read; where reads are counted it may be the same as for the one before."""
        if self.ask.repeat_as and self.grant is not None and self.grant.allowance.checked:
            return f"{self.ask.repeat_as}:{self.grant.version}"
        return self.ask.request_id

    @property
    def may_repeat(self) -> bool:
        """True while the last read under the grant is so fresh that its request may come again."""
        last = self.grant.uses.at if self.grant else None
        return last is not None and clock.now() - last <= RETRY_WINDOW

    @property
    def terms(self) -> Purpose:
        """The version of the purpose that counts here; the first rules see to it that there is one."""
        if self.purpose is None:
            raise LookupError("a rule was asked before the purpose was known")
        return self.purpose

    @property
    def covered(self) -> frozenset[str]:
        """What the law, the grant or the word given at a desk covers."""
        if self.sitting is not None:
            return self.sitting.agreed & self.declared
        if self.purpose is not None and self.purpose.by_law:
            return self.declared
        return self.grant.attributes if self.grant else frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """What would be released: all that is asked for, or the covered part where the ask may be narrowed.

        Of nothing covered nothing is made, and the rules refuse; save at a sign-in, which may go on with a name.
        """
        if not self.ask.narrow:
            return self.ask.attributes
        kept = tuple(name for name in self.ask.attributes if name in self.covered)
        signed_in = (self.ask.channel in SIGNED_IN or self.ask.acr) and self.grant is not None
        return kept if kept or signed_in else self.ask.attributes

    @property
    def beyond(self) -> tuple[str, ...]:
        """What is asked for and not covered."""
        return tuple(name for name in self.ask.attributes if name not in self.covered)


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
    agency, purpose = _known(db, ask)
    grant, acts, mandate, sitting = None, None, None, None
    if ask.sitting is not None:
        sitting = desk.confirmed(db, ask.sitting, citizen=ask.citizen, purpose=ask.purpose)
        if sitting is not None:
            purpose = purposes.read(db, ask.purpose, sitting.purpose_version)
    elif purpose is not None and not purpose.by_law:
        who = {"citizen": ask.citizen, "purpose": ask.purpose}
        grant = grants.live(db, **who) or grants.spent(db, **who)
    if ask.representative is not None:
        acts = people.find(db, ask.representative)
        mandate = mandates.covering(
            db, giver=ask.citizen, holder=ask.representative, agency=ask.agency, purpose=ask.purpose
        )
    person = people.find(db, ask.citizen)
    terms, declared = _terms(db, purpose, grant)
    return Situation(ask, agency, terms, grant, person, declared, mandate, acts, sitting)


def situations(db: Session, asks: Sequence[Ask]) -> list[Situation]:
    """Like `situation`, for many citizens, one agency and one purpose, without a query for each of them.

    Raises AskMalformed unless all asks are standing reads of one client for one purpose.
    """
    first = asks[0]
    alike = {(ask.agency, ask.client, ask.purpose, ask.registered) for ask in asks}
    if len(alike) > 1 or not {ask.channel for ask in asks} <= {"standing", "law"}:
        raise AskMalformed(detail="a batch of different kinds")
    agency, purpose = _known(db, first)
    citizens = [ask.citizen for ask in asks]
    known = people.several(db, citizens)
    allowed: dict[str, Grant] = {}
    if purpose is not None and not purpose.by_law:
        allowed = grants.usable_of_many(db, citizens=citizens, purpose=first.purpose)
    versions = {grant.purpose_version: grant for grant in allowed.values()}
    terms = {version: _terms(db, purpose, grant) for version, grant in versions.items()}
    found = []
    for ask in asks:
        grant = allowed.get(ask.citizen)
        counts, declared = terms[grant.purpose_version] if grant else _terms(db, purpose, None)
        found.append(Situation(ask, agency, counts, grant, known.get(ask.citizen), declared))
    return found


def _known(db: Session, ask: Ask) -> tuple[Agency | None, Purpose | None]:
    return (
        kept.look_up(db, ("agency", ask.agency), lambda: agencies.find(db, ask.agency)),
        kept.look_up(db, ("purpose", ask.purpose), lambda: purposes.find(db, ask.purpose)),
    )


def _terms(
    db: Session, purpose: Purpose | None, grant: Grant | None
) -> tuple[Purpose | None, frozenset[str]]:
    """Return the version that counts, and all that it or the newest one names."""
    declared = frozenset(purpose.names) if purpose else frozenset()
    if purpose is not None and grant is not None and grant.purpose_version != purpose.version:
        purpose = purposes.read(db, purpose.id, grant.purpose_version)
        declared |= frozenset(purpose.names)
    return purpose, declared


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
    if not set(found.names) <= found.declared:
        return NotReleased(
            "attribute-outside-purpose", _("The purpose does not name every attribute that was asked for.")
        )
    return None


def case_is_named(found: Situation) -> NotReleased | None:
    """A read that rests on a law names the case it is for."""
    if found.terms.by_law and not (found.ask.case or "").strip():
        return NotReleased("case-missing", _("A read by law must name the case that it is for."))
    return None


def official_is_named(found: Situation) -> NotReleased | None:
    """A read that rests on a law, and that no citizen's own sign-in is behind, names the official it is for."""
    alone = found.ask.channel in ("standing", "law", "behalf") and found.ask.acr is None
    if found.terms.by_law and alone and not (found.ask.official or "").strip():
        return NotReleased("official-missing", _("A read by law must name the official that it is for."))
    return None


def withheld_is_by_system(found: Situation) -> NotReleased | None:
    """What a law withholds is read by an agency's own system alone, with nobody beside it who would know."""
    alone = not found.terms.withheld_days or found.ask.channel in ("standing", "law")
    return None if alone else NotReleased("withheld-not-alone", _("Only the agency's own system reads this."))


def mandate_is_live(found: Situation) -> NotReleased | None:
    """Whoever acts for the citizen is known, lives, and has a mandate that covers this purpose now."""
    if found.ask.representative is None:
        return None
    acts = found.representative
    if acts is None or acts.state == "deceased" or found.mandate is None:
        return NotReleased(
            "mandate-missing",
            _("The citizen has not given this person a mandate for this, or no longer does."),
        )
    return None


def citizen_confirmed(found: Situation) -> NotReleased | None:
    """At a desk: the citizen confirmed there, with a sign-in of their own, and not long ago."""
    if found.ask.channel != "desk" or found.sitting is not None:
        return None
    return NotReleased(
        "desk-not-confirmed", _("The citizen has not confirmed this at the desk, or it is over.")
    )


def assurance_is_enough(found: Situation) -> NotReleased | None:
    """Where a sign-in is behind the read, it reached the purpose's assurance."""
    acr = found.sitting.acr if found.sitting else found.ask.acr
    if acr is None and found.ask.channel not in SIGNED_IN:
        return None
    if not assurance.enough(acr or "", found.terms.acr):
        weak = _("The sign-in was not strong enough for this purpose. Sign in again.")
        return NotReleased("assurance-too-low", weak, acr=found.terms.acr)
    return None


def grant_is_live(found: Situation) -> NotReleased | None:
    """Where consent is the basis, the citizen gave it, and it has neither ended nor expired."""
    if found.terms.by_law or not found.ask.attributes or found.grant or found.sitting:
        return None
    return NotReleased("no-grant", _("The citizen has not allowed this, or no longer does."))


def grant_covers(found: Situation) -> NotReleased | None:
    """Where consent is the basis, it covers every attribute that would be released."""
    if set(found.names) <= found.covered:
        return None
    return NotReleased(
        "attribute-not-agreed", _("The citizen has not allowed every attribute that was asked for.")
    )


def reads_are_left(found: Situation, *, repeats: bool = True) -> NotReleased | None:
    """Where the citizen allowed only some reads, one is left now, or this may repeat one that was just made.

    What is decided here is only what needs no counting; the entry's own transaction has the last word.
    """
    if found.grant is None or not found.names:
        return None
    rule = found.grant.uses.refusal(found.grant.allowance, clock.now())
    return ended(rule) if rule and not (repeats and found.may_repeat) else None


def citizen_is_known(found: Situation) -> NotReleased | None:
    """There is such a citizen."""
    return NO_SUCH_CITIZEN if found.person is None else None


def citizen_lives(found: Situation) -> NotReleased | None:
    """After a death nothing is read, unless a law says so and the purpose with it. A company does not learn of it."""
    if found.person is None or found.person.state != "deceased" or found.terms.basis.get("deceased") is True:
        return None
    if found.agency and found.agency.is_company:
        return NO_SUCH_CITIZEN
    return NotReleased("citizen-deceased", _("This purpose does not cover people who have died."))


CHECKS: tuple[Callable[[Situation], NotReleased | None], ...] = (
    agency_is_active,
    purpose_is_known,
    purpose_is_the_agencys,
    purpose_is_the_clients,
    attributes_are_within,
    case_is_named,
    official_is_named,
    withheld_is_by_system,
    mandate_is_live,
    citizen_confirmed,
    assurance_is_enough,
    grant_is_live,
    grant_covers,
    reads_are_left,
    citizen_is_known,
    citizen_lives,
)
NO_SUCH_CITIZEN = NotReleased("citizen-unknown", _("There is no citizen with this ID."))
# What the ledger itself refuses: it ended between the check and the entry, or its reads are over.
_ENDED = {
    "grant-ended": _("This permission has just ended."),
    "mandate-ended": _("The mandate has just ended."),
    "desk-ended": _("The sitting at the desk has just ended."),
    allowances.USED_UP: _("The citizen allowed a number of reads, and all of them were made."),
    allowances.TOO_OFTEN: _("The citizen allowed this less often. Read again later."),
    allowances.TOO_EARLY: _("The citizen allowed this from a later day on."),
}


def ended(rule: str) -> NotReleased:
    """Return the "no" of what ended between the check and the entry."""
    return NotReleased(rule, _ENDED[rule])
