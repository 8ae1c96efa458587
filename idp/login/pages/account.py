"""`/my/account`: with what the citizen signs in."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from webauthn.helpers import bytes_to_base64url

from core import pages, sessions
from core.database import Database
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.web import Db, Owner
from idp import accounts
from idp.login import assurance, holding, methods, passkey
from idp.login.methods import Methods
from idp.login.pages import browser, repairing
from registry_sync import people

router = browser.router()
HOME = "/my/account"
AGAIN = f"/login?return_to={HOME}"
REACHES: dict[str, Lazy] = {
    assurance.LOW: _("what needs little certainty that it is you"),
    assurance.SUBSTANTIAL: _("nearly everything"),
    assurance.HIGH: _("everything, also what needs the most certainty that it is you"),
}


@router.get("/my/account")
def show(request: Request, database: Db, me: Owner) -> Response:
    """Show the ways to sign in, or to somebody who came in to repair the account what they can do."""
    if me.kind == sessions.REPAIR:
        return repairing.page(request, database, me)
    return page(request, database, me)


def page(
    request: Request,
    database: Database,
    me: BrowserSession,
    *,
    status: int = 200,
    errors: dict[str, Any] | None = None,
    typed: str | None = None,
) -> Response:
    """Render the page, with what went wrong in it and the name as it was typed."""
    with database.reading() as db:
        account = accounts.find(db, me.subject)
        found = methods.of(db, me.subject)
        name = passkey.shown_name(db, me.subject)
        waits = holding.of(db, me.subject)
    name_now = account.username if account and account.named else ""
    return pages.render(
        request,
        "idp/account.html",
        status=status,
        section="security",
        citizen_id=people.grouped(me.subject),
        username=name_now,
        typed=name_now if typed is None else typed[:254],
        methods=found,
        held_until=waits.ends_at if waits else None,
        proofed_at=account.proofed_at if account else None,
        reach={one.id: REACHES[found.reach(one)] for one in found.passkeys},
        **_for_devices(request.app.state.settings.host, account.handle if account else b"", name, found),
        may_change=methods.may_change(me, found),
        fresh=methods.fresh(me),
        again=AGAIN,
        errors=errors or {},
    )


def _for_devices(rp_id: str, handle: bytes, name: str, found: Methods) -> dict[str, Any]:
    """Return what devices are told about the account, so that they forget passkeys that were removed."""
    whose = {"rpId": rp_id, "userId": bytes_to_base64url(handle)}
    ids = [bytes_to_base64url(one.known.id) for one in found.passkeys if one.suspected_at is None]
    return {
        "accepted": {**whose, "allAcceptedCredentialIds": ids},
        "owner": {**whose, "name": name, "displayName": name},
    }
