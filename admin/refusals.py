"""The room of reference numbers: what somebody was refused, why, and what helps; each look-up is on record."""

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from admin import advice
from admin.events import RefusalLookedUp
from admin.frame import show
from admin.permissions import Official, ReadsRefusals
from core import limits, refusals
from core.errors import TooMany
from core.events import Actor, record
from core.language import Lazy, _
from core.refusals import Refusal
from core.web import Db, Form

router = APIRouter(prefix="/admin/refusals")
LOOKUPS_AN_HOUR = 120


@router.get("")
def ask(request: Request, official: ReadsRefusals) -> Response:
    """Show the form that takes a reference number."""
    return _page(request, official, typed="")


@router.post("")
def look(request: Request, database: Db, official: ReadsRefusals, form: Form) -> Response:
    """Show what is kept under a reference number; the look-up is on record, found or not."""
    typed = form.get("reference")[:64]
    reference = refusals.compact(typed)
    if reference is None:
        mistake = _("A reference number has eight letters and digits, such as 7KQD-2M9X.")
        return _page(request, official, typed=typed, errors={"reference": mistake})
    with database.writing() as db:
        wait = limits.hit(db, "refusals", official.id, most=LOOKUPS_AN_HOUR, per_seconds=3600)
        found = None if wait else look_up(db, reference, actor=official.actor)
    if wait:
        raise TooMany(retry_after=wait)
    if found is None:
        days = request.app.state.settings.refusal_days
        gone = _(
            "Nothing is kept under this number. It is older than {days} days, was misheard, or there were too many "
            "refusals in that minute to keep them all; then it stands in the log of the servers only."
        ).format(days=days)
        return _page(request, official, typed=typed, errors={"reference": gone})
    return _page(request, official, typed=reference, found=found)


def look_up(db: Session, reference: str, *, actor: Actor) -> Refusal | None:
    """Return what is kept under a reference number, and record that somebody asked."""
    found = refusals.find(db, reference)
    record(db, RefusalLookedUp(reference=reference, found=found is not None), actor=actor)
    return found


def _page(
    request: Request,
    official: Official,
    *,
    typed: str,
    found: Refusal | None = None,
    errors: dict[str, Lazy] | None = None,
) -> Response:
    return show(
        request,
        official,
        "refusals.html",
        section="refusals",
        status=400 if errors else 200,
        typed=typed,
        found=found,
        told=_(found.told) if found and found.told else "",
        advice=advice.on(found) if found else "",
        errors=errors or {},
    )
