"""The provider's pages for people: `/authorize`, `/device`, `/consent`, `/logout`, `/end-session` and `/my/services`."""

from core import web
from idp.oidc.pages import authorization, connecting, consenting, leaving, representing, services

router = web.together(
    page.router for page in (authorization, representing, connecting, consenting, leaving, services)
)
