"""`/my/account/pause` and `/my/account/close`: the citizen shuts the account, and is told what that means."""

from starlette.requests import Request
from starlette.responses import Response

from consent import mandates, sharing
from core import pages
from core.database import Database
from core.events import Actor
from core.sessions import BrowserSession
from core.web import Citizen, Db, Form, clear_session, see_other
from idp.login import locks, methods
from idp.login.pages import browser

router = browser.router()
AGAIN = "/login?return_to=/my/account/"


@router.get("/my/account/pause")
def show_pause(request: Request, database: Db, me: Citizen) -> Response:
    """Say what a pause does and who can end it."""
    if not _may(database, me):
        return see_other(f"{AGAIN}pause")
    return pages.render(
        request, "idp/pause.html", section="security", hours=request.app.state.settings.reopening_hours
    )


@router.post("/my/account/pause")
def pause(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Pause the account; nobody is signed in any more, this browser included."""
    if not _may(database, me):
        return see_other(f"{AGAIN}pause")
    with database.writing() as db:
        locks.pause(db, me.subject, actor=Actor("citizen", me.subject))
    return _out(request, ends_at=None)


@router.get("/my/account/close")
def show_close(request: Request, database: Db, me: Citizen) -> Response:
    """Say what ends, what stays by law, and until when it can be undone."""
    if not _may(database, me):
        return see_other(f"{AGAIN}close")
    with database.reading() as db:
        live = [one for one in sharing.of(db, me.subject) if one.grant.is_live]
        acts = [*mandates.given_by(db, me.subject), *mandates.held_by(db, me.subject)]
    return pages.render(
        request,
        "idp/close.html",
        section="security",
        days=request.app.state.settings.closing_days,
        grants=len(live),
        mandates=sum(one.is_live and not one.is_by_law for one in acts),
    )


@router.post("/my/account/close")
def close(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """Lock the account, which closes after the days in which its citizen may think better of it."""
    if not _may(database, me):
        return see_other(f"{AGAIN}close")
    with database.writing() as db:
        ends_at = locks.begin_closing(db, me.subject, actor=Actor("citizen", me.subject))
    return _out(request, ends_at=ends_at)


def _may(database: Database, me: BrowserSession) -> bool:
    # Somebody who found a browser open must not shut its owner out.
    with database.reading() as db:
        return methods.may_change(me, methods.of(db, me.subject))


def _out(request: Request, *, ends_at: object) -> Response:
    request.state.session = None
    response = pages.render(request, "idp/left.html", kept="", ends_at=ends_at)
    clear_session(request, response)
    return response
