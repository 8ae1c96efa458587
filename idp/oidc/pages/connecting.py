"""`/device`: somebody types the code that a device shows, says that it is theirs, and is led on as at any sign-in."""

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from consent import agencies
from consent.agencies import Agency
from core import language, limits, pages, sessions
from core.events import Actor, record
from core.forms import Posted, browser
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.web import Db, Form, Here, network, see_other
from idp.oidc import acting, authorize, devices, interactions, steps
from idp.oidc.asked import Asked, Refused
from idp.oidc.events import DeviceRefused
from idp.oidc.interactions import Interaction
from idp.oidc.steps import Recognise

router = APIRouter()
UNKNOWN = _(
    "No device waits with this code. Look at the device again: the code has eight letters, and a new one "
    "appears every ten minutes."
)
TOO_MANY = _("Too many codes were tried. Wait {minutes} minutes, then try again.")
# Guessing one of ten thousand live codes out of 20^8 takes millions of tries. Whoever is signed in is counted alone, so
# that a busy network shuts nobody out.
TRIES, NETWORK_TRIES, WITHIN_SECONDS = 20, 300, 600


@dataclass(frozen=True)
class Question:
    """A citizen who is asked whether a device is theirs."""

    citizen: str
    asked: Asked
    interaction: Interaction
    agency: Agency


@router.get("/device")
def enter(request: Request, user_code: str = "") -> Response:
    """Ask for the code on the device; where the address holds one, whether it is the same (RFC 8628, 3.3.1)."""
    letters = devices.typed(user_code[:40])
    return _entry(request, letters if len(letters) == devices.LETTERS else "", compare=True)


@router.post("/device")
def find(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Find the device that waits with a code, and begin what leads to it."""
    letters = devices.typed(form.get("user_code")[:40])
    citizen = here if here is not None and here.kind == sessions.CITIZEN else None
    with database.writing() as db:
        wait, crowded = _tried(db, request, citizen)
        interaction = "" if wait or crowded else _begin(db, letters)
    if crowded:
        back = f"/device?{urlencode({'user_code': devices.shown(letters)})}"
        return see_other(f"/login?{urlencode({'return_to': back})}")
    if wait:
        minutes = str(TOO_MANY).format(minutes=-(-wait // 60))
        return _entry(request, letters, error=minutes, status=429)
    if not interaction:
        return _entry(request, letters, error=UNKNOWN, status=400)
    return see_other(interactions.PATH + interaction)


@router.get("/device/confirm")
def ask(request: Request, database: Db, here: Here, i: str = "") -> Response:
    """Ask whether the device is the citizen's own, and say plainly who is behind it (RFC 8628, 5.4)."""
    with database.reading() as db:
        question = _question(db, i, here)
    if question is None:
        return see_other(interactions.PATH + i)
    return pages.render(
        request,
        "idp/device_confirm.html",
        interaction=i,
        client_name=question.asked.client.name,
        agency=question.agency,
        agency_name=question.agency.name(language.current()),
        user_code=question.asked.given("user_code"),
    )


@router.post("/device/confirm")
def decide(database: Db, here: Here, form: Form) -> Response:
    """Keep that the device is the citizen's own, or refuse it."""
    token = form.get("i")
    with database.writing() as db:
        held = here is not None and sessions.hold(db, here)
        question = _question(db, token, here) if held else None
        if question is None:
            return see_other(interactions.PATH + token)
        if form.get("decision") == "mine":
            interactions.recognised(db, token, question.interaction.progress.of(question.citizen))
            return see_other(interactions.PATH + token)
        _refuse(db, token, question)
    return see_other("/device/refused")


@router.get("/device/connected")
def connected(request: Request) -> Response:
    """Say that the device may go on."""
    return pages.render(request, "idp/device_over.html", connected=True)


@router.get("/device/refused")
def refused(request: Request) -> Response:
    """Say that the device gets nothing."""
    return pages.render(request, "idp/device_over.html", connected=False)


def _begin(db: Session, letters: str) -> str:
    """Begin what leads to the device that waits with a code; empty if there is none."""
    found = devices.waiting(db, letters)
    if found is None:
        return ""
    name, client_id, posted = found
    request = Posted([*posted.items, ("user_code", devices.shown(letters))])
    return interactions.begin(db, client_id, request, device=name)


def _refuse(db: Session, token: str, question: Question) -> None:
    client = question.asked.client
    interactions.finish(db, token)
    if devices.refuse(db, question.asked.device):
        event = DeviceRefused(agency=client.agency, client=client.client_id)
        record(db, event, actor=Actor("citizen", question.citizen), about=[question.citizen])


def _question(db: Session, token: str, here: BrowserSession | None) -> Question | None:
    """Return where an interaction stands if a citizen has to say whether a device is theirs, looked at anew."""
    found = interactions.find(db, token)
    if found is None or here is None:
        return None
    asked = authorize.resumed(db, found)
    if isinstance(asked, Refused):
        return None
    step = steps.next_step(db, acting.Here(asked, found.progress, found.began_at, here))
    if not isinstance(step, Recognise):
        return None
    return Question(here.subject, asked, found, agencies.read(db, asked.client.agency))


def _tried(db: Session, request: Request, citizen: BrowserSession | None) -> tuple[int, bool]:
    """Count one try; return the seconds to wait, and whether this network's tries are over for whoever is not signed in.

    RFC 8628, 5.1. What is counted of a browser or an account says nothing about anybody else.
    """
    who = citizen.subject if citizen else browser(request)
    wait = limits.hit(db, "device-code", who, most=TRIES, per_seconds=WITHIN_SECONDS)
    if wait or citizen:
        return wait, False
    most = {"most": NETWORK_TRIES, "per_seconds": WITHIN_SECONDS}
    return 0, bool(limits.hit(db, "device-code network", network(request), **most))


def _entry(
    request: Request,
    letters: str,
    *,
    compare: bool = False,
    error: Lazy | str | None = None,
    status: int = 200,
) -> Response:
    return pages.render(
        request,
        "idp/device.html",
        status=status,
        user_code=devices.shown(letters) if letters else "",
        compare=compare and bool(letters),
        errors={"user_code": error} if error else {},
    )
