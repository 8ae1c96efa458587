"""The second person's room: requests that wait for somebody else, and those that are decided."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals
from admin.errors import NotYourRole
from admin.frame import show
from admin.permissions import AtWork
from admin.staff import show_invitation
from core.web import Db, Form, see_other
from idp.staff import accounts

router = APIRouter(prefix="/admin/approvals")


@router.get("")
def requests(request: Request, database: Db, official: AtWork) -> Response:
    """Show the requests of the last days."""
    with database.reading() as db:
        found = [
            one
            for one in approvals.listing(db)
            if one.asked_by == official.id or official.may(approvals.DEEDS[one.action].permission)
        ]
        mine = {one.id for one in approvals.waiting_for(db, official)}
        people = {member.id: member for member in accounts.listing(db)}
    return show(
        request, official, "approvals.html", section="approvals", requests=found, mine=mine, people=people
    )


@router.post("/{approval_id}/agree")
def agree(request: Request, database: Db, official: AtWork, _form: Form, approval_id: str) -> Response:
    """Agree to somebody else's request; it is done in the same moment."""
    with database.writing() as db:
        wanted = approvals.read(db, approval_id)
        _may_decide(official, wanted)
        token = approvals.agree(db, wanted, official=official)
        member = accounts.read(db, wanted.subject["staff"]) if token else None
    if member:
        return show_invitation(request, official, member, token)
    return see_other("/admin/approvals")


@router.post("/{approval_id}/refuse")
def refuse(database: Db, official: AtWork, _form: Form, approval_id: str) -> Response:
    """Refuse a request, or take one's own back."""
    with database.writing() as db:
        wanted = approvals.read(db, approval_id)
        if wanted.asked_by != official.id:
            _may_decide(official, wanted)
        approvals.refuse(db, wanted, official=official)
    return see_other("/admin/approvals")


def _may_decide(official: AtWork, wanted: approvals.Approval) -> None:
    permission = approvals.DEEDS[wanted.action].permission
    if not official.may(permission):
        raise NotYourRole(detail=permission)
