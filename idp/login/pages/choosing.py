"""The two pages on which somebody chooses a password and sets up an app, with a letter or in their account."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core import pages
from core.language import _
from idp.login import password, totp
from idp.login.stages import Stage
from registry_sync import people

WRONG_CODE = _("That code is not right. Check that your app shows “Erti” and enter the code it shows now.")


def password_page(
    request: Request,
    citizen_id: str,
    *,
    action: str,
    name: str = "",
    activating: bool = False,
    errors: dict[str, Any] | None = None,
) -> Response:
    """Show the form for a password, which goes to `action`; whoever is `activating` may choose a name as well."""
    return pages.render(
        request,
        "idp/choose_password.html",
        status=400 if errors else 200,
        action=action,
        username=name,
        citizen_id=people.grouped(citizen_id),
        shortest=password.SHORTEST,
        activating=activating,
        errors=errors or {},
    )


def app_page(
    request: Request,
    stage: Stage,
    *,
    action: str,
    activating: bool = False,
    errors: dict[str, Any] | None = None,
) -> Response:
    """Show the secret that a stage keeps, as a picture and as letters, and ask for the app's first code."""
    return pages.render(
        request,
        "idp/app.html",
        status=400 if errors else 200,
        action=action,
        setup=totp.setup(stage.data["secret"], name=people.grouped(stage.citizen_id)),
        activating=activating,
        errors=errors or {},
    )
