"""The citizen's pages of signing in: `/login`, `/activate`, `/my/account`, `/my/sessions`, `/not-me` and `/try`."""

from core import web
from idp.login.pages import (
    account,
    account_card,
    account_methods,
    activate,
    card,
    leaving,
    login,
    repairing,
    sessions,
    shut,
    stepup,
    strangers,
    trying,
)

router = web.together(
    page.router
    for page in (
        login,
        stepup,
        card,
        activate,
        account,
        account_methods,
        leaving,
        account_card,
        repairing,
        sessions,
        shut,
        strangers,
        trying,
    )
)
