"""The provider's pages for people: `/authorize`, `/consent`, `/logout`, `/end-session` and `/my/services`."""

from fastapi import APIRouter

from idp.oidc.pages import authorization, consenting, leaving, services

router = APIRouter()
for page in (authorization, consenting, leaving, services):
    router.include_router(page.router)
