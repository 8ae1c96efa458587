"""What a browser or a client posted: parsed once, within limits, and told apart from forgery."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from core.errors import Invalid, Refused
from core.language import _

BODY_LIMIT = 64 * 1024
FIELD_LIMIT = 200
BROWSER_COOKIE = "erti_browser"
YEAR_SECONDS = 31_536_000
CSRF_FIELD = "csrf_token"
SENT_HERE = ("same-origin", "none")  # by a page of this very origin, or by the person's own hand
# Parts of the names of fields that hold secrets, or that nobody typed.
NOT_SHOWN = ("password", "code", "credential", "pin", "token", "return_to", "account")


class BodyTooLarge(Invalid):
    """The body is larger than any form of ours."""

    code = "body-too-large"
    text = _("What was sent is too large. Send less and try again.")


class FormUnreadable(Invalid):
    """The body is not a form as `application/x-www-form-urlencoded` describes it."""

    code = "form-unreadable"
    text = _("We could not read the form. Go back, reload the page and send it again.")


class ForgedForm(Refused):
    """The form did not come from a page that we gave to this browser."""

    code = "forged-form"
    text = _(
        "This form is out of date or came from another site. Go back, reload the page and send it again."
    )


@dataclass(frozen=True)
class Posted:
    """The fields of a form in the order sent."""

    items: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a field, without surrounding blanks."""
        return next((value.strip() for key, value in self.items if key == name), default)

    def raw(self, name: str) -> str:
        """Return the first value exactly as typed: for passwords, where blanks count."""
        return next((value for key, value in self.items if key == name), "")

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return [value for key, value in self.items if key == name]

    def repeated(self, name: str) -> bool:
        """Tell whether a field came more than once, which OAuth forbids (RFC 6749, 3.1)."""
        return len(self.all(name)) > 1


async def body(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """Read the body; raises BodyTooLarge as soon as it passes `limit` bytes, whatever its header says."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge
        chunks.append(chunk)
    return b"".join(chunks)


async def parsed(request: Request) -> Posted:
    """Parse a form body without looking for forgery: for endpoints that clients call."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content = await body(request)
    if not content:
        return Posted()
    if kind != "application/x-www-form-urlencoded":
        raise FormUnreadable
    request.state.posted = parse(content)
    return request.state.posted  # type: ignore[no-any-return]


def parse(content: bytes) -> Posted:
    """Parse a urlencoded body in UTF-8; raises FormUnreadable."""
    try:
        text = content.decode("utf-8", "strict")
        items = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=FIELD_LIMIT)
    except ValueError as error:
        raise FormUnreadable(detail=type(error).__name__) from error
    if any("\x00" in part for pair in items for part in pair):
        raise FormUnreadable(detail="NUL character")
    return Posted(items)


async def checked(request: Request) -> Posted:
    """Parse a form that one of our own pages sent; raises ForgedForm for any other."""
    posted = await parsed(request)
    if not genuine(request, posted.get(CSRF_FIELD) or request.headers.get("x-csrf-token", "")):
        raise ForgedForm
    return posted


async def typed(request: Request) -> list[tuple[str, str]]:
    """Return what a person typed into a form of ours that cannot be acted on now; nothing secret, and no forgery's.

    A form that was read before is not read again.
    """
    try:
        posted: Posted = getattr(request.state, "posted", None) or await parsed(request)
    except Invalid:
        return []
    if not genuine(request, posted.get(CSRF_FIELD)):
        return []
    return [
        (name, value)
        for name, value in posted.items
        if value.strip() and not any(part in name for part in NOT_SHOWN)
    ]


def cookie_name(request: Request, name: str) -> str:
    """Return a cookie's full name: with the `__Host-` prefix wherever the service is reached over TLS."""
    return f"__Host-{name}" if request.app.state.settings.secure else name


def browser(request: Request) -> str:
    """Return this browser's random name, from its cookie or made now; `core.web` sets the cookie."""
    known = request.cookies.get(cookie_name(request, BROWSER_COOKIE), "")
    if len(known) < 20:
        known = getattr(request.state, "new_browser", "") or secrets.token_urlsafe(24)
        request.state.new_browser = known
    return known


def token(request: Request) -> str:
    """Return the token for this browser's forms: it names the browser and the session it was made for."""
    session = request.cookies.get(cookie_name(request, "erti_session"), "")
    return _token(request, browser(request), session)


def genuine(request: Request, given: str) -> bool:
    """Tell whether a form token was made for this browser and session.

    A foreign `Origin` refuses on its own; `null` says nothing either way (privacy settings send it). So does a
    browser's word that another site sent it (Fetch Metadata, `Sec-Fetch-Site`): no privacy setting hides that.
    """
    origin = request.headers.get("origin", "null")
    if origin not in ("null", request.app.state.settings.issuer):
        return False
    if request.headers.get("sec-fetch-site", "same-origin") not in SENT_HERE:
        return False
    known = request.cookies.get(cookie_name(request, BROWSER_COOKIE), "")
    session = request.cookies.get(cookie_name(request, "erti_session"), "")
    return bool(known) and hmac.compare_digest(_token(request, known, session).encode(), given.encode())


def browser_cookie(request: Request) -> str:
    """Return the `Set-Cookie` value of this browser's name if this answer is the first that needed it."""
    name = getattr(request.state, "new_browser", "")
    if not name:
        return ""
    return _cookie(request, BROWSER_COOKIE, name, YEAR_SECONDS)


def set_cookie(
    request: Request, response: Response, name: str, value: str, *, seconds: int | None = None
) -> None:
    """Put a cookie into the browser, which no script reads: for so long, or until it closes; 0 takes it out.

    Each value is a random token or a language, so that nothing in it needs quoting (RFC 6265, section 4.1.1).
    """
    response.headers.append("set-cookie", _cookie(request, name, value, seconds))


def _cookie(request: Request, name: str, value: str, seconds: int | None) -> str:
    age = "" if seconds is None else f"; Max-Age={seconds}"
    secure = "; Secure" if request.app.state.settings.secure else ""
    return f"{cookie_name(request, name)}={value}; HttpOnly{age}; Path=/; SameSite=lax{secure}"


def _token(request: Request, name: str, session: str) -> str:
    key: bytes = request.app.state.form_key
    return hmac.new(key, f"{name}\x00{session}".encode(), hashlib.sha256).hexdigest()
