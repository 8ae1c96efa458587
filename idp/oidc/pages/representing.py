"""The page "For whom are you here?": whoever may act for others says so each time; nothing is chosen for them."""

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from consent import disclosure, errands
from core import pages, sessions
from core.database import Database
from core.web import Db, Form, Here, see_other
from idp.oidc import acting, authorize, interactions
from idp.oidc.asked import Asked, Refused
from idp.oidc.steps import ForWhom
from registry_sync import people

router = APIRouter()


@dataclass(frozen=True)
class Choice:
    """One person to act for: the mandate, their name and citizen ID, and on what ground."""

    mandate: str
    name: str
    citizen: str
    why: str
    until: object


@router.post("/authorize/{interaction}/for")
def choose(database: Db, here: Here, form: Form, interaction: str) -> Response:
    """Keep for whom a person is here, if it is one of those they may act for at this moment."""
    word = form.get("for")
    with database.writing() as db:
        found = interactions.find(db, interaction)
        if found is not None and here is not None and here.kind == sessions.CITIZEN:
            asked = authorize.resumed(db, found)
            if not isinstance(asked, Refused):
                stands = acting.Here(asked, found.progress, found.began_at, here)
                others, myself = acting.open_to(db, stands)
                known = {one.id for one in others} | ({acting.MYSELF} if myself else set())
                if word in known:
                    interactions.acts(db, interaction, stands.done, word)
    return see_other(interactions.PATH + interaction)


def page(request: Request, database: Database, asked: Asked, step: ForWhom, interaction: str) -> Response:
    """Show the page: oneself first, then each person by name, with the reason."""
    with database.reading() as db:
        found = [
            Choice(
                one.id,
                disclosure.called(db, one),
                people.grouped(one.giver),
                errands.ground(vars(one)),
                one.expires_at if one.has_end else None,
            )
            for one in step.mandates
        ]
    return pages.render(
        request,
        "idp/oidc_for_whom.html",
        interaction=interaction,
        name=asked.client.name,
        myself=step.myself,
        gone=step.gone,
        choices=sorted(found, key=lambda one: one.name),
    )
