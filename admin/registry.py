"""The registers' room: what each source holds up, and one record in quarantine at a time."""

import json

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin.frame import Number, show
from admin.permissions import Official, ReadsSources, UnmasksRecords, WorksQuarantine
from consent import disclosure
from consent.disclosure import UnmatchedAsk
from core import limits
from core.database import Database
from core.errors import Invalid, Missing, TooMany
from core.language import Lazy, _
from core.web import Db, Form, see_other
from registry_sync import people, quarantine
from registry_sync.catalogue import SOURCES
from registry_sync.wire.shapes import REASONS

router = APIRouter(prefix="/admin/sources")
STATES = ("open", "settled", "dismissed")
UNMASKS_AN_HOUR = 60
NOTHING_TYPED = {"office": "", "reason": ""}


@router.get("")
def sources(request: Request, database: Db, official: ReadsSources) -> Response:
    """Show every source, with what of it waits in quarantine and why."""
    with database.reading() as db:
        waiting = quarantine.waiting(db)
    names = sorted(set(SOURCES) | set(waiting))
    return show(
        request,
        official,
        "sources.html",
        section="sources",
        names=names,
        waiting=waiting,
        words=REASONS,
    )


@router.get("/{source}")
def source(
    request: Request, database: Db, official: ReadsSources, source: str, page: Number = 1, state: str = "open"
) -> Response:
    """Show a page of what a source has in quarantine."""
    if state not in STATES:
        raise Missing(detail="state")
    with database.reading() as db:
        records, pages = quarantine.listing(db, source, page, state=state)
        known = source in SOURCES or source in quarantine.waiting(db)
    if not known:
        raise Missing(detail="source")
    return show(
        request,
        official,
        "source.html",
        section="sources",
        source=source,
        records=records,
        page=min(max(page, 1), pages),
        pages_count=pages,
        state=state,
        states=STATES,
    )


@router.get("/{source}/{record_id}")
def quarantined(
    request: Request, database: Db, official: ReadsSources, source: str, record_id: str
) -> Response:
    """Show one record in quarantine with every value covered."""
    return _record_page(request, database, official, record_id, errors={}, typed=NOTHING_TYPED)


@router.post("/{source}/{record_id}/retry")
def retry(
    request: Request, database: Db, official: WorksQuarantine, form: Form, source: str, record_id: str
) -> Response:
    """Try to place a record again: as it is, as a certain person's, or as somebody new."""
    whose = form.get("whose", "as-is")
    same_as = people.compact(whose.removeprefix("citizen:")) if whose.startswith("citizen:") else None
    if whose not in ("as-is", "distinct") and same_as is None:
        raise Invalid(detail="whose")
    with database.writing() as db:
        placed = quarantine.retry(
            db, record_id, actor=official.actor, same_as=same_as, distinct=whose == "distinct"
        )
    if placed.bad:
        errors = {"whose": _("It still cannot be placed: {why}").format(why=REASONS[placed.bad.reason])}
        return _record_page(request, database, official, record_id, errors=errors, typed=NOTHING_TYPED)
    return see_other(f"/admin/sources/{source}")


@router.post("/{source}/{record_id}/dismiss")
def dismiss(database: Db, official: WorksQuarantine, _form: Form, source: str, record_id: str) -> Response:
    """Decide that a record will not be used."""
    with database.writing() as db:
        quarantine.dismiss(db, record_id, actor=official.actor)
    return see_other(f"/admin/sources/{source}")


@router.post("/{source}/{record_id}/unmask")
def unmask(
    request: Request, database: Db, official: UnmasksRecords, form: Form, source: str, record_id: str
) -> Response:
    """Show what a record says, once that is written on the source's chain with office and reason."""
    typed = {"office": form.get("office"), "reason": form.get("reason")}
    errors: dict[str, Lazy] = {}
    if not typed["office"]:
        errors["office"] = _("Say from which office you look.")
    if not typed["reason"]:
        errors["reason"] = _("Say why. The person reads it once the record is matched.")
    if errors:
        return _record_page(request, database, official, record_id, errors=errors, typed=typed)
    _throttle(database, official)
    asked = UnmatchedAsk(staff=official.id, office=typed["office"], reason=typed["reason"], record=record_id)
    said = disclosure.unmatched(database, asked)
    return _record_page(
        request, database, official, record_id, errors={}, typed=NOTHING_TYPED, clear=_readable(said.content)
    )


def _record_page(
    request: Request,
    database: Database,
    official: Official,
    record_id: str,
    *,
    errors: dict[str, Lazy],
    typed: dict[str, str],
    clear: str = "",
) -> Response:
    with database.reading() as db:
        opened = quarantine.read(db, record_id)
    return show(
        request,
        official,
        "quarantined.html",
        section="sources",
        status=400 if errors else 200,
        record=opened.record,
        masked=opened.masked,
        candidates=[people.grouped(citizen) for citizen in opened.candidates],
        errors=errors,
        typed=typed,
        clear=clear,
    )


def _readable(content: bytes) -> str:
    """Return a record as people read it: JSON in lines, anything else as it came."""
    text = content.decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _throttle(database: Database, official: Official) -> None:
    with database.writing() as db:
        wait = limits.hit(db, "staff-unmask", official.id, most=UNMASKS_AN_HOUR, per_seconds=3600)
    if wait:
        raise TooMany(
            _("You have opened many records in a short time. Wait a while, or ask a colleague."),
            retry_after=wait,
        )
