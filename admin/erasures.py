"""The room of erasures: a court's order carried out by two people, and what still waits to be beyond recovery."""

import re
from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals
from admin.frame import show
from admin.permissions import ErasesHistory, Official, ReadsErasures
from consent import erased
from consent.ledger import erasure
from core.database import Database
from core.errors import Problem
from core.language import Lazy, _
from core.web import Db, Form, see_other
from registry_sync import people

router = APIRouter(prefix="/admin/erasures")
FIELDS = ("citizen", "year", "log", "entries", "reference", "reason")
LONGEST_REFERENCE, LONGEST_REASON = 200, 500
NUMBERS = re.compile(r"\d{1,15}(?:[ ,]+\d{1,15})*")


@router.get("")
def overview(request: Request, database: Db, official: ReadsErasures) -> Response:
    """Show the erasures, and the form on which one is asked for."""
    return _page(request, database, official, errors={}, typed={})


@router.post("")
def ask(request: Request, database: Db, official: ErasesHistory, form: Form) -> Response:
    """Ask a second person to agree that a court's order to erase is carried out."""
    typed = {name: form.get(name) for name in FIELDS}
    citizen = people.compact(typed["citizen"])
    errors = _mistakes(typed, citizen)
    if not errors and citizen:
        year, log = int(typed["year"]), int(typed["log"] or 1)
        places = [(log, int(number)) for number in re.findall(r"\d+", typed["entries"])]
        subject = {
            "citizen": citizen,
            "year": year,
            "places": places,
            "reference": typed["reference"],
            "reason": typed["reason"],
        }
        try:
            with database.writing() as db:
                erasure.check(db, citizen, year, basis=erasure.COURT, places=places)
                approvals.ask(db, "erase-history", subject, reason=typed["reason"], official=official)
            return see_other("/admin/approvals")
        except Problem as problem:
            errors["year"] = problem.text
    return _page(request, database, official, errors=errors, typed=typed)


def _mistakes(typed: Mapping[str, str], citizen: str | None) -> dict[str, Lazy | str]:
    errors: dict[str, Lazy | str] = {}
    if citizen is None:
        errors["citizen"] = _("This is not a citizen ID. Check each character; the last one is a check.")
    if not re.fullmatch(r"\d{4}", typed["year"]):
        errors["year"] = _("Write the year with four digits.")
    if typed["entries"] and not NUMBERS.fullmatch(typed["entries"]):
        errors["entries"] = _(
            "Write the places of the entries as numbers with commas between them, or leave it empty."
        )
    if not re.fullmatch(r"\d{0,4}", typed["log"]):
        errors["log"] = _("Write the number of the log, or leave it empty.")
    if not 0 < len(typed["reference"]) <= LONGEST_REFERENCE:
        errors["reference"] = _("Write the reference of the court's order.")
    if not 0 < len(typed["reason"]) <= LONGEST_REASON:
        errors["reason"] = _("Say why, in words that the citizen understands. They will read it.")
    return errors


def _page(
    request: Request,
    database: Database,
    official: Official,
    *,
    errors: Mapping[str, Lazy | str],
    typed: Mapping[str, str],
) -> Response:
    with database.reading() as db:
        found, waits = erasure.listing(db), erasure.awaiting(db)
    return show(
        request,
        official,
        "erasures.html",
        section="erasures",
        status=400 if errors else 200,
        erasures=[(one, erased.standing(one, database.parts.settings.time_zone)) for one in found],
        waits=waits,
        errors=errors,
        typed={name: typed.get(name, "") for name in FIELDS},
    )
