"""How a request becomes arguments, and what every answer wears."""

import base64
import ipaddress
import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Annotated
from urllib.parse import quote, unquote

import structlog
from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import forms, language, pages, problems, sessions
from core.database import Database as Store
from core.errors import Invalid, Problem, Refused
from core.forms import Posted
from core.language import _
from core.sessions import Acts, BrowserSession
from core.settings import Settings

log = structlog.get_logger("erti.web")
LONGEST_PATH = 2000
SESSION_COOKIE = "erti_session"
LANGUAGE_COOKIE = "erti_language"
# Bytes of a request before its body (RFC 6585, section 5): what comes by address may be as long as what comes by form.
HEAD_LIMIT = forms.BODY_LIMIT
LONGEST_CERTIFICATE = 16 * 1024  # characters, in a header
_BYTE_SEQUENCE = re.compile(r":([A-Za-z0-9+/=]+):")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*", re.ASCII)
Observer = Callable[[str, str, int, float], None]


class SignInNeeded(Problem):
    """Nobody is signed in at this browser; `core.web` answers with the way to the sign-in page."""

    code = "sign-in-needed"

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page


class FreshSignInNeeded(Refused):
    """Somebody is signed in for too long to do this; `core.web` leads to the sign-in page and back."""

    code = "fresh-sign-in-needed"
    text = _("To do this, sign in once more, so that we know it is you.")

    def __init__(self, page: str, back: str) -> None:
        super().__init__()
        self.page = page
        self.back = back


class RepairOnly(Refused):
    """The citizen came in by a way that lets them set up how the account is entered, and nothing else."""

    code = "repair-only"
    text = _("What you came in with lets you set up a new way to sign in, and shows nothing else.")


class CertificateUnreadable(Invalid):
    """A trusted proxy handed over something else than one client certificate."""

    code = "certificate-unreadable"
    text = _("The client certificate that the proxy handed over could not be read.")


# Dependencies that wait for nothing are `async`: a plain one costs a trip to the thread pool (about 100 µs).
async def _database(request: Request) -> Store:
    store: Store = request.app.state.database
    return store.apart()


async def _content(request: Request) -> bytes:
    return await forms.body(request)


Db = Annotated[Store, Depends(_database)]
Content = Annotated[bytes, Depends(_content)]
Form = Annotated[Posted, Depends(forms.checked)]
RawForm = Annotated[Posted, Depends(forms.parsed)]


async def _here(request: Request) -> BrowserSession | None:
    token = request.cookies.get(forms.cookie_name(request, SESSION_COOKIE), "")
    return await run_in_threadpool(_session_of, request, token) if token else None


def _session_of(request: Request, token: str) -> BrowserSession | None:
    database: Store = request.app.state.database
    with database.reading() as db:
        session = sessions.find(db, token)
    if session and sessions.needs_touch(session):
        with database.writing() as db:
            session = sessions.touch(db, session)
    request.state.session = session
    return session


Here = Annotated[BrowserSession | None, Depends(_here)]


async def _citizen(request: Request, database: Db, here: Here) -> BrowserSession:
    if here is not None and here.kind == sessions.REPAIR:
        raise RepairOnly
    return await _owner(request, database, here)


async def _owner(request: Request, database: Db, here: Here) -> BrowserSession:
    if here is None or not here.is_citizens:
        raise SignInNeeded("/login")
    return _let_act(request, database, here, "/login")


async def _staff(request: Request, database: Db, here: Here) -> BrowserSession:
    if here is None or here.kind != sessions.STAFF:
        raise SignInNeeded("/staff/login")
    return _let_act(request, database, here, "/staff/login")


def _let_act(request: Request, database: Store, here: BrowserSession, page: str) -> BrowserSession:
    """Return who is here, if fresh enough for the route; each write first waits for who ends the session, and keeps it."""
    acts: Acts = request.app.state.acts
    back = acts.get((request.method, _pattern(request.scope)))
    if back is not None and not sessions.fresh(here):
        raise FreshSignInNeeded(page, back)

    def stands(db: Session) -> None:
        if not request.app.state.stands(db, here):
            raise SignInNeeded(page)

    database.only_if(stands)
    return here


Citizen = Annotated[BrowserSession, Depends(_citizen)]
# The few routes that somebody who came in to repair the account gets to as well.
Owner = Annotated[BrowserSession, Depends(_owner)]
StaffMember = Annotated[BrowserSession, Depends(_staff)]


