"""A notice written out: as a letter, or as a text message."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from core import language
from core.language import _
from core.settings import Settings
from idp.notices.short import SHORT
from idp.notices.words import ADVICE, DATA_NOTICES, NOTICES, REMINDERS, SUBJECTS

_STAFF = _("Staff of Erti")
_MORE = _("and {more} more")
_WHEN = _("When: {when}")
_WHERE = _("From: {device}")
_NEAR = _("Where: {near} (an estimate from the network; it may be wrong)")
_LONGER = _(
    "It waits longer than usual, because something that a recovery code had set up was stopped lately as “not me”."
)
_NEVER = _(
    "We never ask for a password or a code by mail or telephone. You need not follow a link: you can always type {issuer} "
    "yourself."
)
_DATA_FRAME = _(
    "{notice}\n\nWho looked at what, and why, stands in your history: {issuer}/my/history\n"
    "There you can also say that you do not recognise a look. Which looks you are told about you choose at "
    "{issuer}/my/alerts."
)
_ADVICE = _(
    "If this was you, there is nothing to do. If it was not, open {issuer}/my/account and end what you "
    "do not know, or go to a public service hall."
)
_LINKED = _(
    "If this was you, there is nothing to do. If it was not, open this page and say so; you need not be "
    "signed in: {issuer}/not-me/{link}\nThe link works once, and for a week. Afterwards, sign in and look at "
    "{issuer}/my/sessions, or go to a public service hall."
)


class Fate(StrEnum):
    """What a try to hand a notice over came to: it was taken, comes again, or can never be handed over."""

    SENT, LATER, NEVER = "sent", "later", "never"


@dataclass(frozen=True)
class Letter:
    """One notice on its way to one address or number. `facts` are what it says beyond its words."""

    id: int
    attempts: int
    address: str
    language: str
    notice: str
    facts: dict[str, Any]


def compose(settings: Settings, letter: Letter) -> EmailMessage:
    """Write a letter in its reader's language. Raises ValueError for what is not one e-mail address."""
    message = EmailMessage()
    message["From"] = settings.mail_from
    # Read as one address (RFC 5322, 3.4.1): a comma in it must not make two of it.
    message["To"] = Address(addr_spec=letter.address)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5: no answers from machines
    with _speaking(letter.language):
        message["Subject"] = str(SUBJECTS[letter.notice])
        message.set_content(_text(settings, letter))
    return message


def short(settings: Settings, letter: Letter) -> str:
    """Write a text message in its reader's language: two segments at most. An address in it is one to type: none is a link."""
    with _speaking(letter.language):
        return str(SHORT[letter.notice].format(**_said(settings, letter)))


@contextmanager
def _speaking(lang: str) -> Iterator[None]:
    before = language.current()
    language.speak(lang)
    try:
        yield
    finally:
        language.speak(before)


def _text(settings: Settings, letter: Letter) -> str:
    said = _said(settings, letter)
    if letter.notice in NOTICES:
        notice = NOTICES[letter.notice].format(**said)
        dated = said["at"] and letter.notice not in REMINDERS
        when = [str(_WHEN.format(when=said["at"]))] if dated else []
        where = [str(_WHERE.format(device=letter.facts["device"]))] if letter.facts.get("device") else []
        near = [str(_NEAR.format(near=letter.facts["near"]))] if letter.facts.get("near") else []
        advice = ADVICE.get(letter.notice, _LINKED if said["link"] else _ADVICE).format(**said)
        longer = str(_LONGER) if letter.facts.get("longer") else ""
        paragraphs = [
            str(notice),
            longer,
            "\n".join([*when, *where, *near]),
            str(advice),
            str(_NEVER.format(**said)),
        ]
        return "\n\n".join(filter(None, paragraphs))
    lines = []
    for name, at in letter.facts.get("looks", ()):
        lines.append(f"- {name or _STAFF}, {_when(settings)(at)}")
    more = letter.facts.get("more", 0)
    if lines and more:
        lines.append(f"- {_MORE.format(more=more)}")
    notice = DATA_NOTICES[letter.notice].format(looks="\n".join(lines), more=more, issuer=settings.issuer)
    return f"{_DATA_FRAME.format(notice=notice, issuer=settings.issuer)}\n\n{_NEVER.format(**said)}"


def _said(settings: Settings, letter: Letter) -> dict[str, str]:
    """Return what may stand in a notice's places: empty where the facts say nothing of it."""
    facts, when = letter.facts, _when(settings)
    moments = {name: when(facts[name]) if facts.get(name) else "" for name in ("at", "until")}
    texts = {name: str(facts.get(name, "")) for name in ("what", "code", "link")}
    host = settings.issuer.partition("://")[2]
    return {**moments, **texts, "issuer": settings.issuer, "host": host}


def _when(settings: Settings) -> Callable[[datetime], str]:
    zone = ZoneInfo(settings.time_zone)
    return lambda at: format_datetime(at.astimezone(zone), "d MMM y, HH:mm", locale=language.region())
