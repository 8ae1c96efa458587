"""How a page of the console is shown: with its official, and a way to every room that the role opens."""

from typing import Annotated, Any

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from admin.permissions import Official
from consent import showing
from core import pages
from core.language import _

# Numbers in an address, kept within what both engines count to.
MOST = 2**62
Number = Annotated[int, Query(ge=0, le=MOST)]
Place = Annotated[int, Path(ge=0, le=MOST)]

# name, address, permission, words
ROOMS = (
    ("overview", "/admin", "console", _("Overview")),
    ("citizens", "/admin/citizens", "citizen-look", _("Citizens")),
    ("desk", "/desk", "desk-work", _("Desk")),
    ("accounts", "/admin/accounts", "accounts-suspend", _("Accounts")),
    ("refusals", "/admin/refusals", "refusals-read", _("Reference numbers")),
    ("letters", "/desk/letters", "letters-print", _("Letters")),
    ("cards", "/desk/cards", "cards-issue", _("Cards")),
    ("lost-cards", "/desk/cards/block", "cards-block", _("Lost cards")),
    ("agencies", "/admin/agencies", "agencies-read", _("Agencies")),
    ("purposes", "/admin/purposes", "agencies-read", _("Purposes")),
    ("disputes", "/admin/disputes", "disputes-read", _("Disputes")),
    ("sources", "/admin/sources", "sources-read", _("Sources")),
    ("keys", "/admin/keys", "keys-read", _("Keys")),
    ("ledger", "/admin/ledger", "ledger-read", _("Ledger")),
    ("erasures", "/admin/erasures", "erasures-read", _("Erasures")),
    ("log", "/admin/log", "log-read", _("Log")),
    ("approvals", "/admin/approvals", "console", _("Second person")),
    ("staff", "/admin/staff", "staff-read", _("Staff")),
)


def show(
    request: Request, official: Official, template: str, *, section: str, status: int = 200, **context: Any
) -> Response:
    """Render a page of the console; `section` names the room it stands in."""
    return pages.render(
        request,
        f"admin/{template}",
        status=status,
        official=official,
        rooms=[room for room in ROOMS if official.may(room[2])],
        section=section,
        showing=showing,
        **context,
    )
