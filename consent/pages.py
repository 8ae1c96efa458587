"""The citizen's own room: overview, data by source, permissions and taking them back, the history and its proof."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from consent import decisions, disclosure, grants, history, sharing, showing, words
from consent.disclosure import Envelope
from consent.history import Filter, HistoryEntry
from consent.ledger import bundle, signer
from core import clock, pages
from core.events import Actor
from core.language import _
from core.web import Citizen, Db, Form, see_other
from registry_sync import people
from registry_sync.catalogue import SOURCES

router = APIRouter(prefix="/my")
VERIFIER = Path(__file__).parent.parent / "verifier" / "erti_verify.py"
LATEST = 3
LONGEST_FILTER = 64
# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
BUNDLE_NAME = "erti-history.json"  # the page tells how to check a file of this name


def _only(agency: str = "", month: str = "", kind: str = "") -> Filter:
    known = kind if kind in words.GROUPS else ""
    return Filter(agency[:LONGEST_FILTER], month[:LONGEST_FILTER], known)


Only = Annotated[Filter, Depends(_only)]


@router.get("")
def overview(request: Request, database: Db, me: Citizen) -> Response:
    """Show where everything is: who one is here, what is shared, who looked last."""
    history.settle(database, me.subject)
    with database.reading() as db:
        names = disclosure.own(db, me.subject, ("name", "given_name"))
        looks, _pages = history.entries(db, me.subject, only=Filter(group="reads"), size=LATEST)
        live = [one for one in sharing.of(db, me.subject) if one.grant.is_live]
        standing = history.standing(db, me.subject)
    called = names.get("name") or names.get("given_name")
    return pages.render(
        request,
        "consent/my.html",
        name=str(called.value) if called else "",
        citizen=people.grouped(me.subject),
        looks=looks,
        live=live,
        standing=standing,
    )


@router.get("/data")
def data(request: Request, database: Db, me: Citizen) -> Response:
    """Show every value that the registers hold, by register, with the day it is as of."""
    with database.reading() as db:
        values = disclosure.own(db, me.subject, disclosure.CATALOGUE)
    return pages.render(
        request,
        "consent/data.html",
        section="data",
        citizen=people.grouped(me.subject),
        registers=[
            (showing.source(source), _rows(values, source))
            for source in SOURCES
            if any(one.source == source for one in values.values())
        ],
    )


def _rows(values: dict[str, Envelope], source: str) -> list[tuple[str, str, str]]:
    return [
        (
            showing.label(name),
            showing.value(name, values[name].value),
            str(_("as of {day}").format(day=showing.day(values[name].as_of))),
        )
        for name in disclosure.CATALOGUE
        if name in values and values[name].source == source
    ]


@router.get("/sharing")
def shared(request: Request, database: Db, me: Citizen, stopped: str = "") -> Response:
    """Show who may read what, until when; what is over; and what the law allows without asking."""
    with database.reading() as db:
        every = sharing.of(db, me.subject)
        law = sharing.by_law(db)
    return pages.render(
        request,
        "consent/sharing.html",
        section="sharing",
        live=[one for one in every if one.grant.is_live],
        over=[one for one in every if not one.grant.is_live],
        by_law=law,
        stopped=next((one for one in every if one.grant.grant_id == stopped), None),
    )


@router.get("/sharing/{grant_id}")
def permission(request: Request, database: Db, me: Citizen, grant_id: str) -> Response:
    """Show one permission: its text, its attributes, and how to take it back."""
    with database.reading() as db:
        found = sharing.one(db, grant_id, citizen=me.subject)
    return pages.render(request, "consent/grant.html", section="sharing", one=found)


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


@router.get("/history")
def entries(request: Request, database: Db, me: Citizen, only: Only, page: int = 1) -> Response:
    """Show everything that happened, newest first; by agency, month or kind if one likes."""
    settled = history.settle(database, me.subject)
    with database.reading() as db:
        listed, count = history.entries(db, me.subject, page=page, only=only)
        choices = history.choices(db, me.subject)
        standing = history.standing(db, me.subject)
        fingerprint = signer.policy_fingerprint(db)
    chosen = {"agency": only.agency, "month": only.month, "kind": only.group}
    return pages.render(
        request,
        "consent/history.html",
        section="history",
        entries=listed,
        page=min(max(page, 1), count),
        count=count,
        chosen=chosen,
        query=urlencode({name: value for name, value in chosen.items() if value}),
        choices=choices,
        groups={name: str(text) for name, text in words.GROUPS.items()},
        standing=standing,
        settled=settled,
        fingerprint=fingerprint,
        month_name=showing.day,
    )


@router.get("/history.csv")
def table(database: Db, me: Citizen, only: Only) -> Response:
    """Give the history as a table for a spreadsheet."""
    history.settle(database, me.subject)
    with database.reading() as db:
        text = _csv(history.every(db, me.subject, only=only))
    return _download(
        text.encode("utf-8-sig"), "text/csv; charset=utf-8", f"erti-history-{clock.now():%Y-%m-%d}.csv"
    )


@router.get("/history/bundle")
def proof(database: Db, me: Citizen) -> Response:
    """Give the whole history with its proofs, for `erti-verify`."""
    return _download(bundle.make(database, me.subject), "application/json", BUNDLE_NAME)


@router.get("/history/verifier")
def verifier(_me: Citizen) -> Response:
    """Give the program that checks a history offline."""
    return FileResponse(VERIFIER, media_type="text/x-python", filename=VERIFIER.name)


def _download(content: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=media_type, headers=headers)


def _csv(found: Iterable[HistoryEntry]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["time", "what", "agency", "details", "reference", "place in the ledger"])
    for one in found:
        details = "; ".join(f"{term}: {text}" for term, text in one.said.details)
        time = one.at.isoformat(timespec="seconds") if one.at else ""
        cells = (time, one.said.title, one.agency or "", details, one.event_id, str(one.index))
        writer.writerow([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells])
    return out.getvalue()
