"""The provider's pages for people: `/authorize`, `/device`, `/consent`, `/logout`, `/end-session` and `/my/services`."""

from fastapi import APIRouter

from idp.oidc.pages import authorization, connecting, consenting, leaving, representing, services

router = APIRouter()
for page in (authorization, representing, connecting, consenting, leaving, services):
    router.routes += page.router.routes
