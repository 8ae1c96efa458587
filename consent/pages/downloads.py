"""The history to take away: as a page, a table, JSON, with its proofs; and the program that checks them."""

import base64
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from consent import exporting, history
from consent.ledger import bundle
from consent.pages.filters import Only
from core import clock, language, limits, pages
from core.database import Database
from core.errors import TooMany
from core.sessions import BrowserSession
from core.web import Citizen, Db
from registry_sync import people

router = APIRouter(prefix="/my")
VERIFIER = Path(__file__).parents[2] / "verifier" / "erti_verify.py"
BUNDLE_NAME = "erti-history.json"  # the page tells how to check a file of this name
LARGEST_TREE = 2**53
PIECE = 200  # parts of a template that are sent together
FILES_AN_HOUR = 60  # each one opens and proves the whole history


@router.get("/history.csv")
def table(database: Db, me: Citizen, only: Only) -> Response:
    """Give the history as a table for a spreadsheet."""
    _throttle(database, me)
    history.settle(database, me.subject)
    found = history.every(database, me.subject, only=only)
    return _stream(exporting.table(found), "text/csv; charset=utf-8", "csv")


@router.get("/history.json")
def document(request: Request, database: Db, me: Citizen, only: Only) -> Response:
    """Give the history as JSON, in the shape of docs/history.md."""
    _throttle(database, me)
    history.settle(database, me.subject)
    found = history.every(database, me.subject, only=only)
    issuer = request.app.state.settings.issuer
    content = exporting.document(me.subject, found, asked=only.fields, issuer=issuer)
    return _stream(content, "application/json", "json")


@router.get("/history.html")
def page(request: Request, database: Db, me: Citizen, only: Only) -> Response:
    """Give the history as one page to keep or print, which needs nothing from anywhere."""
    _throttle(database, me)
    history.settle(database, me.subject)
    with database.reading() as db:
        standing = history.standing(db, me.subject)
    template = request.app.state.pages.get_template("consent/kept.html")
    shown = template.stream(
        lang=language.current(),
        dir=language.direction(language.current()),
        sheet=_sheet(),
        citizen=people.grouped(me.subject),
        entries=history.every(database, me.subject, only=only),
        narrowed=bool(only.fields),
        standing=standing,
        made_at=clock.now(),
    )
    shown.enable_buffering(PIECE)
    return _stream((piece.encode() for piece in shown), "text/html; charset=utf-8", "html")


@router.get("/history/bundle")
def proof(database: Db, me: Citizen, earlier: Annotated[int, Query(ge=0, le=LARGEST_TREE)] = 0) -> Response:
    """Give the whole history with its proofs, for `erti-verify`; `earlier` is the size of a tree kept from before."""
    _throttle(database, me)
    content = bundle.make(database, me.subject, earlier=earlier)
    return Response(content, media_type="application/json", headers=_saved_as(BUNDLE_NAME))


@router.get("/history/verifier")
def verifier(_me: Citizen) -> Response:
    """Give the program that checks a history offline."""
    return FileResponse(VERIFIER, media_type="text/x-python", filename=VERIFIER.name)


def _throttle(database: Database, me: BrowserSession) -> None:
    with database.writing() as db:
        wait = limits.hit(db, "history.file", me.subject, most=FILES_AN_HOUR, per_seconds=3600)
    if wait:
        raise TooMany(retry_after=wait)


def _stream(pieces: Iterator[bytes], media_type: str, ending: str) -> Response:
    name = f"erti-entries-{clock.now():%Y-%m-%d}.{ending}"
    return StreamingResponse(exporting.gathered(pieces), media_type=media_type, headers=_saved_as(name))


def _saved_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


@cache
def _sheet() -> str:
    """Return the style sheet as an address that holds it, since the page is opened where there is no other file."""
    content = (pages.STATIC_FOLDER / "erti.css").read_bytes()
    return f"data:text/css;base64,{base64.b64encode(content).decode()}"
