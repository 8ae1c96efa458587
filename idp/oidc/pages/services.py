"""`/my/services`: the sites at which a citizen can sign in, begun from here (OpenID Connect Core 1.0, section 4)."""

from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from consent import agencies
from core import language, pages
from core.web import Citizen, Db
from idp.oidc import clients, redirects

router = APIRouter()


@dataclass(frozen=True)
class Service:
    """One site: its own name and its agency's, and the address that begins a sign-in there."""

    name: str
    agency: str
    begin: str


@router.get("/my/services")
def show(request: Request, database: Db, me: Citizen) -> Response:
    """Show the sites that let a sign-in begin at Erti, by agency."""
    with database.reading() as db:
        found = _services(db, request.app.state.settings.issuer, language.current())
    return pages.render(request, "idp/oidc_services.html", services=found)


def _services(db: Session, issuer: str, lang: str) -> list[Service]:
    """Return the sites of active agencies that registered `initiate_login_uri`; `iss` tells them who sends.

    Nobody's name goes with it: who signs in is found out at Erti.
    """
    known = {agency.id: agency for agency in agencies.listing(db)}
    found = []
    for client in clients.listing(db):
        agency = known.get(client.agency)
        if client.initiate_login_uri and client.is_active and agency is not None and agency.state == "active":
            begin = redirects.extended(client.initiate_login_uri, {"iss": issuer})
            found.append(Service(client.name, agency.name(lang), begin))
    return sorted(found, key=lambda one: (one.agency, one.name))
