"""The consent page: what a citizen sees before they decide, and what becomes of their answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from consent import agencies, decisions, disclosure, grants, showing
from consent.agencies import Agency
from consent.disclosure import Envelope
from consent.errors import NotAsked, TextChanged
from consent.grants import Grant
from consent.mandates import Mandate
from consent.questions import ASK_ABOUT_ALL, Ask, Question
from core import clock, language
from core.events import Actor
from core.language import Lazy, _

TEMPLATE = "consent/consent.html"
ALLOW, DENY = "allow", "deny"
# Names of the form's fields.
DECISION, CHOSEN, TEXT = "decision", "attribute", "text"

HEADINGS: dict[str, Lazy] = {
    "new": _("{agency} asks to read some of your data"),
    "more": _("{agency} asks for something more"),
    "changed": _("{agency} has changed what it says about your data"),
    "expired": _("Your permission for {agency} has run out"),
    "used-up": _("Your permission for {agency} is used up"),
    "year": _("Is your permission for {agency} still right?"),
    "replace": _("{agency} asks to change what you allowed"),
    "again": _("{agency} asks you to look at this again"),
}
FOR_ANOTHER = _("{agency} asks to read some data of {who}")
REASONS: dict[str, Lazy] = {
    "more": _("You allowed this before. Now something is asked that was not part of it."),
    "used-up": _("You allowed this before, for a number of reads, and all of them were made."),
    "year": _("You allowed this a year ago or longer. We ask once a year whether you still want it."),
    "replace": _("You allowed this before. What you allow now takes the place of it."),
    "changed": _(
        "You allowed this before, under an earlier text. Please read the new one; the old no longer counts here."
    ),
    "expired": _("You allowed this before, and the time you allowed it for is over."),
    "again": _("You allowed this before. You can change your choice now."),
}


@dataclass(frozen=True)
class AskView:
    """One attribute on the page. `value` is None where no register holds one."""

    attribute: str
    label: str
    value: str | None
    source: str
    as_of: str | None
    required: bool
    agreed: bool


@dataclass(frozen=True)
class ConsentView:
    """Everything that the consent page shows, in the reader's language.

    `lang` is the language of `title`, `why` and `refused`; `text_sha256` binds the answer to them. `limits`
    are phrases; with `no_ends_it` a "no" takes back what was allowed before. `who` is the name of another for whom is
    decided: their values are not shown.
    """

    question: Question
    agency: Agency
    agency_name: str
    heading: str
    reason: str
    lang: str
    title: str
    why: str
    refused: str
    required: tuple[AskView, ...]
    optional: tuple[AskView, ...]
    until: datetime
    retention_days: int
    text_sha256: str
    limits: tuple[str, ...]
    no_ends_it: bool
    who: str = ""


class Answer(Protocol):
    """A posted form, e.g. `core.forms.Posted`."""

    def get(self, name: str, default: str = "") -> str:
        """Return a field's first value."""

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""


def view(
    db: Session, question: Question, *, citizen: str, lang: str, behalf: Mandate | None = None
) -> ConsentView:
    """Return what to show before a citizen decides on a question, with their own values.

    Whoever decides under a mandate sees what is asked and no value. Only for the citizen's own session: it opens their values (`disclosure.own`). `asking.TEMPLATE` shows
    it, given `view`, `action` (where the form goes) and `fields` (hidden fields the caller needs).
    """
    purpose = question.purpose
    agency = agencies.read(db, purpose.agency)
    values = {} if behalf else disclosure.own(db, citizen, question.names)
    who = disclosure.called(db, behalf) if behalf else ""
    name, text = agency.name(lang), purpose.text(lang)
    return ConsentView(
        question=question,
        agency=agency,
        agency_name=name,
        heading=str((FOR_ANOTHER if who else HEADINGS[question.reason]).format(agency=name, who=who)),
        reason="" if who else str(REASONS.get(question.reason, "")),
        lang=purpose.language(lang),
        title=text["title"],
        why=text["why"],
        refused=text["refused"],
        required=tuple(_shown(ask, values.get(ask.attribute)) for ask in question.asks if ask.required),
        optional=tuple(_shown(ask, values.get(ask.attribute)) for ask in question.asks if not ask.required),
        until=decisions.until(purpose, question.limits, clock.now()),
        retention_days=purpose.retention_days,
        text_sha256=purpose.text_sha256(lang),
        limits=question.limits.phrases(),
        no_ends_it=question.reason in ASK_ABOUT_ALL and any(ask.agreed for ask in question.asks),
        who=who,
    )


def decided(
    db: Session,
    question: Question,
    form: Answer,
    *,
    citizen: str,
    client_id: str,
    actor: Actor,
    lang: str | None = None,
    behalf: Mandate | None = None,
) -> Grant:
    """Keep the citizen's answer to a question; the grant's state is given or declined.

    Under a mandate it is the word of its holder for its giver, and both are named. The language is the one in which the text was read. Raises TextChanged if what was read is not what is
    asked now, NotAsked for an answer that is neither yes nor no or names what was not asked.
    """
    purpose = question.purpose
    read = lang or language.current()
    matching = [one for one in (read, *purpose.texts) if purpose.text_sha256(one) == form.get(TEXT)]
    if not matching:
        raise TextChanged(detail=purpose.id)
    decision = form.get(DECISION)
    if decision == DENY:
        _take_back(db, question, citizen=citizen, actor=actor, behalf=behalf)
        return decisions.decline(
            db,
            citizen=citizen,
            client_id=client_id,
            purpose=purpose,
            lang=matching[0],
            actor=actor,
            asked=question.names,
            behalf=behalf,
        )
    if decision != ALLOW:
        raise NotAsked(detail="neither yes nor no")
    return decisions.decide(
        db,
        citizen=citizen,
        client_id=client_id,
        purpose=purpose,
        allowed=_allowed(question.asks, form.all(CHOSEN)),
        lang=matching[0],
        actor=actor,
        asked=question.names,
        limits=question.limits,
        exact=question.reason == "replace",
        behalf=behalf,
    )


def _take_back(
    db: Session, question: Question, *, citizen: str, actor: Actor, behalf: Mandate | None
) -> None:
    """Whoever is asked about all that they allowed, and says no, means all of it."""
    live = grants.live(db, citizen=citizen, purpose=question.purpose.id)
    if question.reason in ASK_ABOUT_ALL and live is not None:
        decisions.withdraw(db, live, actor=actor, behalf=behalf)


def _allowed(asks: Sequence[Ask], chosen: Sequence[str]) -> set[str]:
    """A yes takes what is required with it, and of the rest what was ticked."""
    return {ask.attribute for ask in asks if ask.required} | set(chosen)


def _shown(ask: Ask, held: Envelope | None) -> AskView:
    catalogued = disclosure.CATALOGUE[ask.attribute]
    return AskView(
        attribute=ask.attribute,
        label=showing.label(ask.attribute),
        value=showing.value(ask.attribute, held.value) if held else None,
        source=showing.source(held.source if held else catalogued.source),
        as_of=showing.day(held.as_of) if held else None,
        required=ask.required,
        agreed=ask.agreed,
    )
