"""Two people for what is dangerous: one asks, another agrees, and only then is it done."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, LargeBinary, Row, String, Table, delete, insert, select, update
from sqlalchemy.orm import Session

from admin import themself
from admin.errors import ApprovalOver, ApprovalUnknown, NotYourRole, SecondPersonNeeded
from admin.events import ApprovalAsked, ApprovalDecided
from admin.permissions import Official, of
from consent import endings, importing
from consent.ledger import erasure
from core import clock
from core.database import Base, Document, Moment
from core.events import Actor, record
from idp.accounts import SCOPE
from idp.login import activation, children, holding, locks
from idp.staff import accounts
from keys import epochs, rotation, sealing
from keys.errors import BadSeal, Shredded

LASTS = timedelta(days=3)
KEPT = timedelta(days=90)  # what was done stands in the log and in histories; why somebody wanted it need not
CITIZEN, OWNER = "citizen", "staff:approvals"
# Who asks from the server's own command line, where nobody signs in; a member of staff has to agree all the same.
COMMAND_LINE = Actor("system", "command-line")

approval = Table(
    "approval",
    Base.metadata,
    Column("id", String(24), primary_key=True),
    Column("action", String(32), nullable=False),
    Column("subject", Document, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("asked_by", String(16), nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("decided_by", String(16)),
    Column("decided_at", Moment),
    # Of what is about a citizen, subject and reason stand here alone: whose it is, and the rest under the citizen's key.
    Column("whose_sealed", LargeBinary),
    Column("sealed", LargeBinary),
)


@dataclass(frozen=True)
class Approval:
    """One request for a second person. `state` is open, done or refused."""

    id: str
    action: str
    subject: dict[str, Any]
    reason: str
    asked_by: str
    asked_at: datetime
    state: str
    decided_by: str | None
    decided_at: datetime | None

    @property
    def open(self) -> bool:
        """True while somebody may still decide it."""
        return self.state == "open" and clock.now() < self.asked_at + LASTS


def ask(db: Session, action: str, subject: Mapping[str, Any], *, reason: str, official: Official) -> Approval:
    """Write down what an official wants done, for somebody else to agree to. `action` is a key of DEEDS.

    Raises SomebodyElseHasTo for a way into an account that may be the official's own.
    """
    _refuse_own(db, action, subject, official)
    return _ask(db, action, subject, reason=reason, actor=official.actor)


def ask_from_command_line(db: Session, action: str, subject: Mapping[str, Any], *, reason: str) -> Approval:
    """Write down what an operator of the server wants done; only an official who may do it can agree."""
    return _ask(db, action, subject, reason=reason, actor=COMMAND_LINE)


def agree(db: Session, wanted: Approval, *, official: Official) -> str:
    """Agree to a request and do it in the same transaction.

    Returns what the deed has to say, shown once: an invitation's token, or an empty text. Raises
    SecondPersonNeeded to whoever asked, ApprovalOver when it was decided or is too old, or when
    whoever asked may not ask any more, SomebodyElseHasTo as `ask` does.
    """
    if wanted.asked_by == official.id:
        raise SecondPersonNeeded
    _refuse_own(db, wanted.action, wanted.subject, official)
    if wanted.asked_by != COMMAND_LINE.id:
        _check_asker(db, wanted)
    _decide(db, wanted, "done", official=official)
    return DEEDS[wanted.action].do(db, wanted.subject, official.actor)


def refuse(db: Session, wanted: Approval, *, official: Official) -> None:
    """Refuse a request, or take one's own back. Raises ApprovalOver."""
    _decide(db, wanted, "refused", official=official)
    if drop := DEEDS[wanted.action].drop:
        drop(db, wanted.subject, official.actor)


def read(db: Session, approval_id: str) -> Approval:
    """Return a request. Raises ApprovalUnknown."""
    row = db.execute(select(approval).where(approval.c.id == approval_id)).first()
    found = _approval(db, row) if row else None
    if found is None:
        raise ApprovalUnknown
    return found


def listing(db: Session, *, most: int = 50) -> list[Approval]:
    """Return the latest requests, the newest first, save those about a citizen who was erased."""
    rows = db.execute(select(approval).order_by(approval.c.asked_at.desc()).limit(most)).all()
    return [found for row in rows if (found := _approval(db, row)) is not None]


def purge(db: Session) -> None:
    """Delete requests that were asked for long ago."""
    db.execute(delete(approval).where(approval.c.asked_at <= clock.now() - KEPT))


def waiting_for(db: Session, official: Official) -> list[Approval]:
    """Return the open requests that this official may agree to."""
    return [
        wanted
        for wanted in listing(db)
        if wanted.open and wanted.asked_by != official.id and official.may(DEEDS[wanted.action].permission)
    ]


def _ask(db: Session, action: str, subject: Mapping[str, Any], *, reason: str, actor: Actor) -> Approval:
    wanted = Approval(
        id=secrets.token_urlsafe(12),
        action=action,
        subject=dict(subject),
        reason=reason[:500],
        asked_by=actor.id,
        asked_at=clock.now(),
        state="open",
        decided_by=None,
        decided_at=None,
    )
    clear: dict[str, Any] = {"subject": wanted.subject, "reason": wanted.reason}
    sealed: dict[str, bytes] = {}
    if whose := wanted.subject.get(CITIZEN):
        said = json.dumps(clear).encode()
        sealed = {
            "whose_sealed": sealing.seal(db, OWNER, SCOPE, whose.encode(), aad=wanted.id.encode()),
            "sealed": sealing.seal(db, whose, SCOPE, said, aad=wanted.id.encode()),
        }
        clear = {"subject": {}, "reason": ""}
    db.execute(insert(approval).values(**(vars(wanted) | clear | sealed)))
    record(db, ApprovalAsked(approval=wanted.id, action=action, **clear), actor=actor)
    return wanted


