"""`/my/account/card`: printing a card oneself, changing its PIN, blocking and removing it."""

from starlette.requests import Request
from starlette.responses import Response

from core import clock, limits, pages
from core.database import Database
from core.errors import TooMany
from core.events import Actor
from core.language import Lazy
from core.sessions import BrowserSession
from core.web import Citizen, Db, Form, see_other
from idp.errors import CardMissing, LastStrongMethod
from idp.login import assurance, card, holding, methods, pin, printing, throttle
from idp.login.pages import browser
from idp.login.pages.account import AGAIN, HOME, page
from idp.login.pages.pins import twice
from idp.login.printing import Issue
from registry_sync import people

router = browser.router()
CARDS_A_DAY = 5


@router.get("/my/account/card")
def offer(request: Request, database: Db, me: Citizen) -> Response:
    """Offer to print a card, with a PIN to choose unless there is one that is kept."""
    return _form(request, database, me, "/my/account/card") if _may(database, me) else see_other(_stronger())


@router.post("/my/account/card")
def make(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Make a card and show it, this once; an older one ends."""
    if not _may(database, me):
        return see_other(_stronger())
    keeps = _keeps_pin(database, me)
    errors, digits = ({}, "") if keeps else twice(form, unlike=(me.subject,))
    if errors:
        return _form(request, database, me, "/my/account/card", errors=errors)
    # Counted before the PIN is hashed, which is slow on purpose.
    with database.writing() as db:
        wait = limits.hit(db, "card", me.subject, most=CARDS_A_DAY, per_seconds=throttle.DAY_SECONDS)
    if wait:
        raise TooMany(retry_after=wait)
    verifier = None if keeps else pin.prepare(database.parts, digits)
    with database.writing() as db:
        printed = printing.issue(
            db, me.subject, Issue(printing.SELF), verifier=verifier, actor=_self(me), keep=me
        )
    return pages.render(
        request,
        "idp/card_printed.html",
        section="security",
        printed=printed,
        citizen_id=people.grouped(me.subject),
        issued=clock.now(),
    )


@router.get("/my/account/card/pin")
def ask_pin(request: Request, database: Db, me: Citizen) -> Response:
    """Ask for another PIN."""
    if not _may(database, me):
        return see_other(_stronger())
    return _form(request, database, me, "/my/account/card/pin")


@router.post("/my/account/card/pin")
def change_pin(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Change the PIN; whoever is signed in elsewhere has to begin again."""
    if not _may(database, me):
        return see_other(_stronger())
    errors, digits = twice(form, unlike=(me.subject,))
    if errors:
        return _form(request, database, me, "/my/account/card/pin", errors=errors)
    throttle.choose(database, me.subject)
    verifier = pin.prepare(database.parts, digits)
    with database.writing() as db:
        card.change_pin(db, me.subject, verifier, actor=_self(me))
        methods.shut_others_out(db, me, browser.visitor(request), reason="security")
    return see_other(HOME)


@router.post("/my/account/card/block")
def block(database: Db, me: Citizen, form: Form) -> Response:
    """Block a lost card, also the last way in and from any session: nobody may have to wait with that."""
    with database.writing() as db:
        card.block(db, me.subject, reason=card.LOST, actor=_self(me), keep=me)
    return see_other(HOME)


@router.post("/my/account/card/begin")
def begin(database: Db, me: Citizen, form: Form) -> Response:
    """Let a card from a counter begin at once, which its owner says to have in their hand."""
    if not _may(database, me):
        return see_other(_stronger())
    with database.writing() as db:
        holding.confirm_card(db, me.subject, form.get("card"), how=holding.BY_OWNER, actor=_self(me))
    return see_other(HOME)


@router.post("/my/account/card/remove")
def remove(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Remove the card, unless it is the last safe way in."""
    if not _may(database, me):
        return see_other(AGAIN)
    try:
        with database.writing() as db:
            methods.remove_card(db, me, browser.visitor(request))
    except LastStrongMethod as problem:
        return page(request, database, me, status=409, errors={"card-remove": problem.text})
    return see_other(HOME)


def _may(database: Database, me: BrowserSession) -> bool:
    """Tell whether a session may make a card: what comes in with a recovery code alone is too weak for one."""
    with database.reading() as db:
        found = methods.of(db, me.subject)
    return methods.may_change(me, found) and assurance.reaches(me.acr, assurance.SUBSTANTIAL)


def _stronger() -> str:
    return f"{AGAIN}&acr={assurance.SUBSTANTIAL}"


def _keeps_pin(database: Database, me: BrowserSession) -> bool:
    with database.reading() as db:
        mine = card.of(db, me.subject)
    return mine is not None and mine.blocked_at is None and not mine.held_by


def _form(
    request: Request,
    database: Database,
    me: BrowserSession,
    action: str,
    *,
    errors: dict[str, str | Lazy] | None = None,
) -> Response:
    changes, keeps = action.endswith("/pin"), _keeps_pin(database, me)
    if changes and not keeps:
        raise CardMissing
    return pages.render(
        request,
        "idp/card_new.html",
        status=400 if errors else 200,
        section="security",
        action=action,
        changes=changes,
        asks=changes or not keeps,
        replaces=keeps,
        least=pin.SHORTEST,
        most=pin.LONGEST,
        count=card.COUNT,
        errors=errors or {},
    )


def _self(me: BrowserSession) -> Actor:
    return Actor("citizen", me.subject)
