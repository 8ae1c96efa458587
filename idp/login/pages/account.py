"""`/my/account`: with what the citizen signs in."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core import pages
from core.database import Database
from core.sessions import BrowserSession
from core.web import Citizen, Db
from idp import accounts
from idp.login import methods
from registry_sync import people

router = APIRouter()
HOME = "/my/account"
AGAIN = f"/login?return_to={HOME}"


@router.get("/my/account")
def show(request: Request, database: Db, me: Citizen) -> Response:
    """Show the ways to sign in."""
    return page(request, database, me)


def page(
    request: Request,
    database: Database,
    me: BrowserSession,
    *,
    status: int = 200,
    errors: dict[str, Any] | None = None,
) -> Response:
    """Render the page, with what went wrong in it."""
    with database.reading() as db:
        account = accounts.find(db, me.subject)
        found = methods.of(db, me.subject)
    return pages.render(
        request,
        "idp/account.html",
        status=status,
        section="security",
        citizen_id=people.grouped(me.subject),
        username=account.username if account and account.named else "",
        methods=found,
        may_change=methods.may_change(me, found),
        fresh=methods.fresh(me),
        again=AGAIN,
        errors=errors or {},
    )
