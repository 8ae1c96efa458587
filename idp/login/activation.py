"""The first way in: a code printed at a counter opens the account, and a safe way of signing in is set up."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import segno
from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from core import clock, language, limits, pages
from core.database import parts
from core.events import OFFICE, Actor, record
from idp import accounts, notify
from idp.accounts import Account, HeldAccount
from idp.errors import AccountLocked, CodeSpent, NotLiving
from idp.events import AccountRegained, ActivationCodeEnded, HoldEnded
from idp.login import (
    assurance,
    children,
    codes,
    devices,
    holding,
    methods,
    passkey,
    password,
    recovery,
    stages,
    throttle,
    totp,
    waits,
)
from idp.login.ceremony import Rejected
from idp.login.children import Presence
from idp.login.devices import Visitor
from idp.login.events import ActivationCodeMade
from idp.login.stages import Stage
from idp.login.totp import Bounds
from idp.notices import reach
from idp.tables import activation_code as table
from keys import blind
from registry_sync import people

GROUPS = 4  # 80 bits
DESK, OPERATOR = "desk", "operator"
WAITS = "letter-waits"
MADE = {DESK: "letter-made", OPERATOR: "code-made"}  # what is told of it
PURPOSE = "activation"


@dataclass(frozen=True)
class Started:
    """The code was right; `token` is for the cookie of the flow."""

    token: str


@dataclass(frozen=True)
class Wrong:
    """Code and citizen ID do not belong together, or the code is over. `wait` in seconds if guesses are stopped."""

    wait: int = 0


@dataclass(frozen=True)
class Finished:
    """The account is open, entered with these methods; the recovery codes are kept in the flow until shown."""

    account: HeldAccount
    amr: tuple[str, ...]
    most: str = assurance.HIGH


@dataclass(frozen=True)
class Seen:
    """A clerk's word: at this office they compared the person with this document and with the register."""

    office: str
    clerk: str
    document: str


@dataclass(frozen=True)
class Sheet:
    """What stands in a letter: kept nowhere once it is printed."""

    citizen_id: str
    code: str = field(repr=False)
    expires_at: datetime
    fingerprint: str
    fingerprints: str
    address: str
    picture: str
    printed: datetime
    begins: datetime | None = None
    office: str = ""


def make_code(
    db: Session,
    citizen_id: str,
    *,
    seen: Seen | None,
    actor: Actor,
    presence: Presence = children.ALONE,
    posted: bool = False,
    alone: bool = False,
) -> str:
    """Make an activation code and return it as printed: four groups of four, 80 random bits.

    `seen` is the word of a clerk; without one an operator made it, and what is set up with it stays low. What the account
    is entered with now goes on until the code is used; every address is told. The link in that mail ends the letter, but
    not the next one, made when somebody came to a counter again: a stranger in the mailbox keeps nobody out for long.
    It works once, for `settings.activation_days`, and ends any code made before. For a child `presence` says who is there
    and agrees. One that a clerk makes `alone` waits where the account is in use (ADR 34), until a second official vouches
    for it. Raises NotLiving, AccountLocked for an account that a new code must not open, and as `children.agree` does.
    """
    person = people.find(db, citizen_id)
    if person is None or person.state != "living":
        raise NotLiving
    limits.hold(db, "activation", citizen_id, per_seconds=60)  # of two clerks at once, one after the other
    known = accounts.find(db, citizen_id)
    if known and not known.opens_at_a_counter:
        raise AccountLocked(detail=known.state)
    children.agree(db, citizen_id, children.LETTER, presence, posted=posted, actor=actor)
    code, expires_at, origin = codes.draw(GROUPS), _expiry(db), DESK if seen else OPERATOR
    in_use = known is not None and known.was_activated
    begins_at = holding.begins_at(db, citizen_id) if alone and in_use else None
    if begins_at:
        expires_at += begins_at - clock.now()
    old = db.execute(
        delete(table).where(table.c.citizen_id == citizen_id).returning(table.c.ended_at, table.c.firm)
    ).first()
    db.execute(
        insert(table).values(
            citizen_id=citizen_id,
            code_index=_index(db, citizen_id, code),
            expires_at=expires_at,
            origin=origin,
            firm=old is not None and (old.firm or old.ended_at is not None),
            begins_at=begins_at,
        )
    )
    event = ActivationCodeMade(expires_at=expires_at, origin=origin, **(vars(seen) if seen else {}))
    record(db, event, actor=actor, about=[citizen_id, OFFICE])
    if in_use:  # before it is used: afterwards its owner is out
        facts = {"what": seen.office if seen else ""} | (
            {"until": clock.wire(begins_at)} if begins_at else {}
        )
        notify.tell(db, citizen_id, WAITS if begins_at else MADE[origin], facts)
    return code


