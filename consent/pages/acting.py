"""The room of mandates: who may act for the citizen, and for whom the citizen may act."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from consent import agencies, allowed, assurance, disclosure, entrusting, errands, history, mandates, purposes
from consent.errors import MandateMalformed
from consent.mandates import Mandate
from core import language, limits, pages
from core.database import Database
from core.errors import TooMany
from core.events import Actor
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.web import Citizen, Db, Form, see_other
from registry_sync import people

router = APIRouter(prefix="/my/mandates")
NEEDED = assurance.LEVELS[1]  # whoever has but a password gives nobody a right over everything
OFFERS_A_DAY = 20
ENDED_SHOWN = 10


@dataclass(frozen=True)
class Shown:
    """One mandate in words. `other` is the citizen ID of the other person, in groups, `name` their name.

    A name is known to whoever acts for somebody; `why` is what the right rests on where no citizen gave it.
    `allowed` is what the holder allowed for the other: the number of each permission, and for what it is.
    """

    mandate: Mandate
    other: str
    name: str
    why: str
    scope: tuple[str, ...]
    mine: bool
    allowed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Choice:
    """One agency and those of its purposes that need consent, to choose from."""

    agency: str
    name: str
    purposes: tuple[tuple[str, str], ...]


@router.get("")
def overview(request: Request, database: Db, me: Citizen) -> Response:
    """Show what waits for the citizen's word, who acts for them, for whom they act, and what is over."""
    history.settle(database, me.subject)
    with database.reading() as db:
        given = [_shown(db, one, mine=True) for one in mandates.given_by(db, me.subject)]
        held = [_shown(db, one, mine=False) for one in mandates.held_by(db, me.subject)]
    over = [one for one in (*given, *held) if not one.mandate.is_given and not one.mandate.is_open]
    over = [
        one for one in over if one.mine or one.mandate.answered_at
    ]  # offers that came to nothing are the giver's
    return pages.render(
        request,
        "consent/mandates.html",
        section="sharing",
        offers=[one for one in held if one.mandate.is_open],
        given=[one for one in given if one.mandate.is_given or one.mandate.is_open],
        held=[one for one in held if one.mandate.is_given],
        over=sorted(over, key=lambda one: one.mandate.expires_at, reverse=True)[:ENDED_SHOWN],
    )


@router.get("/new")
def ask(request: Request, database: Db, me: Citizen) -> Response:
    """Show the form on which a mandate is offered; a weak sign-in is made stronger first."""
    return _weak(me) or _form(request, database, typed={"holder": "", "until": ""}, chosen=(), errors={})


