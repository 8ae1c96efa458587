"""Making a card: the number and the codes that are printed, of which only keyed hashes are kept."""

import secrets
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session
from stdnum import damm

from core import clock
from core.events import Actor, record
from core.sessions import BrowserSession
from idp import accounts, notify
from idp.errors import CardMissing
from idp.events import CardIssued
from idp.login import assurance
from idp.login.card import (
    CODE_DIGITS,
    COUNT,
    COUNTER,
    DESK,
    GROUP,
    NUMBER_DIGITS,
    OWN,
    blocking_index,
    code_index,
    grouped,
    index_of,
)
from idp.tables import card as table
from idp.tables import card_code

__all__ = ["DESK", "SELF", "Issue", "Printed", "issue"]
SELF = OWN


@dataclass(frozen=True)
class Printed:
    """What stands on a new card and on the half of the sheet that stays at home; it is kept nowhere."""

    number: str
    blocking: str = field(repr=False)
    codes: list[str] = field(repr=False)


@dataclass(frozen=True)
class Issue:
    """How a card came to be: at which office, by which clerk, who looked at which document; empty if printed at home."""

    origin: str
    office: str = ""
    clerk: str = ""
    document: str = ""


def issue(
    db: Session,
    citizen_id: str,
    how: Issue,
    *,
    verifier: str | None,
    actor: Actor,
    held: bool = False,
    keep: BrowserSession | None = None,
) -> Printed:
    """Make a new card and return what to print; only keyed hashes are kept.

    An older one ends here, with every session that came by it but the one to `keep`.
    `verifier` is the PIN's, from `pin.prepare`; None keeps the PIN of a card that is neither blocked nor held back.
    `held`: it is held back, and told by `holding`. Raises AccountMissing, and CardMissing if there is no PIN to keep.
    """
    accounts.hold(db, citizen_id)
    before = db.execute(select(table).where(table.c.citizen_id == citizen_id)).first()
    if verifier is None:
        if before is None or before.blocked_at is not None or before.held_by:
            raise CardMissing
        verifier = str(before.pin_verifier)
    db.execute(delete(table).where(table.c.citizen_id == citizen_id))
    accounts.end_sessions(db, citizen_id, reason="security", actor=actor, keep=keep, by=assurance.BY_CARD)
    number, index = _new_number(db)
    card_id, blocking = secrets.token_hex(8), _digits(CODE_DIGITS)
    db.execute(
        insert(table).values(
            citizen_id=citizen_id,
            id=card_id,
            number_index=index,
            block_index=blocking_index(db, index, blocking),
            tail=number[-GROUP:],
            origin=how.origin,
            pin_verifier=verifier,
            pin_tries=0,
            issued_at=clock.now(),
            held_by=COUNTER if held else "",
        )
    )
    codes = [_digits(CODE_DIGITS) for _number in range(COUNT)]
    rows = [
        {"citizen_id": citizen_id, "number": at, "code_index": code_index(db, index, at, code)}
        for at, code in enumerate(codes, start=1)
    ]
    db.execute(insert(card_code), rows)
    event = CardIssued(
        card=card_id,
        origin=how.origin,
        office=how.office,
        clerk=how.clerk,
        document=how.document,
        codes=COUNT,
        replaced=before is not None,
    )
    record(db, event, actor=actor, about=[citizen_id])
    if not held:
        notify.tell(db, citizen_id, "card-issued")
    return Printed(grouped(number), grouped(blocking), [grouped(code) for code in codes])


def _new_number(db: Session) -> tuple[str, bytes]:
    while True:
        digits = _digits(NUMBER_DIGITS - 1)
        number = digits + str(damm.calc_check_digit(digits))
        index = index_of(db, number)
        if db.execute(select(table.c.id).where(table.c.number_index == index)).first() is None:
            return number, index


def _digits(count: int) -> str:
    return f"{secrets.randbelow(10**count):0{count}}"
