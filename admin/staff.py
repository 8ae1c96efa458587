"""The staff's room: who works here, invitations, suspensions."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from admin import approvals
from admin.errors import NotYourself
from admin.frame import show
from admin.permissions import POWERFUL, ManagesStaff, Official, ReadsStaff
from core import limits
from core.database import Database
from core.errors import TooMany
from core.language import Lazy, _
from core.web import Db, Form, see_other
from idp.staff import accounts

router = APIRouter(prefix="/admin/staff")
SUSPENSIONS_AN_HOUR = 5
DUTIES = (
    ("registrar", _("Registrar"), _("Works on records in quarantine, helps citizens, proposes purposes.")),
    ("support", _("Support"), _("Helps citizens; what is looked at stands in their history.")),
    ("clerk", _("Clerk"), _("Serves people at a counter; sees what each of them confirms, once.")),
    ("auditor", _("Auditor"), _("Reads the log and checks the ledger; changes nothing.")),
    ("key-officer", _("Key officer"), _("Changes keys out of schedule, with a second key officer.")),
    ("administrator", _("Administrator"), _("Invites and suspends people; sees no citizen's data.")),
)


@router.get("")
def staff(request: Request, database: Db, official: ReadsStaff) -> Response:
    """Show everybody who works here."""
    return _page(request, database, official, errors={}, typed={"name": "", "role": "", "reason": ""})


@router.post("/invite")
def invite(request: Request, database: Db, official: ManagesStaff, form: Form) -> Response:
    """Invite a person; to a powerful role only when a second administrator agrees."""
    typed = {name: form.get(name) for name in ("name", "role", "reason")}
    errors: dict[str, Lazy] = {}
    if not typed["name"]:
        errors["name"] = _("Write the person's full name.")
    if typed["role"] not in accounts.ROLES:
        errors["role"] = _("Choose a role.")
    if typed["role"] in POWERFUL and not typed["reason"]:
        errors["reason"] = _("Say why, for the person who has to agree.")
    if errors:
        return _page(request, database, official, errors=errors, typed=typed)
    with database.writing() as db:
        member = accounts.propose(db, typed["name"], typed["role"])
        if typed["role"] in POWERFUL:
            approvals.ask(db, "invite-staff", {"staff": member.id}, reason=typed["reason"], official=official)
            invitation = None
        else:
            invitation = accounts.open_invitation(db, member, actor=official.actor)
    if invitation is None:
        return see_other("/admin/approvals")
    return show_invitation(request, official, member, invitation.token)


@router.post("/{member_id}/suspend")
def suspend(database: Db, official: ManagesStaff, _form: Form, member_id: str) -> Response:
    """Suspend a person at once: their sessions end with this answer."""
    if member_id == official.id:
        raise NotYourself
    with database.writing() as db:
        wait = limits.hit(db, "staff.suspend", official.id, most=SUSPENSIONS_AN_HOUR, per_seconds=3600)
    if wait:
        raise TooMany(_("This was done very often in a short time. Wait a while."), retry_after=wait)
    with database.writing() as db:
        accounts.suspend(db, accounts.read(db, member_id), actor=official.actor)
    return see_other("/admin/staff")


def show_invitation(request: Request, official: Official, member: accounts.Member, token: str) -> Response:
    """Show an invitation's link, this once."""
    link = f"{request.app.state.settings.issuer}/staff/join?invitation={token}"
    return show(request, official, "invitation.html", section="staff", member=member, link=link)


def _page(
    request: Request,
    database: Database,
    official: Official,
    *,
    errors: dict[str, Lazy],
    typed: dict[str, str],
) -> Response:
    with database.reading() as db:
        everybody = accounts.listing(db)
    return show(
        request,
        official,
        "staff.html",
        section="staff",
        status=400 if errors else 200,
        staff=everybody,
        roles=DUTIES,
        errors=errors,
        typed=typed,
    )
