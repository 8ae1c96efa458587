"""`/consent`: a citizen reads who asks for what and why, with the values, and decides."""

from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from consent import asking, capacity, mandates
from consent.errors import NotAsked, TextChanged
from core import language, pages, sessions
from core.database import Database
from core.events import Actor
from core.language import Lazy, _
from core.sessions import BrowserSession
from core.web import Db, Form, Here, see_other
from idp.oidc import acting, authorize, interactions, redirects, steps
from idp.oidc.asked import Asked, Refused
from idp.oidc.interactions import Interaction
from idp.oidc.steps import Consent

router = APIRouter()
NOTHING_CHOSEN = _("Switch on at least one of these to allow it, or choose not to allow it.")


@dataclass(frozen=True)
class Sitting:
    """Somebody in front of a question that their interaction has come to; `citizen` is about whom it is."""

    citizen: str
    session: BrowserSession
    asked: Asked
    interaction: Interaction
    step: Consent


@router.get("/consent")
def show(request: Request, database: Db, here: Here, i: str = "") -> Response:
    """Show the question that an interaction has come to; from any other place go back to the dispatcher."""
    return _page(request, database, here, i)


@router.post("/consent")
def decide(request: Request, database: Db, here: Here, form: Form) -> Response:
    """Keep the citizen's word; it is answered when it stands in the ledger."""
    token = form.get("i")
    try:
        with database.writing() as db:
            held = here is not None and sessions.hold(db, here)
            sitting = _sitting(db, token, here) if held else None
            if sitting is None:
                return see_other(interactions.PATH + token)
            mandate = sitting.step.standing.mandate
            if mandate is not None and not mandates.hold(db, mandate):
                return see_other(interactions.PATH + token)
            grant = asking.decided(
                db,
                sitting.step.question,
                form,
                citizen=sitting.citizen,
                client_id=sitting.asked.client.client_id,
                actor=Actor("citizen", sitting.session.subject),
                behalf=mandate,
            )
            word = "declined" if grant.state == "declined" else "given"
            own = sitting.interaction.progress.of(sitting.session.subject)
            interactions.answered(db, token, own, grant.purpose, word)
    except NotAsked:
        return _page(request, database, here, token, error=NOTHING_CHOSEN)
    except TextChanged as changed:
        return _page(request, database, here, token, error=changed.text)
    settings = request.app.state.settings
    database.parts.sequencer.drain(sitting.citizen, timeout=settings.release_deadline_seconds)
    return see_other(interactions.PATH + token)


def _page(
    request: Request,
    database: Database,
    here: BrowserSession | None,
    token: str,
    *,
    error: Lazy | str | None = None,
) -> Response:
    with database.reading() as db:
        sitting = _sitting(db, token, here)
        if sitting is None:
            return see_other(interactions.PATH + token)
        question = sitting.step.question
        barred = None if sitting.step.standing.mandate else capacity.bar(db, sitting.citizen)
        view = asking.view(
            db,
            question,
            citizen=sitting.citizen,
            lang=language.current(),
            behalf=sitting.step.standing.mandate,
        )
    client = sitting.asked.client
    return pages.render(
        request,
        asking.TEMPLATE,
        status=400 if error else 403 if barred else 200,
        form_action=redirects.origins(sitting.asked.redirect_uri),
        view=view,
        action="/consent",
        fields={"i": token},
        barred=barred.text if barred else "",
        refusal=barred.code if barred else "",
        errors={"": error} if error else {},
        client_name=client.name,
        client_uri=client.uri,
    )


def _sitting(db: Session, token: str, here: BrowserSession | None) -> Sitting | None:
    """Return where an interaction stands if it stands at a question, looked at anew."""
    found = interactions.find(db, token)
    if found is None or here is None:
        return None
    asked = authorize.resumed(db, found)
    if isinstance(asked, Refused):
        return None
    step = steps.next_step(db, acting.Here(asked, found.progress, found.began_at, here))
    return Sitting(step.standing.citizen, here, asked, found, step) if isinstance(step, Consent) else None