async def sign_in_needed(request: Request, error: Exception) -> Response:
    """Send a person to the sign-in page, and back to the very act afterwards; say so first if that would lose what they typed."""
    again = isinstance(error, FreshSignInNeeded)
    if isinstance(error, FreshSignInNeeded) and not problems.wants_page(request):
        return await run_in_threadpool(problems.answer, request, error)
    page = error.page if isinstance(error, SignInNeeded | FreshSignInNeeded) else "/login"
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = error.back if isinstance(error, FreshSignInNeeded) else ""
    if request.method == "GET":
        return see_other(f"{page}?return_to={quote(back or here, safe='/' if again else '')}")
    back = back or _page_of(request)
    address = f"{page}?return_to={quote(back, safe='/')}" if back else page
    typed = await forms.typed(request)
    if not typed:
        return see_other(address)
    return await run_in_threadpool(
        pages.render, request, "core/typed.html", status=403, typed=typed, address=address, again=again
    )


async def repair_only(request: Request, error: Exception) -> Response:
    """Lead somebody who may only repair the account to where that is done."""
    if isinstance(error, RepairOnly) and not problems.wants_page(request):
        return await run_in_threadpool(problems.answer, request, error)
    return see_other("/my/account")


def _page_of(request: Request) -> str:
    """Return the path of our own page that a form came from, or an empty one."""
    issuer, page = request.app.state.settings.issuer, request.headers.get("referer", "")
    return own_path(page.removeprefix(issuer), "") if page.startswith(f"{issuer}/") else ""


def together(routers: Iterable[APIRouter]) -> APIRouter:
    """Return one router with the routes of several, in their order.

    They stand in one flat list: a router that is included is searched anew on each level it stands in.
    """
    whole = APIRouter()
    whole.routes += [route for router in routers for route in router.routes]
    return whole


def see_other(url: str) -> RedirectResponse:
    """Answer 303: the browser goes on with a GET, never posting credentials again (RFC 9700, 4.12)."""
    response = RedirectResponse(url, status_code=303)
    response.headers["Cache-Control"] = "no-store"
    return response


def own_path(return_to: str, otherwise: str = "/my") -> str:
    """Return a path of this site to go back to, or `otherwise`: nothing that could lead elsewhere."""
    rooted = return_to.startswith("/") and not return_to.startswith("//")
    plain = all(" " < character < "\x7f" and character != "\\" for character in return_to)
    return return_to if rooted and plain and len(return_to) <= LONGEST_PATH else otherwise


def set_session(request: Request, response: Response, token: str) -> None:
    """Put a session's token into the browser's cookie."""
    settings: Settings = request.app.state.settings
    # It outlives the session by an hour, in which a form that comes too late is still known as ours.
    forms.set_cookie(request, response, SESSION_COOKIE, token, seconds=settings.session_seconds + 3600)


def chosen_language(request: Request) -> str | None:
    """Return the language that was chosen at this browser, or None."""
    return request.cookies.get(forms.cookie_name(request, LANGUAGE_COOKIE))


def set_language(request: Request, response: Response, language: str, *, seconds: int | None = None) -> None:
    """Remember a language for this browser, for so long or until it closes."""
    forms.set_cookie(request, response, LANGUAGE_COOKIE, language, seconds=seconds)


def clear_session(request: Request, response: Response) -> None:
    """Take the session's cookie out of the browser."""
    forms.set_cookie(request, response, SESSION_COOKIE, "", seconds=0)


def network(request: Request) -> str:
    """Return the asker's network: an IPv4 address, or the /64 of an IPv6 one.

    `X-Forwarded-For` counts only from a proxy that the settings trust, and only its last hop.
    """
    settings: Settings = request.app.state.settings
    peer = request.client.host if request.client else "127.0.0.1"
    if settings.trusted_proxies and _within(peer, settings.trusted_proxies):
        # A proxy may add a line of its own below one that the visitor sent, so the last of all lines counts.
        said = ",".join(request.headers.getlist("x-forwarded-for"))
        peer = said.rpartition(",")[2].strip() or peer
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def within(request: Request, networks: tuple[str, ...]) -> bool:
    """Tell whether the direct peer stands in one of the networks."""
    return _within(request.client.host if request.client else "", networks)


