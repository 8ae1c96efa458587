"""Mail to citizens: written into an outbox with the change, sent after the commit."""

import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from consent import agencies
from consent.alerts import Alert
from core import clock
from core.database import Database, parts
from idp import disavowals
from idp.notices import mail
from idp.notices.letters import Letter
from idp.notices.words import DISAVOWABLE
from idp.tables import account, outbox
from keys import sealing
from keys.errors import Shredded

log = structlog.get_logger("erti.mail")
BATCH = 50
# Waiting times after each failure; after the last the notice is given up.
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))
IN_HAND = timedelta(minutes=5)
_FACTS = b"notice"


def tell(
    db: Session,
    citizen_id: str,
    notice: str,
    facts: Mapping[str, Any] | None = None,
    *,
    sid: str = "",
    device: str = "",
) -> None:
    """Put a notice (a key of `idp.notices.words`) into the outbox, in the caller's transaction.

    `facts` are kept sealed under the citizen's key until the letter is written. What somebody else can have done
    gets a link to say so; `sid` and `device` name the session and the browser it came from, where that is known.
    Nobody writes to somebody who has died.
    """
    if "deceased" in (db.scalar(select(account.c.locks).where(account.c.citizen_id == citizen_id)) or ()):
        return
    sealed = None
    if notice in DISAVOWABLE:
        facts = {**(facts or {}), "link": disavowals.make(db, citizen_id, notice, sid=sid, device=device)}
    if facts:
        content = msgspec.json.encode(facts)
        sealed = sealing.seal(db, citizen_id, "account", content, aad=_FACTS)
    values = {"citizen_id": citizen_id, "notice": notice, "facts": sealed}
    db.execute(insert(outbox).values(**values, attempts=0, due_at=clock.now()))


def alert(db: Session, found: Alert) -> None:
    """Put an alert about looks into the outbox; nothing for a citizen without an account."""
    if db.execute(select(account.c.citizen_id).where(account.c.citizen_id == found.citizen)).first() is None:
        return
    looks = [(look.agency, clock.wire(look.at)) for look in found.looks]
    facts = {"looks": looks, "more": found.more}
    tell(db, found.citizen, "alert" if looks else "alert-summary", facts)


def deliver(database: Database, *, stop: threading.Event | None = None) -> int:
    """Send what is due and return how many letters went out. A letter may go out twice, never half.

    Ends after the letter under way once `stop` is set, or when half the time is over for which the letters are
    in hand: the others come due again after it.
    Without `smtp_url` nothing is sent: each notice is dropped with a line in the log that names no one.
    """
    settings = database.parts.settings
    with database.reading() as db:
        if db.execute(select(outbox.c.id).where(outbox.c.due_at <= clock.now()).limit(1)).first() is None:
            return 0
    with database.writing() as db:
        letters = _take(db)
    sent, ends = 0, time.monotonic() + IN_HAND.total_seconds() / 2
    for letter in letters:
        if time.monotonic() > ends or (stop is not None and stop.is_set()):
            break
        done = mail.send(settings, letter)
        with database.writing() as db:
            _settle(db, letter, done=done)
        sent += done
    return sent


def _take(db: Session) -> list[Letter]:
    at = clock.now()
    due = select(outbox.c.id).where(outbox.c.due_at <= at).order_by(outbox.c.id).limit(BATCH)
    rows = db.execute(
        update(outbox)
        .where(outbox.c.id.in_(due.with_for_update(skip_locked=True)), outbox.c.due_at <= at)
        .values(due_at=at + IN_HAND)
        .returning(outbox.c.id, outbox.c.citizen_id, outbox.c.notice, outbox.c.attempts, outbox.c.facts)
    ).all()
    letters = []
    for row in rows:
        address, lang = _address(db, row.citizen_id)
        if not address or not parts(db).settings.smtp_url:
            log.info(
                "notice not mailed", notice=row.notice, reason="no address" if not address else "no smtp_url"
            )
            db.execute(delete(outbox).where(outbox.c.id == row.id))
            continue
        facts = _facts(db, row.citizen_id, row.facts, lang)
        letters.append(Letter(row.id, row.attempts, address, lang, row.notice, facts))
    return letters


def _address(db: Session, citizen_id: str) -> tuple[str, str]:
    row = db.execute(
        select(account.c.name_sealed, account.c.language).where(account.c.citizen_id == citizen_id)
    ).first()
    if row is None or row.name_sealed is None:
        return "", ""
    try:
        name = sealing.unseal(db, citizen_id, "account", row.name_sealed, aad=b"username").decode()
    except Shredded:
        return "", ""
    return (name if "@" in name else ""), row.language


def _facts(db: Session, citizen_id: str, sealed: bytes | None, lang: str) -> dict[str, Any]:
    """Return what a letter says beyond its notice, with agencies by name."""
    if sealed is None:
        return {}
    content = sealing.unseal(db, citizen_id, "account", sealed, aad=_FACTS)
    facts: dict[str, Any] = msgspec.json.decode(content)
    called = {agency.id: agency.name(lang) for agency in agencies.listing(db)}
    looks = [(called.get(name, name), datetime.fromisoformat(at)) for name, at in facts.get("looks", ())]
    return {**facts, "looks": looks}


def _settle(db: Session, letter: Letter, *, done: bool) -> None:
    mine = outbox.c.id == letter.id
    if done or letter.attempts >= len(RETRY_AFTER):
        db.execute(delete(outbox).where(mine))
    else:
        due = clock.now() + RETRY_AFTER[letter.attempts]
        db.execute(update(outbox).where(mine).values(attempts=letter.attempts + 1, due_at=due))
