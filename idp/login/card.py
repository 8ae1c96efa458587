"""A printed card with numbered one-time codes, which together with its owner's PIN signs in without a phone."""

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Row, Select, delete, func, select, update
from sqlalchemy.orm import Session
from stdnum import damm

from core import clock
from core.database import Database
from core.errors import TooMany
from core.events import SYSTEM, Actor, record
from core.sessions import BrowserSession
from idp import accounts, notify
from idp.accounts import HeldAccount
from idp.disavowals import Suspect
from idp.errors import CardHeld, CardMissing
from idp.events import CardBlocked, CardPinChanged, CardRemoved, CardUsed
from idp.login import assurance, devices, hashing, pin, throttle
from idp.login.devices import Visitor
from idp.tables import card as table
from idp.tables import card_code
from keys import blind

COUNT = 40
DESK, OWN = "desk", "self"  # who printed it
FEW = 5
NUMBER_DIGITS = 12  # the last one is a check
CODE_DIGITS = 8  # 26 bits; at least 20 for a look-up secret (NIST SP 800-63B-4, 3.1.2.1)
GROUP = 4
MOST_PIN_TRIES = 5
LOST, GUESSED, DISAVOWED = "lost", "guessed", "disavowed"
ISSUED = "card-issued"  # what is told of it, and stands in the history
TOLD = frozenset({ISSUED, "counter-held", "counter-held-soon"})
SAME_MOMENT = timedelta(minutes=1)  # a card is a little older than the letter about it
COUNTER = "counter"  # by what a card is held back; no session is called so
_NEXT = select(card_code.c.number, card_code.c.code_index).order_by(card_code.c.number).limit(1)


@dataclass(frozen=True)
class Card:
    """A citizen's card. `tail` are its number's last digits, `left` the codes that are unspent."""

    id: str
    tail: str
    origin: str
    issued_at: datetime
    left: int
    blocked_at: datetime | None
    held_by: str = ""

    @property
    def usable(self) -> bool:
        """Tell whether it signs in: neither blocked nor used up, nor held back (`holding`)."""
        return self.blocked_at is None and self.left > 0 and not self.held_by


@dataclass(frozen=True)
class Word:
    """A clerk's word when they block somebody's card: who, after which document, and why."""

    clerk: str
    document: str
    why: str


@dataclass(frozen=True)
class Attempt:
    """What one try with card and PIN came to; `wait` in seconds, 0 if it was looked at.

    `code` is the number of the code if that was right, else 0; `right` tells of the PIN, which is looked at
    only with a right code. `checked` is the verifier it was held against.
    """

    subject: str
    known: bool
    wait: int = 0
    code: int = 0
    right: bool = False
    index: bytes = field(default=b"", repr=False)
    checked: str | None = field(default=None, repr=False)
    newer: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Used:
    """Card and PIN were right: whose they are, held; the code's number, which is spent, and how many are left."""

    account: HeldAccount
    number: int
    left: int


def read(typed: str) -> str | None:
    """Return a card number's digits as typed, or None if it cannot be one: length or check digit (Damm) is wrong."""
    digits = pin.read(typed)
    return digits if len(digits) == NUMBER_DIGITS and damm.is_valid(digits) else None


def of(db: Session, citizen_id: str) -> Card | None:
    """Return a citizen's card, blocked or used up as it may be, or None."""
    row = db.execute(select(table).where(table.c.citizen_id == citizen_id)).first()
    if row is None:
        return None
    left = _left(db, citizen_id)
    return Card(row.id, row.tail, row.origin, row.issued_at, left, row.blocked_at, row.held_by)


def asked(db: Session, typed_number: str) -> int:
    """Return the number of the code that a card is asked for: the lowest unspent one, whatever was guessed.

    Of a card that nobody has it is some number, always the same; of one that is used up, the last.
    """
    index = index_of(db, typed_number)
    found = db.execute(select(table.c.citizen_id).where(table.c.number_index == index)).first()
    if found is None:
        return index[-1] % COUNT + 1
    row = db.execute(_next(found.citizen_id)).first()
    return row.number if row else COUNT


