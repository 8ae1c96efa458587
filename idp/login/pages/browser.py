"""What these pages read from a browser and put into it: known device, flow, session."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import forms
from core.database import Database
from core.forms import ForgedForm
from core.web import network, own_path, see_other, set_session
from idp.errors import AccountLocked
from idp.login import devices, onward
from idp.login.devices import Visitor
from idp.login.entry import Entered, Shut
from idp.login.onward import Onward
from idp.notices import place

DEVICE_COOKIE = "erti_device"
STAGE_COOKIE = "erti_stage"
LONGEST_RETURN = 2000


class AccountShut(AccountLocked):
    """The same, told to whoever just proved to be its owner: `core` answers with the way to the page about it."""

    def __init__(self, shut: Shut) -> None:
        super().__init__(detail=shut.state)
        self.token = shut.token


async def _json(request: Request) -> str:
    content = await forms.body(request)
    if not forms.genuine(request, request.headers.get("x-csrf-token", "")):
        raise ForgedForm
    return content.decode("utf-8", "replace")


# A JSON body that a script of our own page sent; raises ForgedForm for any other.
JsonText = Annotated[str, Depends(_json)]


async def _noted(request: Request) -> None:
    # `async`, so that the route sees it.
    place.note(devices.words(request.headers.get("user-agent", "")[:256]), network(request))


def router() -> APIRouter:
    """Return a router for pages of which is told: letters then say from where it came."""
    return APIRouter(dependencies=[Depends(_noted)])


def visitor(request: Request) -> Visitor:
    """Return who knocks."""
    return Visitor(
        browser=forms.browser(request),
        device=request.cookies.get(forms.cookie_name(request, DEVICE_COOKIE), ""),
        network=network(request),
        user_agent=request.headers.get("user-agent", "")[:256],
    )


def where_to(return_to: str, otherwise: str = "/my") -> str:
    """Return the path of our own to go to after a flow."""
    return own_path(return_to[:LONGEST_RETURN], otherwise)


def stage_token(request: Request) -> str:
    """Return the token of the flow that is under way in this browser."""
    return request.cookies.get(forms.cookie_name(request, STAGE_COOKIE), "")


def set_stage(request: Request, response: Response, token: str) -> Response:
    """Put a flow's token into the browser."""
    seconds = request.app.state.settings.interaction_seconds
    forms.set_cookie(request, response, STAGE_COOKIE, token, seconds=seconds)
    return response


def clear_stage(request: Request, response: Response) -> Response:
    """Take the flow's token out of the browser."""
    forms.set_cookie(request, response, STAGE_COOKIE, "", seconds=0)
    return response


def let_in(request: Request, entered: Entered, return_to: str) -> Response:
    """Answer somebody who is in: both cookies, and on to where they wanted to go."""
    return dress(request, see_other(return_to), entered)


def dress(request: Request, response: Response, entered: Entered) -> Response:
    """Put the session's and the known device's token into the browser."""
    set_session(request, response, entered.session)
    seconds = int(devices.KNOWN_FOR.total_seconds())
    forms.set_cookie(request, response, DEVICE_COOKIE, entered.device, seconds=seconds)
    return response


def opened(outcome: Entered | Shut) -> Entered:
    """Return the tokens of who is in; raises AccountShut, after the refusal was committed."""
    if isinstance(outcome, Shut):
        raise AccountShut(outcome)
    return outcome


def shut(request: Request, error: Exception) -> Response:
    """Lead who proved to be the owner of a locked account to the page that says why."""
    token = error.token if isinstance(error, AccountShut) else ""
    page = "/login/shut"
    asked = "json" in request.headers.get("content-type", "")
    response = JSONResponse({"location": page}, headers={"Cache-Control": "no-store"})
    return set_stage(request, response if asked else see_other(page), token)


def leads(database: Database, return_to: str) -> Onward:
    """Return where a flow leads, for the page's words and its `form-action`."""
    if not return_to.startswith(onward.PATH):  # to a page of ours: nothing to look up
        return Onward()
    with database.reading() as db:
        return onward.read(db, return_to)
