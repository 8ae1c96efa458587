"""Letters and text messages to citizens: written into an outbox with the change, sent after the commit."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from consent import agencies
from consent.alerts import Alert
from core import clock, language
from core.database import Database, parts
from idp import atlas, disavowals
from idp.notices import mail, place, reach, sms, words
from idp.notices.letters import Fate, Letter
from idp.notices.short import SHORT
from idp.notices.words import DISAVOWABLE
from idp.tables import account, holding, outbox, reentry_wait, undelivered
from keys import sealing
from keys.errors import Shredded

log = structlog.get_logger("erti.mail")
BATCH = 50
# Waiting times after each failure; after the last the notice is given up.
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))
# What happens to an account is tried for a month. Codes are over before that, and looks stand in the history.
LASTING, LASTING_TRIES = frozenset(words.NOTICES) - words.CODES, 60
SHOWN_FOR = timedelta(days=30)
IN_HAND = timedelta(minutes=5)
_FACTS = b"notice"
_READER = select(account.c.locks, account.c.language).where(account.c.citizen_id == bindparam("citizen_id"))
_INSERT = insert(outbox)
# What waits for its owner's objection begins to run when a notice of it was taken, and by nothing else: one that was
# dropped, refused or given up tells nobody.
UNHEARD, HEARD = 0, 1
_HOLDING = (
    update(holding)
    .where(holding.c.citizen_id == bindparam("whose"), holding.c.told == UNHEARD)
    .values(told=HEARD)
)
_RETURN = (
    update(reentry_wait)
    .where(
        reentry_wait.c.citizen_id == bindparam("whose"),
        reentry_wait.c.state == "waiting",
        reentry_wait.c.told == UNHEARD,
    )
    .values(told=HEARD)
)
_HEARD = {"held": _HOLDING, "held-counter": _HOLDING, "counter-held": _HOLDING, "recovery-begun": _RETURN}


def tell(
    db: Session,
    citizen_id: str,
    notice: str,
    facts: Mapping[str, Any] | None = None,
    *,
    sid: str = "",
    device: str = "",
    to: Sequence[str] | None = None,
) -> None:
    """Put a notice (a key of `idp.notices.words`) into the outbox, in the caller's transaction.

    It goes to every address of the citizen as it is now, and to the numbers where there is a text message of it; or to
    those in `to`. What it says is kept sealed under the citizen's key until it is written out: `facts`, the moment,
    and from where it came, unless another person did it. What somebody else can have done gets a link to say so; `sid` and `device` name the
    session and the browser it came from, where that is known. Nobody writes to somebody who has died.
    """
    reader = db.execute(_READER, {"citizen_id": citizen_id}).first()
    if reader is not None and "deceased" in reader.locks:
        return
    chosen = reach.everywhere(db, citizen_id) if to is None else to
    places = [one for one in chosen if "@" in one or notice in SHORT]
    # Codes are counted where they are asked for, and what begins a waiting time must be taken.
    if places and notice not in words.CODES and notice not in _HEARD:
        places = reach.spared(db, citizen_id, places, notice)
        if not places:
            log.info("notice not sent", notice=notice, reason="enough for an unchecked address")
            return
    said = {
        **(facts or {}),
        "at": clock.wire(clock.now()),
        **({} if notice in words.BY_ANOTHER else _from_where(db, reader.language if reader else "")),
    }
    if notice in DISAVOWABLE:
        said["link"] = disavowals.make(db, citizen_id, notice, sid=sid, device=device)
    rows: list[bytes | None] = []
    for one in places:
        content = msgspec.json.encode({**said, "to": one})
        rows.append(sealing.seal(db, citizen_id, "account", content, aad=_FACTS))
    values = {"citizen_id": citizen_id, "notice": notice, "attempts": 0, "due_at": clock.now()}
    # One that reaches nobody goes into the outbox as well, and from there into the log.
    db.execute(_INSERT, [{**values, "facts": sealed} for sealed in rows or [None]])


def _from_where(db: Session, spoken: str) -> dict[str, str]:
    """Return the browser of this request, and near which town it is if that is known, in the words of the citizen.

    They need not be the one who sits at it.
    """
    before, here = language.current(), place.here()
    language.speak(spoken or before)
    try:
        known = atlas.of(parts(db).settings)
        near = known.near(here.network) if known else None
        told = near is not None and near not in (atlas.LOCAL, atlas.UNKNOWN)
        return {"device": str(here.browser), "near": str(near) if told else ""}
    finally:
        language.speak(before)


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
    Without `smtp_url` no letter is sent, without `sms_url` no text message: each is dropped with a line in the log
    that names no one.
    """
    settings = database.parts.settings
    with database.reading() as db:
        if db.execute(select(outbox.c.id).where(outbox.c.due_at <= clock.now()).limit(1)).first() is None:
            return 0
    with database.writing() as db:
        letters = _take(db)
    sent, ends = 0, time.monotonic() + IN_HAND.total_seconds() / 2
    # Mail first: a gateway for text messages that hangs must not hold it up.
    for letter in sorted(letters, key=lambda one: "@" not in one.address):
        if time.monotonic() > ends or (stop is not None and stop.is_set()):
            break
        fate = (mail if "@" in letter.address else sms).send(settings, letter)
        with database.writing() as db:
            _settle(db, letter, fate)
        sent += fate is Fate.SENT
    return sent