def attempt(
    database: Database,
    number: str,
    typed_pin: str,
    typed_code: str,
    visitor: Visitor,
    *,
    whose: str | None = None,
) -> Attempt:
    """Look at one try; opens its own transactions, and none is open while a PIN is hashed. Settle it with `settle`.

    1. The try is counted and committed before anything is looked at (`throttle.CARD`), for cards that
       nobody has too. 2. The code must be the card's lowest unspent one, and the card not blocked; with `whose`, that
       citizen's. 3. Only then is the PIN held against its verifier, after the try was counted on the card: five
       wrong ones block it. Without a right code the same work is done against nobody's verifier, so
       neither words nor time tell anything of the PIN. Raises TooMany when the hashing pool is full, and CardHeld to who
       has both of a card that is held back: that is no wrong try, and spends nothing.
    """
    with database.writing() as db:
        index = index_of(db, number)
        found = db.execute(select(table).where(table.c.number_index == index)).first()
        if found is not None and whose not in (None, found.citizen_id):
            found = None
        subject = found.citizen_id if found else index.hex()
        known = devices.known(db, visitor, subject)
        wait = throttle.attempt(db, throttle.CARD, subject, visitor, known=known)
        if wait:
            throttle.stopped(db, throttle.CARD, subject, somebody=found is not None)
            return Attempt(subject, known, wait=wait)
        code = _fitting(db, found, index, typed_code)
    verifier = None
    if code:
        # In a transaction of its own: settling holds the card and then the throttle's count.
        with database.writing() as db:
            verifier = _counted(db, subject)
    secret = pin.keyed(database.parts, typed_pin)
    try:
        right, newer = hashing.pool(database.parts.settings).check(verifier, secret)
    except TooMany:
        if verifier is not None:
            with database.writing() as db:
                _give_back(db, subject)
        raise
    code = code if verifier is not None else 0
    if code and right and found is not None and found.held_by:
        with database.writing() as db:
            _give_back(db, subject)
        raise CardHeld
    return Attempt(subject, known, 0, code, right, index, checked=verifier, newer=newer)


def settle(db: Session, attempt: Attempt, visitor: Visitor, *, place: str) -> Used | None:
    """Write down what a try came to: a right one spends its code, and of several at once one is told so.

    The code is spent by nothing else, so that guesses neither use a card up nor show by the next number
    that a code was right. `place` is sign-in or desk.
    """
    if attempt.wait:
        return None
    used = _spend(db, attempt, place) if attempt.right and attempt.code else None
    if used is not None:
        throttle.succeeded(db, throttle.CARD, attempt.subject, visitor, known=attempt.known)
        return used
    # Who was right and came too late guessed nothing; nor may the network's count be held after the account, which
    # `block_lost` holds the other way round.
    if not attempt.known and not (attempt.right and attempt.code):
        throttle.failed(db, throttle.CARD, visitor)
    if attempt.code and not attempt.right and _tries(db, attempt) >= MOST_PIN_TRIES:
        block(db, attempt.subject, reason=GUESSED, actor=SYSTEM)
    return None


def change_pin(db: Session, citizen_id: str, verifier: str, *, actor: Actor) -> None:
    """Give a card another PIN by its verifier from `pin.prepare`; raises CardMissing for none and a blocked one."""
    accounts.hold(db, citizen_id)
    row = db.execute(
        update(table)
        .where(table.c.citizen_id == citizen_id, table.c.blocked_at.is_(None))
        .values(pin_verifier=verifier, pin_tries=0)
        .returning(table.c.id)
    ).first()
    if row is None:
        raise CardMissing
    record(db, CardPinChanged(card=row.id), actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "card-pin-changed")


def block(
    db: Session,
    citizen_id: str,
    *,
    reason: str,
    actor: Actor,
    keep: BrowserSession | None = None,
    word: Word | None = None,
) -> bool:
    """Block a card for good and end the sessions that began with it; tell whether there was one to block.

    `word` is what staff say who do it for somebody.
    """
    if accounts.find(db, citizen_id) is None:
        return False
    accounts.hold(db, citizen_id)
    row = db.execute(
        update(table)
        .where(table.c.citizen_id == citizen_id, table.c.blocked_at.is_(None))
        .values(blocked_at=clock.now(), held_by="")
        .returning(table.c.id)
    ).first()
    if row is None:
        return False
    event = CardBlocked(card=row.id, reason=reason, **(vars(word) if word else {}))
    record(db, event, actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "card-blocked")
    accounts.end_sessions(db, citizen_id, reason="security", actor=actor, keep=keep, by=assurance.BY_CARD)
    return True


def disavow(db: Session, suspect: Suspect, *, actor: Actor, keep: BrowserSession | None = None) -> bool:
    """Block the card that a stranger may have got: one printed at home since, or the very one that is told of.

    A card from before stays, and one that a clerk handed over afterwards: whoever finds an old letter blocks neither.
    """
    mine = of(db, suspect.citizen_id)
    if mine is None:
        return False
    since = mine.origin == OWN and mine.issued_at >= suspect.at - SAME_MOMENT
    very = suspect.what in TOLD and mine.issued_at <= suspect.at + SAME_MOMENT
    return (since or very) and block(db, suspect.citizen_id, reason=DISAVOWED, actor=actor, keep=keep)


def block_lost(db: Session, number: str, typed_code: str, visitor: Visitor) -> int:
    """Block the card whose number and blocking code these are; return the seconds to wait if there were too many tries.

    What is answered is the same whether they were right. The code stands on the half of the sheet that is kept at
    home, so that whoever knows a card's number alone cannot shut its owner out.
    """
    if wait := throttle.in_turn(db, throttle.CARD, visitor):
        return wait
    index = index_of(db, number)
    given = blocking_index(db, index, pin.read(typed_code))
    found = db.execute(
        select(table.c.citizen_id, table.c.block_index).where(table.c.number_index == index)
    ).first()
    if found is None or not hmac.compare_digest(found.block_index, given):
        throttle.failed(db, throttle.CARD, visitor)
        return 0
    block(db, found.citizen_id, reason=LOST, actor=Actor("citizen", found.citizen_id))
    return 0


