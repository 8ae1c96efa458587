"""The citizen's pages of signing in: `/login`, `/logout`, `/activate` and `/my/account`."""

from fastapi import APIRouter

from idp.login.pages.account import router as account
from idp.login.pages.account_methods import router as account_methods
from idp.login.pages.activate import router as activate
from idp.login.pages.login import router as login
from idp.login.pages.logout import router as logout

router = APIRouter()
for pages in (login, logout, activate, account, account_methods):
    router.include_router(pages)
