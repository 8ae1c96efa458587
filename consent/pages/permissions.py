"""The room of permissions: who may read what, and taking it back."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from consent import assurance, decisions, grants, history, notices, purposes, sharing
from core import language, pages
from core.events import Actor
from core.sessions import BrowserSession
from core.web import Citizen, Db, Form, see_other

router = APIRouter(prefix="/my")


@router.get("/sharing")
def shared(request: Request, database: Db, me: Citizen, stopped: str = "") -> Response:
    """Show who may read what, until when; what is over; and what the law allows without asking."""
    with database.reading() as db:
        every = sharing.of(db, me.subject)
        law = sharing.by_law(db)
        just = next((one for one in every if one.grant.grant_id == stopped), None)
        told = notices.latest(db, [just.grant] if just else [])
    return pages.render(
        request,
        "consent/sharing.html",
        section="sharing",
        live=[one for one in every if one.grant.is_live],
        over=[one for one in every if not one.grant.is_live],
        by_law=law,
        stopped=just,
        told=told.get(stopped),
    )


@router.get("/sharing/{grant_id}")
def permission(request: Request, database: Db, me: Citizen, grant_id: str) -> Response:
    """Show one permission: its text, its attributes, and how to take it back."""
    with database.reading() as db:
        found = sharing.one(db, grant_id, citizen=me.subject)
        told = notices.latest(db, [found.grant]).get(found.grant.grant_id)
    return pages.render(request, "consent/grant.html", section="sharing", one=found, told=told)


@router.get("/sharing/{grant_id}/withdraw")
def confirm(
    request: Request,
    database: Db,
    me: Citizen,
    grant_id: str,
    attribute: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """Say in words what taking back would stop, and what the agency may keep, before it is done."""
    with database.reading() as db:
        found = sharing.withdrawal(db, grant_id, attribute or [], citizen=me.subject)
    return pages.render(request, "consent/withdraw.html", section="sharing", found=found)


@router.post("/sharing/{grant_id}/withdraw")
def withdraw(database: Db, me: Citizen, form: Form, grant_id: str) -> Response:
    """Take back the whole permission, or the attributes that are named."""
    chosen = form.all("attribute")
    with database.writing() as db:
        grant = grants.read(db, grant_id, citizen=me.subject)
        decisions.withdraw(db, grant, attributes=chosen or None, actor=Actor("citizen", me.subject))
    history.settle(database, me.subject)
    return see_other(f"/my/sharing?stopped={grant.grant_id}")


@router.get("/sharing/{grant_id}/extend")
def offer_extension(request: Request, database: Db, me: Citizen, grant_id: str) -> Response:
    """Show what a permission is for once more, and until when it would go on; a weak sign-in is made stronger first."""
    with database.reading() as db:
        found = sharing.extension(db, grant_id, citizen=me.subject)
    if weak := _weak(me, found.shared.grant.grant_id, found.acr):
        return weak
    return pages.render(request, "consent/extend.html", section="sharing", found=found)


@router.post("/sharing/{grant_id}/extend")
def extend(database: Db, me: Citizen, form: Form, grant_id: str) -> Response:
    """Let a permission go on for another term."""
    with database.writing() as db:
        grant = grants.read(db, grant_id, citizen=me.subject)
        if weak := _weak(me, grant.grant_id, purposes.current(db, grant.purpose).acr):
            return weak
        decisions.extend(
            db,
            grant,
            text_sha256=form.get("text"),
            lang=language.current(),
            actor=Actor("citizen", me.subject),
        )
    history.settle(database, me.subject)
    return see_other(f"/my/sharing/{grant.grant_id}")


def _weak(me: BrowserSession, grant_id: str, needed: str) -> Response | None:
    """What a purpose wants of a sign-in it wants of every decision on it: no weaker one lets it go on."""
    if assurance.enough(me.acr, needed):
        return None
    return see_other(f"/login?{urlencode({'return_to': f'/my/sharing/{grant_id}/extend', 'acr': needed})}")