def certificate(request: Request) -> bytes | None:
    """Return the certificate (DER) whose key the client holds, or None if it showed none.

    From a trusted proxy it is what the header named by the settings says, and nothing else: the proxy's own
    certificate is not its client's. From anybody else it is the one of the TLS connection, and that header
    says nothing. Raises CertificateUnreadable if a trusted proxy sends several, or no certificate.
    """
    settings: Settings = request.app.state.settings
    name = settings.client_certificate_header
    if name and within(request, settings.trusted_proxies):
        said = request.headers.getlist(name)
        if len(said) > 1:
            raise CertificateUnreadable(detail="several headers")
        return presented(said[0]) if said and said[0] else None
    chain = request.scope.get("extensions", {}).get("tls", {}).get("client_cert_chain", ())
    return next((ssl.PEM_cert_to_DER_cert(pem) for pem in chain), None)


def presented(header: str) -> bytes:
    """Return the certificate (DER) in a header: a byte sequence (RFC 9440, 2.2), or PEM that is percent-encoded.

    The second is what nginx says as `$ssl_client_escaped_cert`. Raises CertificateUnreadable.
    """
    if len(header) > LONGEST_CERTIFICATE:
        raise CertificateUnreadable(detail="too long")
    found = _BYTE_SEQUENCE.fullmatch(header) or _PEM.fullmatch(unquote(header))
    try:
        der = base64.b64decode("".join(found.group(1).split()), validate=True) if found else b""
    except ValueError as error:
        raise CertificateUnreadable(detail="not base64") from error
    if not der:
        raise CertificateUnreadable(detail="no certificate")
    return der


def _within(peer: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(item, strict=False) for item in networks)


HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=()",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}
SERVER_ERROR = 500
SLOW_SECONDS = 2.0
# Of what is no page of ours, should a browser show it as one.
NO_PAGE = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HSTS = b"max-age=63072000; includeSubDomains"


class Edge:
    """The outermost layer: language, request ID, security headers, figures, and a log line for what failed or was slow.

    Plain ASGI, because the framework's own middleware class costs half as much as a whole empty request.
    """

    def __init__(self, app: ASGIApp, settings: Settings, observe: Observer) -> None:
        self.app = app
        self.settings = settings
        self.observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and dress its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _size(scope) > HEAD_LIMIT:
            await Response(status_code=431)(scope, receive, send)
            return
        request = Request(scope)
        started, status = time.perf_counter(), 500
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=secrets.token_hex(6))
        language.speak(self._language(request))

        async def dress(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(request, message)
            await send(message)

        try:
            if b"%00" in scope["query_string"] or "\x00" in scope["path"]:
                # No text of ours holds NUL, and PostgreSQL refuses it in the middle of a look-up.
                refusal = await run_in_threadpool(problems.answer, request, Invalid(detail="NUL"))
                await refusal(scope, receive, dress)
            else:
                await self.app(scope, receive, dress)
        finally:
            seconds = time.perf_counter() - started
            self.observe(request.method, _pattern(scope), status, seconds)
            if status >= SERVER_ERROR or seconds > SLOW_SECONDS:
                log.warning(
                    "answered", route=_pattern(scope), status=status, milliseconds=round(seconds * 1000)
                )

    def _language(self, request: Request) -> str:
        asked = request.query_params if b"ui_locales" in request.scope["query_string"] else {}
        chosen = asked.get("ui_locales", "").partition(" ")[0] or chosen_language(request)
        return language.choose(request.headers.get("accept-language", ""), self.settings.languages, chosen)

    def _dress(self, request: Request, message: Message) -> None:
        headers = message.setdefault("headers", [])
        present = {name.lower() for name, _value in headers}
        headers += [(name, value) for name, value in HEADERS.items() if name not in present]
        if self.settings.secure:
            headers.append((b"strict-transport-security", HSTS))
        if b"content-security-policy" not in present:
            headers.append((b"content-security-policy", NO_PAGE))
        if cookie := forms.browser_cookie(request):
            headers.append((b"set-cookie", cookie.encode("latin-1")))


def _size(scope: Scope) -> int:
    """Return how long the address and the headers of a request are, before any of it is taken apart."""
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return headers + len(scope["query_string"]) + len(scope["path"])


def _pattern(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "?"))
