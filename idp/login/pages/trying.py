"""`/try/…`: the link in a letter by which the owner tries to sign in, whatever others guess at the account."""

from starlette.requests import Request
from starlette.responses import Response

from core import forms, pages
from core.web import Db, Form, Here
from idp import disavowals
from idp.errors import LinkOver
from idp.login import devices
from idp.login.pages import browser

router = browser.router()
HOME = "/try"


@router.get(HOME + "/{token}")
def ask(request: Request, database: Db, here: Here, token: str) -> Response:
    """Say what the link does, and do nothing: programs that look through mail open links. Raises LinkOver."""
    with database.reading() as db:
        found = disavowals.find(db, token, to_try=True)
    if found is None:
        raise LinkOver
    return pages.render(request, "idp/try.html", action=f"{HOME}/{token}", done=False)


@router.post(HOME + "/{token}")
def welcome(request: Request, database: Db, here: Here, form: Form, token: str) -> Response:
    """Use the link up: guesses from this browser count alone from now on. It signs nobody in. Raises LinkOver."""
    visitor, device = browser.visitor(request), ""
    with database.writing() as db:
        if found := disavowals.spend(db, token, to_try=True):
            device = devices.welcome(db, visitor, found.citizen_id)
    if not device:
        raise LinkOver
    response = pages.render(request, "idp/try.html", action="", done=True)
    seconds = int(devices.KNOWN_FOR.total_seconds())
    forms.set_cookie(request, response, browser.DEVICE_COOKIE, device, seconds=seconds)
    return response
