"""The citizen's pages of signing in: `/login`, `/activate` and `/my/account`."""

from fastapi import APIRouter

from idp.login.pages.account import router as account_router
from idp.login.pages.account_methods import router as account_methods_router
from idp.login.pages.activate import router as activate_router
from idp.login.pages.login import router as login_router

router = APIRouter()
for pages in (login_router, activate_router, account_router, account_methods_router):
    router.include_router(pages)
