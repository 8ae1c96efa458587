"""The console's front room: what an official's role gives them to look after, in figures."""

from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals
from admin.frame import show
from admin.permissions import AtWork, Official
from consent import agencies, disputes, purposes
from consent.ledger import logs
from core.language import Lazy, _
from core.web import Db
from idp import notify
from idp.staff import accounts
from keys import rotation, signing
from registry_sync import quarantine

router = APIRouter()


@dataclass(frozen=True)
class Figure:
    """One number of the overview, and the room it leads to."""

    name: str
    href: str
    value: int
    words: Lazy


@router.get("/admin")
def overview(request: Request, database: Db, official: AtWork) -> Response:
    """Show what the official's role gives them to look after."""
    with database.reading() as db:
        figures = list(_figures(db, official))
        waiting = approvals.waiting_for(db, official)
    return show(request, official, "overview.html", section="overview", figures=figures, approvals=waiting)


def _figures(db: Session, official: Official) -> list[Figure]:
    found = [
        Figure("agencies", "/admin/agencies", len(agencies.listing(db)), _("agencies")),
        Figure("purposes", "/admin/purposes", len(purposes.listing(db)), _("purposes")),
    ]
    if official.may("disputes-read"):
        late = disputes.count(db, "overdue")
        figure = Figure("disputes", "/admin/disputes?state=overdue", late, _("disputes that are overdue"))
        found.append(figure)
    if official.may("sources-read"):
        found.append(Figure("quarantine", "/admin/sources", _quarantined(db), _("records in quarantine")))
    if official.may("keys-read"):
        signs = sum(key.state == "active" and key.alg in signing.ALGORITHMS for key in rotation.listing(db))
        found.append(Figure("keys", "/admin/keys", signs, _("keys that sign now")))
    if official.may("ledger-read"):
        size = log.size if (log := logs.find(db)) else 0
        found.append(Figure("ledger", "/admin/ledger", size, _("entries in the ledger")))
    if official.may("log-read"):
        lost = notify.backlog(db).given_up
        found.append(Figure("letters", "/admin/log", lost, _("letters to citizens given up in 30 days")))
    if official.may("staff-read"):
        active = sum(member.state == "active" for member in accounts.listing(db))
        found.append(Figure("staff", "/admin/staff", active, _("people who work here")))
    return found


def _quarantined(db: Session) -> int:
    return sum(sum(reasons.values()) for reasons in quarantine.waiting(db).values())