@router.post("")
def offer(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Offer a mandate; it counts once the other accepts. Told alike whether there is such a person or not."""
    if weak := _weak(me):
        return weak
    typed = {name: form.get(name) for name in ("holder", "until")}
    chosen = form.all("agency"), form.all("purpose")
    holder, until = (
        people.compact(typed["holder"]),
        _end_of(typed["until"], request.app.state.settings.time_zone),
    )
    errors = _mistakes(me, holder, until, chosen)
    if errors or holder is None or until is None:
        return _form(request, database, typed=typed, chosen=(*chosen[0], *chosen[1]), errors=errors)
    _throttle(database, me)
    try:
        with database.writing() as db:
            entrusting.offer(
                db,
                giver=me.subject,
                holder=holder,
                agencies=chosen[0],
                purposes=chosen[1],
                until=until,
                actor=Actor("citizen", me.subject),
            )
    except MandateMalformed as wrong:
        return _form(
            request, database, typed=typed, chosen=(*chosen[0], *chosen[1]), errors={"until": wrong.text}
        )
    history.settle(database, me.subject)
    return see_other("/my/mandates")


@router.post("/{mandate_id}/accept")
def accept(database: Db, me: Citizen, _form: Form, mandate_id: str) -> Response:
    """Accept what another citizen offered."""
    if weak := _weak(me):
        return weak
    with database.writing() as db:
        entrusting.accept(db, mandate_id, holder=me.subject, actor=Actor("citizen", me.subject))
    history.settle(database, me.subject)
    return see_other("/my/mandates")


@router.post("/{mandate_id}/end")
def end(database: Db, me: Citizen, _form: Form, mandate_id: str) -> Response:
    """End a mandate, or turn an offer down, from either side, at once."""
    with database.writing() as db:
        mandates.end(db, mandate_id, citizen=me.subject, actor=Actor("citizen", me.subject))
    history.settle(database, me.subject)
    return see_other("/my/mandates")


@router.post("/{mandate_id}/take-back/{grant_id}")
def take_back(database: Db, me: Citizen, _form: Form, mandate_id: str, grant_id: str) -> Response:
    """Take back what one allowed for another."""
    history.settle(database, me.subject)
    with database.writing() as db:
        allowed.take_back(db, mandate_id, grant_id, holder=me.subject, actor=Actor("citizen", me.subject))
    history.settle(database, me.subject)
    return see_other("/my/mandates")


def _weak(me: BrowserSession) -> Response | None:
    if assurance.enough(me.acr, NEEDED):
        return None
    return see_other(f"/login?return_to=/my/mandates&acr={NEEDED}")


def _throttle(database: Database, me: BrowserSession) -> None:
    with database.writing() as db:
        wait = limits.hit(db, "mandate.offer", me.subject, most=OFFERS_A_DAY, per_seconds=86_400)
    if wait:
        raise TooMany(_("You have offered many mandates today. Try again tomorrow."), retry_after=wait)


def _end_of(written: str, zone: str) -> datetime | None:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    return datetime.combine(day, time(23, 59, 59), tzinfo=ZoneInfo(zone))


def _mistakes(
    me: BrowserSession,
    holder: str | None,
    until: datetime | None,
    chosen: tuple[Collection[str], Collection[str]],
) -> dict[str, Lazy]:
    errors: dict[str, Lazy] = {}
    if holder is None:
        errors["holder"] = _("This is not a citizen ID. Check each character; the last one is a check.")
    elif holder == me.subject:
        errors["holder"] = _("This is your own citizen ID. You need no mandate for yourself.")
    if until is None:
        errors["until"] = _("Say until which day.")
    if not any(chosen):
        errors["scope"] = _("Choose at least one agency or purpose.")
    return errors


def _form(
    request: Request,
    database: Database,
    *,
    typed: Mapping[str, str],
    chosen: Collection[str],
    errors: Mapping[str, Lazy | str],
) -> Response:
    reads = language.current()
    with database.reading() as db:
        every = [one for one in purposes.listing(db) if not one.by_law]
        choices = [
            Choice(
                agency.id,
                agency.name(reads),
                tuple((one.id, one.text(reads)["title"]) for one in every if one.agency == agency.id),
            )
            for agency in agencies.listing(db)
        ]
    return pages.render(
        request,
        "consent/mandate_new.html",
        status=400 if errors else 200,
        section="sharing",
        typed=typed,
        chosen=chosen,
        errors=errors,
        choices=[choice for choice in choices if choice.purposes],
    )


def _shown(db: Session, one: Mandate, *, mine: bool) -> Shown:
    reads = language.current()
    whole = [agencies.read(db, agency).name(reads) for agency in one.agencies]
    single = [purposes.current(db, purpose) for purpose in one.purposes]
    named = [
        f"{agencies.read(db, purpose.agency).name(reads)}: {purpose.text(reads)['title']}"
        for purpose in single
    ]
    scope = (*(str(_("Everything at {agency}").format(agency=name)) for name in whole), *named)
    other = people.grouped(one.holder if mine else one.giver)
    name = disclosure.called(db, one) if one.is_live and not mine else other
    return Shown(
        one,
        other,
        "" if name == other else name,
        errands.ground(vars(one)),
        scope,
        mine,
        () if mine else _allowed(db, one),
    )


def _allowed(db: Session, one: Mandate) -> tuple[tuple[str, str], ...]:
    reads = language.current()
    return tuple(
        (
            grant.grant_id,
            f"{agencies.read(db, grant.agency).name(reads)}: {purposes.current(db, grant.purpose).text(reads)['title']}",
        )
        for grant in allowed.by_holder(db, one)
    )
