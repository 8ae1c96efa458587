"""Pages for people: templates of every package, rendered in the reader's language under a strict policy."""

import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import structlog
from babel.dates import format_date, format_datetime, format_timedelta
from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from core import clock, forms, language, refusals, sessions
from core.language import Lazy
from core.refusals import Refusal
from core.sessions import BrowserSession
from core.settings import Settings

log = structlog.get_logger("erti.pages")
PACKAGES = ("core", "consent", "idp", "admin")
WENT_WRONG, TOO_MANY = 400, 429
DAYS_A_YEAR = 365
# What names a field, without the ID of the thing that it is about.
_FIELD = re.compile(r"[a-z]+(?:[-_][a-z]+)?")
STATIC_FOLDER = Path(__file__).parent / "static"
_CSRF = Markup('<input type="hidden" name="%s" value="%s">')
_answered: ContextVar[Request] = ContextVar("request")


def environment(settings: Settings) -> Environment:
    """Build the template environment: `<package>/<file>.html` names a file in that package's templates."""
    folders = {name: Path(str(import_module(name).__file__)).parent / "templates" for name in PACKAGES}
    env = Environment(
        loader=PrefixLoader({name: FileSystemLoader(folder) for name, folder in folders.items()}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # or each page asks of each of its files whether it is still the same
    )
    zone = ZoneInfo(settings.time_zone)

    def when(moment: datetime) -> str:
        return format_datetime(moment.astimezone(zone), "d MMM y, HH:mm", locale=language.region())

    def day(moment: datetime | date) -> str:
        local = moment.astimezone(zone).date() if isinstance(moment, datetime) else moment
        return format_date(local, "long", locale=language.region())

    env.globals.update(
        _=language.gettext,
        csrf=_csrf,
        when=when,
        day=day,
        lasting=_lasting,
        settings=settings,
        country=settings.country,
    )
    return env


def _lasting(days: int) -> str:
    """Write a time in days as people say it: whole years of 365 days as years."""
    unit: Literal["year", "day"] = "day" if days % DAYS_A_YEAR else "year"
    most = days + 1 if unit == "day" else 1  # how many of a unit there are before a larger one is taken
    return format_timedelta(timedelta(days=days), granularity=unit, threshold=most, locale=language.region())


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    form_action: Sequence[str] = (),
    frame_src: Sequence[str] = (),
    wait: int = 0,
    **context: Any,
) -> HTMLResponse:
    """Render a page.

    `form_action` names further origins that its forms may lead to: Chromium applies the policy to the
    redirect that answers a form as well, so login and consent pages name the client's origin. `frame_src` names
    origins of which it may load frames. With a `wait`, in seconds, it answers 429 (RFC 6585, section 4). A form that
    comes back with `errors`, or a `wait`, gets a reference number, and so does a page that says by `refusal` which rule
    it is about.
    """
    status = TOO_MANY if wait else status
    _answered.set(request)
    env: Environment = request.app.state.pages
    lang = language.current()
    html = env.get_template(template).render(
        request=request,
        path=request.url.path,
        status=status,
        lang=lang,
        dir=language.direction(lang),
        languages=request.app.state.settings.languages,
        me=(me := getattr(request.state, "session", None)),
        session_ends=_ends(request, me),
        refusal_reference=_form_refused(request, template, status, wait, context),
        wait=wait,
        **context,
    )
    response = HTMLResponse(html, status_code=status)
    response.headers["Content-Security-Policy"] = policy(form_action, frame_src)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept-Language, Cookie"
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def refused(
    request: Request, *, code: str, status: int, told: str | Lazy, rule: str = "", client: str = ""
) -> str:
    """Write down that a "no" was told, for whoever is asked for help, and return its reference number."""
    refusal = Refusal(
        reference=refusals.new_reference(),
        at=clock.now(),
        code=code[:64],
        rule=rule[:128],
        client=client[:128],
        route=route(request)[:200],
        status=status,
        # Words whose places are filled may hold what somebody typed.
        told=told.source[:500] if isinstance(told, Lazy) else "",
    )
    book: refusals.Book = request.app.state.refusals
    book.keep(refusal, asker=request)
    return refusal.reference


def route(request: Request) -> str:
    """Return the route's pattern, never the path itself, which may carry personal data."""
    found = request.scope.get("route")
    return str(getattr(found, "path", "?"))


def _csrf() -> Markup:
    """Return the hidden field that tells forms of the page that is being rendered from forged ones."""
    return _CSRF % (forms.CSRF_FIELD, forms.token(_answered.get()))


def _form_refused(request: Request, template: str, status: int, wait: int, context: Mapping[str, Any]) -> str:
    errors, refusal = context.get("errors"), context.get("refusal", "")
    if status < WENT_WRONG or not (errors or wait or refusal):
        return ""
    shown = [*errors.values()] if isinstance(errors, Mapping) else []
    names = sorted({found[0] for name in errors or () if (found := _FIELD.match(name))})
    client = context.get("client", "")
    rule = refusal or f"{template.partition('/')[2].removesuffix('.html')}: {', '.join(names) or 'wait'}"
    reference = refused(
        request,
        code="form",
        status=status,
        told=shown[0] if shown else "",
        rule=rule,
        client=client if isinstance(client, str) else "",
    )
    log.info("form came back", rule=rule, status=status, reference=reference)
    return reference


def _ends(request: Request, me: BrowserSession | None) -> tuple[datetime, int] | None:
    """Return when the reader's session ends if this page is the last one, and in how many seconds that is."""
    if me is None:
        return None
    at = sessions.over_at(me, request.app.state.settings)
    return at, int((at - clock.now()).total_seconds())


def policy(form_action: Sequence[str] = (), frame_src: Sequence[str] = ()) -> str:
    """Return the Content-Security-Policy of a page: nothing inline, nothing from elsewhere, never framed."""
    targets = " ".join(["'self'", *form_action])
    frames = f"frame-src {' '.join(frame_src)}; " if frame_src else ""
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"{frames}form-action {targets}; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
    )