def _refuse_own(db: Session, action: str, subject: Mapping[str, Any], official: Official) -> None:
    if DEEDS[action].never_own:
        themself.refuse(db, official, subject[CITIZEN])


def _check_asker(db: Session, wanted: Approval) -> None:
    try:
        asker = of(db, wanted.asked_by)
    except NotYourRole as gone:
        raise ApprovalOver(detail="who asked does not work here any more") from gone
    if not asker.may(DEEDS[wanted.action].permission):
        raise ApprovalOver(detail="who asked may not any more")


def _decide(db: Session, wanted: Approval, state: str, *, official: Official) -> None:
    changed = db.execute(
        update(approval)
        .where(
            approval.c.id == wanted.id, approval.c.state == "open", approval.c.asked_at > clock.now() - LASTS
        )
        .values(state=state, decided_by=official.id, decided_at=clock.now())
        .returning(approval.c.id)
    ).first()
    if changed is None:
        raise ApprovalOver
    decided = ApprovalDecided(approval=wanted.id, action=wanted.action, outcome=state)
    record(db, decided, actor=official.actor)


def _approval(db: Session, row: Row[Any]) -> Approval | None:
    """Return a request as it was asked for; None if it was about a citizen who was erased."""
    fields = row._asdict()
    whose, sealed, aad = fields.pop("whose_sealed"), fields.pop("sealed"), row.id.encode()
    if sealed is not None:
        try:
            citizen = sealing.unseal(db, OWNER, SCOPE, whose, aad=aad).decode()
            fields |= json.loads(sealing.unseal(db, citizen, SCOPE, sealed, aad=aad))
        except (Shredded, BadSeal):  # another key was made since
            return None
    return Approval(**fields)


def _rotate(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    rotation.rotate(db, subject["alg"], actor=actor)
    return ""


def _revoke(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    rotation.revoke(db, subject["kid"], actor=actor)
    return ""


def _destroy_epoch(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    epochs.destroy(db, subject["epoch"], actor=actor)
    return ""


def _erase(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    erasure.order(
        db,
        subject["citizen"],
        subject["year"],
        basis=subject.get("basis", erasure.COURT),
        actor=actor,
        places=[(log, index) for log, index in subject["places"]],
        reference=subject["reference"],
        reason=subject["reason"],
    )
    return ""


def _invite(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    return accounts.open_invitation(db, accounts.read(db, subject["staff"]), actor=actor).token


def _forget_invited(db: Session, subject: Mapping[str, Any], actor: Actor) -> None:
    accounts.suspend(db, accounts.read(db, subject["staff"]), actor=actor)


def _invalidate_grant(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    endings.invalidate(db, subject["grant"], why=subject["why"], actor=actor)
    return ""


def _invalidate_purpose(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    endings.invalidate_all(db, subject["purpose"], why=subject["why"], actor=actor)
    return ""


def _suspend(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    locks.suspend(db, subject["citizen"], why=subject["why"], actor=actor)
    return ""


def _reinstate(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    locks.reinstate(db, subject["citizen"], why=subject["why"], actor=actor)
    return ""


def _exempt_child(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    children.waive(db, subject["citizen"], agreed_by=actor.id)
    return ""


def _vouch(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    whose = subject["citizen"]
    if "letter" in subject:
        begun = activation.vouch(db, whose, subject["letter"], actor=actor)
    else:
        begun = holding.confirm_card(db, whose, subject["card"], how=holding.BY_OFFICIAL, actor=actor)
    if not begun:
        raise ApprovalOver(detail="nothing waits")
    return ""


def _publish(db: Session, subject: Mapping[str, Any], actor: Actor) -> str:
    importing.load(db, {"purposes": [dict(subject)]}, actor=actor)
    return ""


@dataclass(frozen=True)
class Deed:
    """Something that takes two people: the permission that both need, how it is done, what a refusal undoes.

    `never_own`: it is about a citizen, and neither of the two may be called as they are.
    """

    permission: str
    do: Callable[[Session, Mapping[str, Any], Actor], str]
    drop: Callable[[Session, Mapping[str, Any], Actor], None] | None = None
    never_own: bool = False


EXEMPT_CHILD, VOUCH = "exempt-child", "vouch"
DEEDS: dict[str, Deed] = {
    "rotate-key": Deed("keys-rotate", _rotate),
    "revoke-key": Deed("keys-rotate", _revoke),
    "destroy-epoch": Deed("keys-rotate", _destroy_epoch),
    "erase-history": Deed("history-erase", _erase),
    "invite-staff": Deed("staff-manage", _invite, drop=_forget_invited),
    "publish-purpose": Deed("purposes-publish", _publish),
    "invalidate-grant": Deed("grants-invalidate", _invalidate_grant),
    "suspend-account": Deed("accounts-suspend", _suspend),
    "reinstate-account": Deed("accounts-suspend", _reinstate),
    VOUCH: Deed("ways-in-vouch", _vouch, never_own=True),
    EXEMPT_CHILD: Deed("children-exempt", _exempt_child),
    "invalidate-purpose": Deed("grants-invalidate", _invalidate_purpose),
}
