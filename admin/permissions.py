"""Which role may do what; each route of the console names its permission in its signature."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy.orm import Session

from admin.errors import NotYourRole
from core.events import Actor
from core.web import Db, StaffMember
from idp.staff import accounts
from idp.staff.accounts import Member

# Reading what holds no personal data is for everybody who works here; every act belongs to one job.
EVERYBODY = frozenset({"console", "agencies-read"})
ROLES: dict[str, frozenset[str]] = {
    "administrator": EVERYBODY
    | {
        "staff-read",
        "staff-manage",
        "purposes-publish",
        "grants-invalidate",
        "keys-read",
        "ledger-read",
        "log-read",
        "sources-read",
        "refusals-read",
    },
    "registrar": EVERYBODY
    | {
        "sources-read",
        "quarantine-work",
        "record-unmask",
        "citizen-look",
        "purposes-publish",
        "erasures-read",
        "history-erase",
        "grants-invalidate",
        "accounts-suspend",
        "children-exempt",
        "ways-in-vouch",
    },
    "key-officer": EVERYBODY | {"keys-read", "keys-rotate", "ledger-read", "erasures-read"},
    "auditor": EVERYBODY
    | {
        "staff-read",
        "keys-read",
        "ledger-read",
        "erasures-read",
        "ledger-check",
        "log-read",
        "sources-read",
        "disputes-read",
        "disputes-answer-staff",  # about looks by staff: the auditor never looks at citizens
    },
    "support": EVERYBODY
    | {
        "citizen-look",
        "disputes-read",
        "disputes-answer",
        "refusals-read",
        "accounts-suspend",
        "cards-block",
    },
    "clerk": EVERYBODY
    | {"desk-work", "refusals-read", "cards-issue", "cards-block", "letters-print", "children-exempt"}
    | {"ways-in-vouch"},
}
# What lets nobody see a citizen's data, make a way into an account, or be the second person for a deed. A role with
# anything else is given by two people, so that one administrator alone comes to none of it under another name.
HARMLESS = EVERYBODY | {
    "staff-read",
    "keys-read",
    "ledger-read",
    "erasures-read",
    "ledger-check",
    "log-read",
    "sources-read",
    "refusals-read",
    "disputes-read",
    "disputes-answer-staff",
}
POWERFUL = frozenset(role for role, allowed in ROLES.items() if allowed - HARMLESS)


@dataclass(frozen=True)
class Official:
    """A staff member at work: who they are and what their role allows."""

    member: Member
    permissions: frozenset[str]

    @property
    def id(self) -> str:
        """The staff number."""
        return self.member.id

    @property
    def actor(self) -> Actor:
        """The name under which the official's acts are recorded."""
        return Actor("staff", self.member.id)

    def may(self, permission: str) -> bool:
        """Tell whether the official's role allows something."""
        return permission in self.permissions


def of(db: Session, member_id: str) -> Official:
    """Return an official with the permissions of the moment. Raises NotYourRole when they do not work here any more."""
    member = accounts.find(db, member_id)
    if member is None or member.state != "active":
        raise NotYourRole(detail="not active")
    return Official(member, ROLES.get(member.role, frozenset()))


def needs(permission: str) -> Callable[[Db, StaffMember], Official]:
    """Return the dependency that admits officials with a permission and refuses all others with NotYourRole."""

    def admit(database: Db, me: StaffMember) -> Official:
        with database.reading() as db:
            official = of(db, me.subject)
        if not official.may(permission):
            raise NotYourRole(detail=permission)
        return official

    return admit


AtWork = Annotated[Official, Depends(needs("console"))]
ReadsAgencies = Annotated[Official, Depends(needs("agencies-read"))]
PublishesPurposes = Annotated[Official, Depends(needs("purposes-publish"))]
InvalidatesGrants = Annotated[Official, Depends(needs("grants-invalidate"))]
ReadsSources = Annotated[Official, Depends(needs("sources-read"))]
WorksQuarantine = Annotated[Official, Depends(needs("quarantine-work"))]
UnmasksRecords = Annotated[Official, Depends(needs("record-unmask"))]
ReadsKeys = Annotated[Official, Depends(needs("keys-read"))]
RotatesKeys = Annotated[Official, Depends(needs("keys-rotate"))]
ReadsLedger = Annotated[Official, Depends(needs("ledger-read"))]
ReadsErasures = Annotated[Official, Depends(needs("erasures-read"))]
ErasesHistory = Annotated[Official, Depends(needs("history-erase"))]
ChecksLedger = Annotated[Official, Depends(needs("ledger-check"))]
ReadsLog = Annotated[Official, Depends(needs("log-read"))]
LooksAtCitizens = Annotated[Official, Depends(needs("citizen-look"))]
ReadsDisputes = Annotated[Official, Depends(needs("disputes-read"))]
WorksDesk = Annotated[Official, Depends(needs("desk-work"))]
ReadsRefusals = Annotated[Official, Depends(needs("refusals-read"))]
SuspendsAccounts = Annotated[Official, Depends(needs("accounts-suspend"))]
PrintsLetters = Annotated[Official, Depends(needs("letters-print"))]
ExemptsChildren = Annotated[Official, Depends(needs("children-exempt"))]
IssuesCards = Annotated[Official, Depends(needs("cards-issue"))]
BlocksCards = Annotated[Official, Depends(needs("cards-block"))]
ReadsStaff = Annotated[Official, Depends(needs("staff-read"))]
ManagesStaff = Annotated[Official, Depends(needs("staff-manage"))]
