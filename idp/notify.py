"""Mail to citizens: written into an outbox with the change, sent after the commit."""

import smtplib
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import msgspec
import structlog
from babel.dates import format_datetime
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from consent import agencies
from consent.alerts import Alert
from core import clock, language
from core.database import Database, parts
from core.language import Lazy, _
from core.settings import Settings
from idp.tables import account, outbox
from keys import sealing
from keys.errors import Shredded

log = structlog.get_logger("erti.mail")
TIMEOUT_SECONDS = 10
BATCH = 50
# Waiting times after each failure; after the last the notice is given up.
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720))
IN_HAND = timedelta(minutes=5)
_FACTS = b"notice"

NOTICES: dict[str, Lazy] = {
    "activated": _("Your Erti account was opened with an activation code from a counter."),
    "passkey-added": _("A passkey was added to your Erti account."),
    "passkey-removed": _("A passkey was removed from your Erti account."),
    "passkey-clone": _(
        "A sign-in with one of your passkeys was refused, because the passkey may have been copied."
    ),
    "password-set": _("The password of your Erti account was changed."),
    "password-removed": _("The password of your Erti account was removed."),
    "totp-added": _("An authenticator app was set up for your Erti account."),
    "codes-made": _("New recovery codes were made for your Erti account. The old ones no longer work."),
    "code-used": _("A recovery code was used to sign in to your Erti account."),
    "name-changed": _("The sign-in name of your Erti account was changed."),
    "new-device": _("Your Erti account was used from a browser we had not seen before."),
    "guessing": _(
        "Somebody gave many wrong passwords or codes for your Erti account. They did not get in. "
        "You can sign in as usual with a browser you have used before, or with a passkey."
    ),
    "locked": _("Your Erti account was locked."),
}
# About one's data; no name, value or reference stands in them.
DATA_NOTICES: dict[str, Lazy] = {
    "dispute-answered": _("A look at your data that you did not recognise has been answered."),
    "dispute-overdue": _("A look at your data that you did not recognise was not answered in time."),
    "alerts-changed": _("It was changed which looks at your data you are told about by e-mail."),
    "alert": _("You asked to be told about looks at your data:\n\n{looks}"),
    "alert-summary": _(
        "There were more looks yesterday that you asked to be told about, beyond those already mailed: {more}."
    ),
}
_SUBJECT = _("About your Erti account")
_DATA_SUBJECT = _("About looks at your data")
_STAFF = _("Staff of Erti")
_MORE = _("and {more} more")
_DATA_FRAME = _(
    "{notice}\n\nWho looked at what, and why, stands in your history: {issuer}/my/history\n"
    "There you can also say that you do not recognise a look. Which looks you are told about you choose at "
    "{issuer}/my/alerts.\n\nWe never ask for a password or a code by mail."
)
_FRAME = _(
    "{notice}\n\nIf this was you, there is nothing to do. If it was not, open {issuer}/my/account and end what you "
    "do not know, or go to a public service hall.\n\nWe never ask for a password or a code by mail."
)


@dataclass(frozen=True)
class _Letter:
    id: int
    attempts: int
    address: str
    language: str
    notice: str
    facts: dict[str, Any]


def tell(db: Session, citizen_id: str, notice: str, facts: Mapping[str, Any] | None = None) -> None:
    """Put a notice (a key of NOTICES or DATA_NOTICES) into the outbox, in the caller's transaction.

    `facts` are kept sealed under the citizen's key until the letter is written.
    """
    sealed = None
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
        done = _send(settings, letter)
        with database.writing() as db:
            _settle(db, letter, done=done)
        sent += done
    return sent


def _take(db: Session) -> list[_Letter]:
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
        letters.append(_Letter(row.id, row.attempts, address, lang, row.notice, facts))
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
    looks = [(called.get(name, name), datetime.fromisoformat(at)) for name, at in facts["looks"]]
    return {"looks": looks, "more": facts["more"]}


def _settle(db: Session, letter: _Letter, *, done: bool) -> None:
    mine = outbox.c.id == letter.id
    if done or letter.attempts >= len(RETRY_AFTER):
        db.execute(delete(outbox).where(mine))
    else:
        due = clock.now() + RETRY_AFTER[letter.attempts]
        db.execute(update(outbox).where(mine).values(attempts=letter.attempts + 1, due_at=due))


def _compose(settings: Settings, letter: _Letter) -> EmailMessage:
    before = language.current()
    language.speak(letter.language)
    try:
        message = EmailMessage()
        message["From"] = settings.mail_from
        message["To"] = letter.address
        message["Subject"] = str(_SUBJECT if letter.notice in NOTICES else _DATA_SUBJECT)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5: no answers from machines
        message.set_content(_text(settings, letter))
    finally:
        language.speak(before)
    return message


def _text(settings: Settings, letter: _Letter) -> str:
    if letter.notice in NOTICES:
        return str(_FRAME.format(notice=NOTICES[letter.notice], issuer=settings.issuer))
    zone = ZoneInfo(settings.time_zone)
    lines = []
    for name, at in letter.facts.get("looks", ()):
        time = format_datetime(at.astimezone(zone), "d MMM y, HH:mm", locale=language.region())
        lines.append(f"- {name or _STAFF}, {time}")
    more = letter.facts.get("more", 0)
    if lines and more:
        lines.append(f"- {_MORE.format(more=more)}")
    notice = str(DATA_NOTICES[letter.notice].format(looks="\n".join(lines), more=more))
    return str(_DATA_FRAME.format(notice=notice, issuer=settings.issuer))


def _send(settings: Settings, letter: _Letter) -> bool:
    server = urlsplit(settings.smtp_url)
    host = server.hostname or "localhost"
    secure = ssl.create_default_context(cafile=settings.outbound_ca_file)
    try:
        with (
            smtplib.SMTP_SSL(host, server.port or 465, timeout=TIMEOUT_SECONDS, context=secure)
            if server.scheme == "smtps"
            else smtplib.SMTP(host, server.port or 25, timeout=TIMEOUT_SECONDS)
        ) as connection:
            connection.ehlo()
            encrypted = server.scheme == "smtps"
            if not encrypted and connection.has_extn("starttls"):
                connection.starttls(context=secure)
                encrypted = True
            if server.username and not encrypted:
                raise smtplib.SMTPNotSupportedError("no password in clear")
            if server.username:
                connection.login(unquote(server.username), unquote(server.password or ""))
            connection.send_message(_compose(settings, letter))
    except (OSError, smtplib.SMTPException, ValueError) as error:
        log.warning(
            "mail failed", notice=letter.notice, attempt=letter.attempts + 1, error=type(error).__name__
        )
        return False
    return True
