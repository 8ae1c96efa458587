"""The room of the history: its page, its table, its proof, and the program that checks it."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from consent import history, showing, words
from consent.history import Filter, HistoryEntry
from consent.ledger import bundle, signer
from core import clock, pages
from core.web import Citizen, Db

router = APIRouter(prefix="/my")
VERIFIER = Path(__file__).parents[2] / "verifier" / "erti_verify.py"
LONGEST_FILTER = 64
# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
LARGEST_TREE = 2**53
BUNDLE_NAME = "erti-history.json"  # the page tells how to check a file of this name


def _only(agency: str = "", month: str = "", kind: str = "") -> Filter:
    known = kind if kind in words.GROUPS else ""
    return Filter(agency[:LONGEST_FILTER], month[:LONGEST_FILTER], known)


Only = Annotated[Filter, Depends(_only)]


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
def proof(database: Db, me: Citizen, earlier: Annotated[int, Query(ge=0, le=LARGEST_TREE)] = 0) -> Response:
    """Give the whole history with its proofs, for `erti-verify`; `earlier` is the size of a tree kept from before."""
    return _download(bundle.make(database, me.subject, earlier=earlier), "application/json", BUNDLE_NAME)


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
