"""The citizen's pages of signing in: `/login`, `/activate`, `/my/account`, `/my/sessions` and `/not-me`."""

from fastapi import APIRouter

from idp.login.pages.account import router as account_router
from idp.login.pages.account_card import router as account_card_router
from idp.login.pages.account_methods import router as account_methods_router
from idp.login.pages.activate import router as activate_router
from idp.login.pages.card import router as card_router
from idp.login.pages.leaving import router as leaving_router
from idp.login.pages.login import router as login_router
from idp.login.pages.repairing import router as repairing_router
from idp.login.pages.sessions import router as sessions_router
from idp.login.pages.shut import router as shut_router
from idp.login.pages.stepup import router as stepup_router
from idp.login.pages.strangers import router as strangers_router

router = APIRouter()
for pages in (
    login_router,
    stepup_router,
    card_router,
    activate_router,
    account_router,
    account_methods_router,
    leaving_router,
    account_card_router,
    repairing_router,
    sessions_router,
    shut_router,
    strangers_router,
):
    router.routes += pages.routes