def waiting(db: Session, citizen_id: str) -> tuple[datetime, str] | None:
    """Return from when a letter works that waits, and by which name a second official vouches for this one; None if none waits."""
    mine = (table.c.citizen_id == citizen_id, table.c.begins_at > clock.now(), table.c.ended_at.is_(None))
    row = db.execute(select(table.c.begins_at, table.c.code_index).where(*mine)).first()
    return (row.begins_at, row.code_index.hex()) if row else None


def vouch(db: Session, citizen_id: str, name: str, *, actor: Actor) -> bool:
    """Let a letter that waits work at once, by a second official's word; tell whether it is the one that was vouched for."""
    # In one statement: a letter that somebody prints meanwhile takes the row, and is not the one that was looked at.
    this = (table.c.citizen_id == citizen_id, table.c.code_index == bytes.fromhex(name))
    still = (table.c.begins_at > clock.now(), table.c.ended_at.is_(None))
    begun = update(table).where(*this, *still).values(begins_at=None).returning(table.c.citizen_id)
    if db.execute(begun).first() is None:
        return False
    record(db, HoldEnded(how=holding.BY_OFFICIAL, at_counter=True), actor=actor, about=[citizen_id])
    return True


def opens(db: Session, citizen_id: str, code: str) -> bool:
    """Tell whether a code that was made here still works. Not for what strangers type: nothing counts their guesses."""
    return db.scalar(select(table.c.origin).where(*_live(db, citizen_id, code))) is not None


def was_disowned(db: Session, citizen_id: str) -> bool:
    """Tell whether the last letter of a citizen was ended by the link in the mail about it."""
    mine = (table.c.citizen_id == citizen_id) & (table.c.ended_at.is_not(None) | table.c.firm)
    return db.execute(select(table.c.citizen_id).where(mine)).first() is not None


def disown(db: Session, citizen_id: str, *, by_owner: bool) -> bool:
    """End a letter by the link in the mail about it; tell whether it is over.

    One made after another was ended so stays, unless it is sure that its owner says so.
    """
    mine = table.c.citizen_id == citizen_id
    if not by_owner:
        mine &= ~table.c.firm
    db.execute(update(table).where(mine, table.c.ended_at.is_(None)).values(ended_at=clock.now()))
    live = (table.c.citizen_id == citizen_id) & table.c.ended_at.is_(None)
    return db.execute(select(table.c.citizen_id).where(live)).first() is None


def end_code(db: Session, citizen_id: str, *, actor: Actor) -> bool:
    """End a letter that nobody used yet; tell whether there was one."""
    gone = delete(table).where(table.c.citizen_id == citizen_id).returning(table.c.citizen_id)
    if db.execute(gone).first() is None:
        return False
    record(db, ActivationCodeEnded(), actor=actor, about=[citizen_id])
    return True


def letter(db: Session, citizen_id: str, code: str, *, fingerprint: str, office: str = "") -> str:
    """Return the letter as an HTML page in the current language; `fingerprint` and `office` as in `sheet`."""
    settings, lang = parts(db).settings, language.current()
    return (
        pages.environment(settings)
        .get_template("idp/letter.html")
        .render(
            lang=lang,
            dir=language.direction(lang),
            sheet=sheet(db, citizen_id, code, fingerprint=fingerprint, office=office),
        )
    )


