"""The room of accounts: suspended and reinstated by two people, with a reason that the citizen reads."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals
from admin.frame import show
from admin.permissions import Official, SuspendsAccounts
from core.language import Lazy, _
from core.web import Db, Form, see_other
from idp import accounts
from idp.accounts import SUSPENDED
from registry_sync import people

router = APIRouter(prefix="/admin/accounts")
LONGEST_REASON = 500
DEEDS = {"suspend": "suspend-account", "reinstate": "reinstate-account"}


@router.get("")
def ask(request: Request, official: SuspendsAccounts) -> Response:
    """Show the form on which a suspension, or the end of one, is asked for."""
    return _page(request, official, typed={}, errors={})


@router.post("")
def wish(request: Request, database: Db, official: SuspendsAccounts, form: Form) -> Response:
    """Ask a second person to agree that an account is suspended, or is not any more."""
    typed = {name: form.get(name) for name in ("citizen", "deed", "why")}
    citizen = people.compact(typed["citizen"])
    errors: dict[str, Lazy] = {}
    if citizen is None:
        errors["citizen"] = _("This is not a citizen ID. Check each character; the last one is a check.")
    if typed["deed"] not in DEEDS:
        errors["deed"] = _("Choose what is to be done.")
    if not 0 < len(typed["why"]) <= LONGEST_REASON:
        errors["why"] = _("Say why, in words that the citizen understands. They will read it.")
    if not errors:
        with database.writing() as db:
            account = accounts.find(db, citizen or "")
            suspended = account is not None and SUSPENDED in account.locks
            fits = account is not None and suspended == (typed["deed"] == "reinstate")
            if fits:
                subject = {"citizen": citizen, "why": typed["why"]}
                approvals.ask(db, DEEDS[typed["deed"]], subject, reason=typed["why"], official=official)
        if fits:
            return see_other("/admin/approvals")
        errors["deed"] = _("There is no account, or it is as you wish already.")
    return _page(request, official, typed=typed, errors=errors)


def _page(
    request: Request, official: Official, *, typed: Mapping[str, str], errors: Mapping[str, Lazy]
) -> Response:
    return show(
        request,
        official,
        "accounts.html",
        section="accounts",
        status=400 if errors else 200,
        typed={name: typed.get(name, "") for name in ("citizen", "deed", "why")},
        errors=errors,
    )
