"""The citizens' room: one person's data, looked at with office and reason, through the door and on the record."""

from collections import defaultdict
from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin.frame import show
from admin.permissions import LooksAtCitizens, Official
from consent import disclosure
from consent.disclosure import NotReleased, StaffAsk
from core import limits
from core.database import Database
from core.errors import TooMany
from core.language import Lazy, _
from core.web import Db, Form
from registry_sync import people
from registry_sync.catalogue import CATALOGUE, Attribute

router = APIRouter(prefix="/admin/citizens")
LOOKS_AN_HOUR = 60
LONGEST_OFFICE = 120
LONGEST_REASON = 500


@router.get("")
def ask(request: Request, official: LooksAtCitizens) -> Response:
    """Show the form on which a look is asked for."""
    return _form(
        request, official, errors={}, typed={"citizen": "", "office": "", "reason": ""}, chosen=set()
    )


@router.post("")
def look(request: Request, database: Db, official: LooksAtCitizens, form: Form) -> Response:
    """Look at some attributes of one citizen; the look is in their history before it is shown."""
    typed = {name: form.get(name) for name in ("citizen", "office", "reason")}
    chosen = {name for name in form.all("attributes") if name in CATALOGUE}
    citizen = people.compact(typed["citizen"])
    errors = _mistakes(typed, citizen, chosen)
    if errors or citizen is None:
        return _form(request, official, errors=errors, typed=typed, chosen=chosen)
    _throttle(database, official)
    wanted = StaffAsk(
        staff=official.id,
        office=typed["office"],
        reason=typed["reason"],
        citizen=citizen,
        attributes=tuple(name for name in CATALOGUE if name in chosen),
    )
    said = disclosure.staff(database, wanted)
    if isinstance(said, NotReleased):
        return _form(request, official, errors={"citizen": said.text}, typed=typed, chosen=chosen)
    return show(
        request,
        official,
        "citizen.html",
        section="citizens",
        citizen=people.grouped(citizen),
        reason=typed["reason"],
        office=typed["office"],
        values=said.values,
        missing=[name for name in wanted.attributes if name not in said.values],
        receipt=said.receipt,
    )


def _mistakes(typed: Mapping[str, str], citizen: str | None, chosen: set[str]) -> dict[str, Lazy]:
    errors: dict[str, Lazy] = {}
    if citizen is None:
        errors["citizen"] = _("This is not a citizen ID. Check each character; the last one is a check.")
    if not 0 < len(typed["office"]) <= LONGEST_OFFICE:
        errors["office"] = _("Say from which office you look.")
    if not 0 < len(typed["reason"]) <= LONGEST_REASON:
        errors["reason"] = _("Say why, in words that the citizen understands. They will read it.")
    if not chosen:
        errors["attributes"] = _("Choose at least one detail, and only those you need.")
    return errors


def _throttle(database: Database, official: Official) -> None:
    with database.writing() as db:
        wait = limits.hit(db, "staff-look", official.id, most=LOOKS_AN_HOUR, per_seconds=3600)
    if wait:
        raise TooMany(
            _("You have looked at many people in a short time. Wait a while, or ask a colleague."),
            retry_after=wait,
        )


def _form(
    request: Request,
    official: Official,
    *,
    errors: Mapping[str, Lazy],
    typed: Mapping[str, str],
    chosen: set[str],
) -> Response:
    grouped: dict[str, list[Attribute]] = defaultdict(list)
    for attribute in CATALOGUE.values():
        grouped[attribute.group].append(attribute)
    return show(
        request,
        official,
        "citizens.html",
        section="citizens",
        status=400 if errors else 200,
        errors=errors,
        typed=typed,
        chosen=chosen,
        groups=list(grouped.items()),
    )
