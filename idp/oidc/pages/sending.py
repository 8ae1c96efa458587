"""How a person is sent back to the client: by redirect, or by a form that sends itself; as it is, or signed."""

from starlette.requests import Request
from starlette.responses import Response

from core import pages
from core.database import Database
from core.web import see_other
from idp.oidc import answers, authorize, devices, encryption, redirects
from idp.oidc.asked import Asked


def back(request: Request, asked: Asked, parameters: dict[str, str]) -> Response:
    """Answer an authorization request at its validated redirect URI, in the response mode it asked for."""
    answer = authorize.answer(request.app.state.settings.issuer, asked, parameters)
    mode, _dot, signed = asked.response_mode.partition(".")
    if signed:
        answer = {"response": _signed(request.app.state.database, asked, answer)}
    if mode != "form_post":
        return see_other(redirects.extended(asked.redirect_uri, answer, fragment=mode == "fragment"))
    return pages.render(
        request,
        "idp/oidc_form_post.html",
        form_action=(redirects.origin(asked.redirect_uri),),
        redirect_uri=asked.redirect_uri,
        name=asked.client.name,
        answer=answer,
    )


def error(request: Request, asked: Asked, code: str, description: str, **more: str) -> Response:
    """Answer an authorization request with an error of the standard (RFC 6749, 4.1.2.1), and what is not empty of `more`."""
    if asked.device:
        return _refused(request, asked)
    told = {name: value for name, value in more.items() if value}
    return back(request, asked, {"error": code, "error_description": description, **told})


def _refused(request: Request, asked: Asked) -> Response:
    """Tell the device when it next asks, and the person now."""
    database: Database = request.app.state.database
    with database.writing() as db:
        devices.refuse(db, asked.device)
    return see_other("/device/refused")


def _signed(database: Database, asked: Asked, answer: dict[str, str]) -> str:
    def attempt() -> str:
        with database.reading() as db:
            return answers.signed(db, asked.client, answer)

    return encryption.with_keys(database, attempt)