def sheet(db: Session, citizen_id: str, code: str, *, fingerprint: str, office: str = "") -> Sheet:
    """Return what stands in a letter; `office` is empty if an operator made it. `fingerprint` is that of the ledger's trust policy, for comparing with `erti-verify`."""
    settings = parts(db).settings
    expires_at = db.scalar(select(table.c.expires_at).where(table.c.citizen_id == citizen_id)) or _expiry(db)
    address, later = f"{settings.issuer}/activate", waiting(db, citizen_id)
    return Sheet(
        citizen_id=people.grouped(citizen_id),
        code=code,
        expires_at=expires_at,
        fingerprint=fingerprint,
        fingerprints=f"{settings.issuer}/about/fingerprints",
        address=address,
        picture=segno.make(address, error="m").svg_data_uri(scale=4, border=1),
        printed=clock.now(),
        begins=later[0] if later else None,
        office=office,
    )


def begin(
    db: Session, typed_id: str, typed_code: str, visitor: Visitor, *, return_to: str
) -> Started | Wrong:
    """Take a code and a citizen ID as typed and begin the flow; the code stays good until the flow is finished.

    Guesses are counted against their network alone: 80 bits cannot be guessed from many, and nobody can
    keep a citizen out by guessing at theirs.
    """
    if wait := throttle.in_turn(db, throttle.ACTIVATION, visitor):
        return Wrong(wait)
    citizen_id = people.compact(typed_id) or ""
    found = db.scalar(select(table.c.origin).where(*_live(db, citizen_id, typed_code)))
    if found is None:
        throttle.failed(db, throttle.ACTIVATION, visitor)
        return Wrong()
    known = accounts.find(db, citizen_id)
    data = {
        "code": codes.read(typed_code),
        "handle": (known.handle if known else accounts.new_handle()).hex(),
        "again": known is not None and known.was_activated,
        "origin": found,
    }
    return Started(stages.begin(db, stages.ACTIVATION, citizen_id, return_to=return_to, data=data))


def ask_passkey(db: Session, stage: Stage, *, browser: str) -> str:
    """Return creation options (JSON) for the passkey that is to open the account."""
    handle = bytes.fromhex(stage.data["handle"])
    return passkey.ask_new(db, stage.citizen_id, handle, purpose=PURPOSE, browser=browser)


def choose_password(db: Session, stage: Stage, *, verifier: str, name: str) -> None:
    """Keep a chosen password and sign-in name in the flow, and draw the secret of the app that goes with it."""
    secret = stage.data.get("secret") or totp.new_secret()
    stages.keep(db, stage, verifier=verifier, secret=secret, name=name)


def with_passkey(
    db: Session, stage: Stage, answer: str, *, name: str, visitor: Visitor
) -> Finished | Rejected:
    """Open the account with a new passkey.

    Raises CodeSpent, NotLiving, AccountLocked, PasskeyRefused, PasskeyUnproven.
    """
    made = passkey.made(db, stage.citizen_id, answer, purpose=PURPOSE, browser=visitor.browser)
    if isinstance(made, Rejected):
        return made
    account = _open(db, stage)
    passkey.put(
        db,
        account.citizen_id,
        made,
        name=name,
        acr=_most(stage),
        actor=_self(account),
        browser=devices.words(visitor.user_agent),
    )
    return _finish(db, stage, account, passkey.methods(db, made))


def with_password(db: Session, stage: Stage, typed_code: str) -> Finished | None:
    """Open the account with the password kept in the flow and a first code from the app; None if it is wrong.

    Raises CodeSpent, NotLiving, AccountLocked, NameTaken.
    """
    secret = stage.data["secret"]
    step = totp.step(secret, typed_code)
    if step is None:
        return None
    account = _open(db, stage)
    if name := stage.data.get("name"):
        accounts.choose_name(db, account.citizen_id, name, actor=_self(account))
    password.put(db, account.citizen_id, stage.data["verifier"], actor=_self(account))
    bounds = Bounds(assurance.lower(_most(stage), assurance.SUBSTANTIAL))
    totp.put(db, account.citizen_id, secret, step, bounds=bounds, actor=_self(account))
    return _finish(db, stage, account, assurance.PASSWORD_AND_CODE)