def citizen_of(db: Session, card_id: str) -> str | None:
    """Return whose card one is, or None for none."""
    return db.scalar(select(table.c.citizen_id).where(table.c.id == card_id))


def drop(db: Session, citizen_id: str, *, actor: Actor) -> bool:
    """Remove a citizen's card; tell whether there was one. `methods` says when that may be."""
    row = db.execute(delete(table).where(table.c.citizen_id == citizen_id).returning(table.c.id)).first()
    if row is None:
        return False
    record(db, CardRemoved(card=row.id), actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "card-removed")
    return True


def grouped(digits: str) -> str:
    """Return digits in groups of four, as they are printed."""
    return " ".join(digits[at : at + GROUP] for at in range(0, len(digits), GROUP))


def _spend(db: Session, attempt: Attempt, place: str) -> Used | None:
    account = accounts.hold(db, attempt.subject)
    mine = table.c.citizen_id == attempt.subject
    row = db.execute(
        update(table)
        .where(
            mine,
            table.c.number_index == attempt.index,
            table.c.pin_verifier == attempt.checked,
            table.c.blocked_at.is_(None),
            table.c.held_by == "",
        )
        .values(pin_tries=0, pin_verifier=attempt.newer or attempt.checked)
        .returning(table.c.id)
    ).first()
    if row is None:
        return None
    spent = db.execute(
        update(card_code)
        .where(
            card_code.c.citizen_id == attempt.subject,
            card_code.c.number == attempt.code,
            card_code.c.used_at.is_(None),
        )
        .values(used_at=clock.now())
        .returning(card_code.c.number)
    ).first()
    if spent is None:
        return None
    left, citizen = _left(db, attempt.subject), Actor("citizen", attempt.subject)
    event = CardUsed(card=row.id, number=attempt.code, left=left, place=place)
    record(db, event, actor=citizen, about=[attempt.subject])
    if left in (FEW, 0):
        notify.tell(db, attempt.subject, "card-few" if left else "card-used-up")
    return Used(account, attempt.code, left)


def _fitting(db: Session, found: Row[tuple[object, ...]] | None, index: bytes, typed_code: str) -> int:
    """Return the number of the next code if that is what was typed, else 0; the same work for a card nobody has."""
    row = db.execute(_next(str(found.citizen_id) if found else "")).first()
    given = code_index(db, index, row.number if row else 0, pin.read(typed_code))
    same = hmac.compare_digest(given, row.code_index if row else b"")
    return row.number if row is not None and same else 0


def _counted(db: Session, citizen_id: str) -> str | None:
    """Count a PIN before it is looked at; return its verifier, or None if the card is blocked or its tries are gone."""
    row = db.execute(
        update(table)
        .where(
            table.c.citizen_id == citizen_id,
            table.c.blocked_at.is_(None),
            table.c.pin_tries < MOST_PIN_TRIES,
        )
        .values(pin_tries=table.c.pin_tries + 1)
        .returning(table.c.pin_verifier)
    ).first()
    return str(row.pin_verifier) if row else None


def _give_back(db: Session, citizen_id: str) -> None:
    mine = (table.c.citizen_id == citizen_id) & (table.c.pin_tries > 0)
    db.execute(update(table).where(mine).values(pin_tries=table.c.pin_tries - 1))


def _tries(db: Session, attempt: Attempt) -> int:
    mine = (table.c.citizen_id == attempt.subject) & (table.c.number_index == attempt.index)
    return db.scalar(select(table.c.pin_tries).where(mine)) or 0


def _next(citizen_id: str) -> Select[tuple[int, bytes]]:
    return _NEXT.where(card_code.c.citizen_id == citizen_id, card_code.c.used_at.is_(None))


def _left(db: Session, citizen_id: str) -> int:
    unspent = select(func.count()).where(card_code.c.citizen_id == citizen_id, card_code.c.used_at.is_(None))
    return db.scalar(unspent) or 0


def index_of(db: Session, typed: str) -> bytes:
    """Return the blind index of a card number."""
    return blind.index(db, "idp.card-number", pin.read(typed))


def blocking_index(db: Session, number_index: bytes, digits: str) -> bytes:
    """Return the blind index of the blocking code of the card with this number."""
    return blind.index(db, "idp.card-blocking", f"{number_index.hex()}\x00{digits}")


def code_index(db: Session, number_index: bytes, number: int, digits: str) -> bytes:
    """Return the blind index of a code at its place on the card with this number."""
    return blind.index(db, "idp.card-code", f"{number_index.hex()}\x00{number}\x00{digits}")
