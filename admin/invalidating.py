"""Declaring permissions invalid: one by its number, or all for a purpose; a second person has to agree."""

from collections.abc import Mapping

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals
from admin.frame import show
from admin.permissions import InvalidatesGrants, Official
from consent import grants, purposes
from core.language import Lazy, _
from core.web import Db, Form, see_other

router = APIRouter(prefix="/admin/invalidate")
FIELDS = ("grant", "purpose", "reason")


@router.get("")
def ask(request: Request, official: InvalidatesGrants, purpose: str = "") -> Response:
    """Show the form on which it is asked for."""
    return _form(request, official, errors={}, typed={"grant": "", "purpose": purpose[:64], "reason": ""})


@router.post("")
def propose(request: Request, database: Db, official: InvalidatesGrants, form: Form) -> Response:
    """Check what is named, then ask a second person to agree."""
    typed = {name: form.get(name) for name in FIELDS}
    with database.writing() as db:
        errors = _mistakes(db, typed)
        if not errors:
            kind = "grant" if typed["grant"] else "purpose"
            subject = {kind: typed[kind], "why": typed["reason"][:500]}
            approvals.ask(db, f"invalidate-{kind}", subject, reason=typed["reason"], official=official)
    if errors:
        return _form(request, official, errors=errors, typed=typed)
    return see_other("/admin/approvals")


def _mistakes(db: Session, typed: Mapping[str, str]) -> dict[str, Lazy | str]:
    errors: dict[str, Lazy | str] = {}
    if bool(typed["grant"]) == bool(typed["purpose"]):
        errors["grant"] = _("Name either a permission or a purpose.")
    elif typed["grant"]:
        found = grants.find(db, typed["grant"])
        if found is None or not found.is_live:
            errors["grant"] = _("There is no live permission with this number.")
    elif purposes.find(db, typed["purpose"]) is None:
        errors["purpose"] = _("There is no purpose with this ID.")
    if not typed["reason"]:
        errors["reason"] = _("Say why, for the person who has to agree.")
    return errors


def _form(
    request: Request, official: Official, *, errors: Mapping[str, Lazy | str], typed: Mapping[str, str]
) -> Response:
    return show(
        request,
        official,
        "invalidate.html",
        section="purposes",
        status=400 if errors else 200,
        errors=errors,
        typed=typed,
    )