def _open(db: Session, stage: Stage) -> HeldAccount:
    """Spend the code and open the account; earlier ways in and sessions end."""
    if "wait" in stage.data:
        return _regain(db, stage)
    spent = db.execute(
        delete(table).where(*_live(db, stage.citizen_id, stage.data["code"])).returning(table.c.origin)
    ).first()
    if spent is None:
        raise CodeSpent
    actor = Actor("citizen", stage.citizen_id)
    account = accounts.activate(
        db,
        stage.citizen_id,
        handle=bytes.fromhex(stage.data["handle"]),
        language=language.current(),
        actor=actor,
        seen=spent.origin == DESK,
    )
    waits.stop(db, account.citizen_id, how="counter", actor=actor)
    methods.remove_all(db, account.citizen_id, actor=actor)
    reach.doubt(db, account.citizen_id)
    accounts.end_sessions(db, account.citizen_id, reason="security", actor=actor)
    notify.tell(db, account.citizen_id, "activated")
    return account


def _regain(db: Session, stage: Stage) -> HeldAccount:
    """Spend the waiting time and give the account back; earlier ways in and sessions end, all else stays.

    Raises WaitOver, AccountLocked.
    """
    account, actor = accounts.hold(db, stage.citizen_id), Actor("citizen", stage.citizen_id)
    if account.state != accounts.ACTIVE:
        raise AccountLocked(detail=account.state)
    waits.spend(db, stage.data["wait"])
    methods.remove_all(db, account.citizen_id, actor=actor)
    accounts.end_sessions(db, account.citizen_id, reason="security", actor=actor)
    record(db, AccountRegained(citizen=account.citizen_id), actor=actor, about=[account.citizen_id])
    notify.tell(db, account.citizen_id, "recovered")
    return account


def begin_again(db: Session, citizen_id: str, wait_id: str, *, return_to: str) -> str:
    """Begin the flow for somebody whose waiting time is over; return the token of the flow."""
    data = {"wait": wait_id, "handle": accounts.hold(db, citizen_id).handle.hex(), "again": True}
    return stages.begin(db, stages.ACTIVATION, citizen_id, return_to=return_to, data=data)


def _most(stage: Stage) -> str:
    """Return the assurance that what is set up can reach: high if a clerk handed the code over against a look at the person."""
    return assurance.HIGH if stage.data.get("origin") == DESK else assurance.LOW


def _finish(db: Session, stage: Stage, account: HeldAccount, amr: tuple[str, ...]) -> Finished:
    made = recovery.make(db, account.citizen_id, acr=_most(stage), actor=_self(account))
    spent = dict.fromkeys(("code", "wait", "handle", "verifier", "secret", "name", "again"))
    stages.keep(db, stage, codes=made, **spent)
    return Finished(account, amr, _most(stage))


def _self(account: Account) -> Actor:
    return Actor("citizen", account.citizen_id)


def _expiry(db: Session) -> datetime:
    return clock.now() + timedelta(days=parts(db).settings.activation_days)


def _live(db: Session, citizen_id: str, typed: str) -> tuple[ColumnElement[bool], ...]:
    return (
        table.c.citizen_id == citizen_id,
        table.c.code_index == _index(db, citizen_id, typed),
        table.c.expires_at > clock.now(),
        table.c.ended_at.is_(None),
        or_(table.c.begins_at.is_(None), table.c.begins_at <= clock.now()),
    )


def _index(db: Session, citizen_id: str, typed: str) -> bytes:
    return blind.index(db, "idp.activation-code", f"{citizen_id}\x00{codes.read(typed)}")
