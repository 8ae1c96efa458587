"""Checking an address: a code goes there, and whoever typed the address types the code in the same browser."""

import secrets
from datetime import timedelta

from sqlalchemy.orm import Session

from core import clock, limits
from core.database import parts
from core.errors import TooMany
from core.events import Actor
from idp import accounts, notify
from idp.contacts import book
from idp.errors import ContactsFull
from idp.login import stages
from idp.login.stages import Stage
from idp.login.throttle import DAY_SECONDS
from idp.notices import reach

DIGITS = 8
CODES_A_DAY = 10  # for one citizen: five guesses at each leave one chance in two million
LETTERS_AN_HOUR = 3  # to one address, whoever asks
# Others may read a message on its way or on a locked screen (NIST SP 800-63B-4, 4.2.1.2).
MESSAGE_LASTS, LETTER_LASTS = timedelta(minutes=10), timedelta(hours=24)


def begin(db: Session, citizen_id: str, address: str) -> str:
    """Send a code to an address and return the token of the flow, for the browser's cookie.

    Whether others have the address is neither asked nor answered: couples and carers share one. An address that was
    sent as much as one may be within an hour is sent no more, without a word of it. Raises ContactsFull.
    """
    if sum(one.address != address for one in reach.kept(db, citizen_id)) >= book.MOST:
        raise ContactsFull
    most = LETTER_LASTS if "@" in address else MESSAGE_LASTS
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    token = stages.begin(
        db,
        stages.CHANGE,
        citizen_id,
        return_to="/my/account/contact",
        data={"contact": address, "code": code},
        most=most,
    )
    if limits.hit(db, "contact:address", address, most=LETTERS_AN_HOUR, per_seconds=3600) == 0:
        until = clock.now() + min(most, timedelta(seconds=parts(db).settings.interaction_seconds))
        facts = {"code": f"{code[:4]} {code[4:]}", "until": clock.wire(until)}
        notify.tell(db, citizen_id, "contact-code", facts, to=[address])
    return token


def count(db: Session, citizen_id: str) -> None:
    """Count one code for a citizen, in a transaction of its own; raises TooMany when the day's are used up."""
    if wait := limits.hit(db, "contact:codes", citizen_id, most=CODES_A_DAY, per_seconds=DAY_SECONDS):
        raise TooMany(retry_after=wait)


def answer(db: Session, stage: Stage, typed: str, *, actor: Actor) -> bool | None:
    """Add the address if the code as typed is right: True. False if it is wrong, None if wrong once too often."""
    accounts.hold(db, stage.citizen_id)  # of two at once the second finds the flow ended
    digits = "".join(char for char in typed[:40] if char.isascii() and char.isdigit())
    if not secrets.compare_digest(digits, str(stage.data["code"])):
        return None if stages.failed(db, stage) else False
    if not stages.end(db, stage):
        return None
    book.add(db, stage.citizen_id, str(stage.data["contact"]), actor=actor)
    return True
