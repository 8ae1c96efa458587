"""The provider's pages for people: `/authorize`, `/consent`, `/logout` and `/end-session`."""

from fastapi import APIRouter

from idp.oidc.pages import authorization, consenting, leaving

router = APIRouter()
for page in (authorization, consenting, leaving):
    router.include_router(page.router)