@dataclass(frozen=True)
class Backlog:
    """What could not be handed over yet, for how many seconds the oldest of it has been tried, and what was given up of late."""

    waiting: int
    oldest_seconds: float
    given_up: int


def backlog(db: Session) -> Backlog:
    """Return how much waits after a failure, and how much was given up within SHOWN_FOR."""
    failed = outbox.c.attempts > 0
    waits, most = db.execute(select(func.count(), func.max(outbox.c.attempts)).where(failed)).one()
    since = sum((RETRY_AFTER[min(one, len(RETRY_AFTER) - 1)] for one in range((most or 1) - 1)), timedelta())
    recent = undelivered.c.given_up_at > clock.now() - SHOWN_FOR
    lost = db.scalar(select(func.count()).select_from(undelivered).where(recent))
    return Backlog(int(waits), since.total_seconds(), int(lost or 0))


def purge(db: Session) -> None:
    """Forget what was given up longer ago than is shown."""
    db.execute(delete(undelivered).where(undelivered.c.given_up_at <= clock.now() - SHOWN_FOR))


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
        letter = _letter(db, row)
        missing = _missing(db, letter)
        if letter is None or missing:
            log.info("notice not sent", notice=row.notice, reason=missing)
            db.execute(delete(outbox).where(outbox.c.id == row.id))
            continue
        letters.append(letter)
    return letters


def _letter(db: Session, row: Row[Any]) -> Letter | None:
    """Return what is to be sent; None where there is nobody to send it to."""
    spoken = db.scalar(select(account.c.language).where(account.c.citizen_id == row.citizen_id))
    if spoken is None or row.facts is None:
        return None
    try:
        content = sealing.unseal(db, row.citizen_id, "account", row.facts, aad=_FACTS)
    except Shredded:
        return None
    facts: dict[str, Any] = msgspec.json.decode(content)
    for name in ("at", "until"):
        if name in facts:
            facts[name] = datetime.fromisoformat(facts[name])
    if "looks" in facts:
        called = {agency.id: agency.name(spoken) for agency in agencies.listing(db)}
        facts["looks"] = [(called.get(name, name), datetime.fromisoformat(at)) for name, at in facts["looks"]]
    # What waited before there were checked addresses has none of its own.
    address = facts.pop("to", "") or reach.sign_in_address(db, row.citizen_id)
    return Letter(row.id, row.attempts, address, spoken, row.notice, facts) if address else None


def _missing(db: Session, letter: Letter | None) -> str:
    """Return what a letter cannot go out without, or nothing."""
    settings = parts(db).settings
    if letter is None:
        return "no address"
    if "@" in letter.address:
        return "" if settings.smtp_url else "no smtp_url"
    return "" if settings.sms_url else "no sms_url"


def _settle(db: Session, letter: Letter, fate: Fate) -> None:
    mine = outbox.c.id == letter.id
    tries = LASTING_TRIES if letter.notice in LASTING else len(RETRY_AFTER)
    over = fate is Fate.LATER and letter.attempts >= tries
    if fate is not Fate.LATER or over:
        citizen_id = db.scalar(delete(outbox).where(mine).returning(outbox.c.citizen_id))
        if fate is Fate.SENT and letter.notice in _HEARD:
            db.execute(_HEARD[letter.notice], {"whose": citizen_id})
    if over:
        log.error("notice given up", notice=letter.notice, attempts=letter.attempts + 1)
        db.execute(insert(undelivered).values(notice=letter.notice, given_up_at=clock.now()))
    elif fate is Fate.LATER:
        due = clock.now() + RETRY_AFTER[min(letter.attempts, len(RETRY_AFTER) - 1)]
        db.execute(update(outbox).where(mine).values(attempts=letter.attempts + 1, due_at=due))
