"""A notice written out as a letter."""

from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime

from core import language
from core.language import _
from core.settings import Settings
from idp.notices.words import DATA_NOTICES, NOTICES

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
_LINKED_FRAME = _(
    "{notice}\n\nIf this was you, there is nothing to do. If it was not, open this page and say so; you need not be "
    "signed in: {issuer}/not-me/{link}\nThe link works once, and for a week. Afterwards, sign in and look at "
    "{issuer}/my/sessions, or go to a public service hall.\n\nWe never ask for a password or a code by mail."
)


@dataclass(frozen=True)
class Letter:
    """One notice on its way to one address. `facts` are what it says beyond its words."""

    id: int
    attempts: int
    address: str
    language: str
    notice: str
    facts: dict[str, Any]


def compose(settings: Settings, letter: Letter) -> EmailMessage:
    """Write a letter in its reader's language."""
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


def _text(settings: Settings, letter: Letter) -> str:
    if letter.notice in NOTICES:
        said = NOTICES[letter.notice].format(issuer=settings.issuer)
        link = letter.facts.get("link")
        if link:
            return str(_LINKED_FRAME.format(notice=said, issuer=settings.issuer, link=link))
        return str(_FRAME.format(notice=said, issuer=settings.issuer))
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
