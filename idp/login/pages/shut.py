"""`/login/shut`: told to whoever just proved to be the owner of a locked account: why, and what opens it."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core import pages
from core.database import Database
from core.events import Actor
from core.language import Lazy, _
from core.web import Db, Form, see_other
from idp.accounts import CLOSING, OWN_WISH, PAUSED
from idp.login import locks, stages, throttle
from idp.login.locks import Lock
from idp.login.pages import browser
from idp.login.stages import Stage

router = browser.router()
WRONG_CODE = _("That is not one of your unused recovery codes. Check it, or go to a public service hall.")
TOO_WEAK = _("Sign in once more with a passkey, or with password and code, to keep the account.")
KEPT = "/login?return_to=/my/account"


@router.get("/login/shut")
def show(request: Request, database: Db) -> Response:
    """Say why nobody gets in, in words that fit the reason, and what can be done."""
    with database.reading() as db:
        stage, why = _stage(request, database), []
        if stage is not None:
            why = locks.of(db, stage.citizen_id)
    return _page(request, why) if why else see_other("/login")


@router.post("/login/shut/keep")
def keep(request: Request, database: Db, form: Form) -> Response:
    """Keep an account that was about to close; signing in works again at once."""
    with database.writing() as db:
        stage = stages.find(db, browser.stage_token(request), stages.SHUT)
        if stage is None:
            return see_other("/login")
        citizen, shown = stage.citizen_id, stage.data
        strong = locks.may_keep(db, citizen, acr=shown["acr"], amr=shown["amr"])
        why = locks.of(db, citizen)
        if strong and not {one.reason for one in why} - OWN_WISH:
            locks.keep(db, citizen, actor=Actor("citizen", citizen))
            why = locks.of(db, citizen)
            if not why:
                stages.end(db, stage)
    if not strong:
        return _page(request, why, errors={"keep": TOO_WEAK})
    if why:
        return _page(request, why)
    return browser.clear_stage(request, pages.render(request, "idp/left.html", kept=KEPT, ends_at=None))


@router.post("/login/shut/open")
def ask_to_open(request: Request, database: Db, form: Form) -> Response:
    """Spend a recovery code on opening a paused account, once the waiting time is over."""
    visitor = browser.visitor(request)
    with database.writing() as db:
        stage = stages.find(db, browser.stage_token(request), stages.SHUT)
        if stage is None:
            return see_other("/login")
        wait = throttle.in_turn(db, throttle.RECOVERY, visitor)
        opens = None if wait else locks.ask_to_open(db, stage.citizen_id, form.get("recovery-code"))
        over = False
        if opens is None and not wait:
            throttle.failed(db, throttle.RECOVERY, visitor)
            over = stages.failed(db, stage)
        why = locks.of(db, stage.citizen_id)
    if over:
        return browser.clear_stage(request, see_other("/login"))
    if wait:
        return _page(request, why, wait=wait)
    return _page(request, why, errors={} if opens else {"recovery-code": WRONG_CODE})


@router.post("/login/shut/stay")
def stay_paused(request: Request, database: Db, form: Form) -> Response:
    """Take back that a paused account opens."""
    with database.writing() as db:
        stage = stages.find(db, browser.stage_token(request), stages.SHUT)
        if stage is not None:
            locks.stay_paused(db, stage.citizen_id)
    return see_other("/login/shut")


def _stage(request: Request, database: Database) -> Stage | None:
    with database.reading() as db:
        return stages.find(db, browser.stage_token(request), stages.SHUT)


def _page(
    request: Request, why: list[Lock], *, errors: dict[str, Lazy] | None = None, wait: int = 0
) -> Response:
    settings = request.app.state.settings
    told: dict[str, Any] = {one.reason: one for one in why}
    return pages.render(
        request,
        "idp/shut.html",
        status=400 if errors else 403,
        lock=why[0],
        closing=told.get(CLOSING),
        paused=told.get(PAUSED),
        hours=settings.reopening_hours,
        oversight=settings.oversight,
        wait=wait,
        errors=errors or {},
        refusal=f"shut: {why[0].reason}",
    )
