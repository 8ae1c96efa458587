"""`/authorize`: an authorization request arrives, is stored, and is led from step to step to its answer."""

from urllib.parse import urlencode

from fastapi import APIRouter
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from consent import grants, mandates, receipts
from core import clock, forms, limits, pages, sessions
from core.database import Database
from core.errors import TooMany
from core.sessions import BrowserSession
from core.web import Db, Form, Here, RawForm, chosen_language, network, see_other, set_language
from idp.oidc import (
    acting,
    answers,
    authorize,
    binding,
    details,
    devices,
    effective,
    encryption,
    families,
    handles,
    interactions,
    pushed,
    steps,
    tokens,
)
from idp.oidc.asked import Arrived, Asked, Refused
from idp.oidc.errors import InteractionOver
from idp.oidc.handles import Handle
from idp.oidc.interactions import Progress
from idp.oidc.pages import representing, sending
from idp.oidc.steps import Choose, Consent, ForWhom, Issue, Login, Recognise, Refuse, Step
from registry_sync import people

router = APIRouter()
# Anybody may begin one, and it is kept for a while; a whole mobile network may stand behind one address.
STORED_AT_MOST = 3_000
STORED_WITHIN_SECONDS = 600


@router.get("/authorize")
def arrive(request: Request, database: Db, here: Here) -> Response:
    """Take an authorization request and do what comes next; where nothing has to be asked, answer at once."""
    began_at = clock.now()
    came = effective.of(database, forms.parse(request.scope["query_string"]))
    with database.reading() as db:
        asked = _examined(db, came)
        if isinstance(asked, Refused):
            return sending.error(request, asked.asked, asked.error, asked.description)
        step = steps.next_step(db, acting.Here(asked, Progress(), began_at, here))
    interaction = ""
    if isinstance(step, Login | Choose | ForWhom | Consent):
        interaction = _store(request, database, asked)
    return _in_its_language(request, asked, _take(request, database, asked, step, interaction, here))


@router.post("/authorize")
def arrive_by_form(request: Request, database: Db, form: RawForm) -> Response:
    """Store a request that another site posted and go on with a GET, which carries the session's cookie (DESIGN 8)."""
    came = effective.of(database, form)
    with database.reading() as db:
        asked = _examined(db, came)
    if isinstance(asked, Refused):
        return sending.error(request, asked.asked, asked.error, asked.description)
    interaction = _store(request, database, asked)
    return _in_its_language(request, asked, see_other(interactions.PATH + interaction))


@router.get("/authorize/{interaction}")
def dispatch(request: Request, database: Db, here: Here, interaction: str) -> Response:
    """Find the next step of an interaction; every step returns here."""
    with database.reading() as db:
        found = interactions.find(db, interaction)
        if found is None:
            raise InteractionOver
        asked = authorize.resumed(db, found)
        if isinstance(asked, Refused):
            return sending.error(request, asked.asked, asked.error, asked.description)
        step = steps.next_step(db, acting.Here(asked, found.progress, found.began_at, here))
    return _take(request, database, asked, step, interaction, here)


@router.post("/authorize/{interaction}/account")
def choose(database: Db, here: Here, form: Form, interaction: str) -> Response:
    """Keep that a person goes on with the account they are signed in to."""
    with database.writing() as db:
        found = interactions.find(db, interaction)
        if found is not None and here is not None:
            interactions.chose(db, interaction, found.progress.of(here.subject))
    return see_other(interactions.PATH + interaction)


@router.post("/authorize/{interaction}/leave")
def leave(request: Request, database: Db, here: Here, form: Form, interaction: str) -> Response:
    """Go back to the client without the sign-in that it wants, because the person cannot or does not want to."""
    with database.reading() as db:
        found = interactions.find(db, interaction)
        if found is None:
            raise InteractionOver
        asked = authorize.resumed(db, found)
        if isinstance(asked, Refused):
            return sending.error(request, asked.asked, asked.error, asked.description)
        step = steps.next_step(db, acting.Here(asked, found.progress, found.began_at, here))
    if not isinstance(step, Login):
        return see_other(interactions.PATH + interaction)
    signed_in = here is not None and here.kind == sessions.CITIZEN and not step.fresh
    error = "unmet_authentication_requirements" if signed_in else "login_required"
    no = Refuse(error, "the person went back without the sign-in that is wanted")
    return _take(request, database, asked, no, interaction, here)


def _examined(db: Session, came: Arrived) -> Asked | Refused:
    return authorize.examine(db, came.posted, pushed=came.pushed, signed=came.signed, unread=came.unread)


def _store(request: Request, database: Database, asked: Asked) -> str:
    """Keep a request and return its interaction; raises TooMany when one network sends too many."""
    with database.writing() as db:
        wait = limits.hit(
            db, "authorize", network(request), most=STORED_AT_MOST, per_seconds=STORED_WITHIN_SECONDS
        )
        if wait:
            raise TooMany(retry_after=wait)
        return interactions.begin(
            db, asked.client.client_id, asked.posted, pushed=asked.pushed, signed=asked.signed
        )


def _take(
    request: Request,
    database: Database,
    asked: Asked,
    step: Step,
    interaction: str,
    here: BrowserSession | None,
) -> Response:
    if isinstance(step, Login):
        return see_other(_login(step, interaction))
    if isinstance(step, Choose):
        return _account_page(request, asked, interaction, here)
    if isinstance(step, ForWhom):
        return representing.page(request, database, asked, step, interaction)
    if isinstance(step, Recognise):
        return see_other(f"/device/confirm?{urlencode({'i': interaction})}")
    if isinstance(step, Consent):
        return see_other(f"/consent?{urlencode({'i': interaction})}")
    if isinstance(step, Refuse) or here is None:
        _finish(database, asked, interaction)
        refuse = step if isinstance(step, Refuse) else Refuse("login_required", "nobody is signed in")
        entry = _a_no(database, asked, refuse) if refuse.error == "access_denied" else ""
        return sending.error(request, asked, refuse.error, refuse.description, receipt=entry)
    code = encryption.with_keys(database, lambda: _issue(database, asked, step, interaction, here))
    if code is None:
        return see_other(_again(request))
    return see_other("/device/connected") if asked.device else sending.back(request, asked, {"code": code})


def _a_no(database: Database, asked: Asked, refuse: Refuse) -> str:
    """Return the entry of the "no" that an answer is about, so that the agency can ask for its receipt."""
    if not refuse.citizen or asked.purpose is None:
        return ""
    with database.reading() as db:
        return receipts.of_a_no(
            db, citizen=refuse.citizen, agency=asked.purpose.agency, purpose=asked.purpose.id
        )


def _login(step: Login, interaction: str) -> str:
    # The page itself looks up who the client thinks its user is: no name stands in an address.
    query = {"return_to": interactions.PATH + interaction, "acr": step.acr}
    return f"/login?{urlencode(query | ({'fresh': '1'} if step.fresh else {}))}"


def _issue(
    database: Database, asked: Asked, step: Issue, interaction: str, here: BrowserSession
) -> str | None:
    """Return the code (none for a device, which has one), or None if the session is over, or a grant that it would rely on is changing at this moment."""
    citizen, mandate = step.standing.citizen, step.standing.mandate
    with database.writing() as db:
        if not sessions.hold(db, here):  # it was read a moment ago, and whoever ends it ends what hangs on it
            return None
        if mandate is not None and not mandates.hold(db, mandate):  # so does whoever ends the mandate
            return None
        answers.see_to_keys(db, asked)
        try:
            held = handles.hold(db, asked.client, citizen, action=asked.action, grant_id=asked.grant_id)
        except LookupError:  # it ended a moment ago
            return None
        # Held until this commits: a withdrawal that comes next finds the family and ends it.
        if any(state != "ok" for state in grants.relied_on(db, step.grants).values()):
            return None
        if interaction and not interactions.finish(db, interaction):
            raise InteractionOver
        if asked.pushed and not pushed.use(db, asked.pushed):  # another tab was first
            raise InteractionOver
        consents = [grant_id for grant_id, _version in step.grants]
        family = families.begin(
            db,
            asked.client,
            here,
            scopes=step.scopes,
            attributes=asked.attributes | asked.beyond,
            resources=asked.resources,
            nonce=asked.nonce,
            grants=consents,
            details=details.stored(asked.details),
            acting=mandate,
            grant_id=_handle(db, held, asked, step, consents),
        )
        if asked.device:
            if not devices.approve(db, asked.device, family):  # it expired, or somebody else decided
                raise InteractionOver
            return ""
        return tokens.issue_code(
            db,
            family,
            redirect_uri=asked.redirect_uri,
            challenge=asked.challenge,
            cnf={binding.KEY: asked.jkt} if asked.jkt else None,
        )


def _handle(
    db: Session,
    held: Handle | None,
    asked: Asked,
    step: Issue,
    consents: list[str],
) -> str | None:
    """Return the client's handle on what was agreed, made or changed as it asked; a public client has none."""
    if asked.client.is_public or not (consents or asked.action):
        return None
    scopes, citizen = step.scopes, step.standing.citizen
    return handles.settle(
        db, held, asked.client, citizen, action=asked.action, scopes=scopes, consents=consents
    )


def _finish(database: Database, asked: Asked, interaction: str) -> None:
    """End an interaction whose answer is a "no"; a pushed request has been answered by that as by a code."""
    if interaction:
        with database.writing() as db:
            interactions.finish(db, interaction)
            if asked.pushed:
                pushed.use(db, asked.pushed)


def _account_page(request: Request, asked: Asked, interaction: str, here: BrowserSession | None) -> Response:
    return pages.render(
        request,
        "idp/oidc_account.html",
        interaction=interaction,
        name=asked.client.name,
        citizen=people.grouped(here.subject) if here else "",
        login=_login(Login(asked.acr), interaction),
    )


def _in_its_language(request: Request, asked: Asked, response: Response) -> Response:
    """Remember the client's `ui_locales` for the pages that follow, unless the person has chosen a language."""
    offered = request.app.state.settings.languages
    wanted = [tag.partition("-")[0].lower() for tag in asked.given("ui_locales").split()[:10]]
    language = next((tag for tag in wanted if tag in offered), None)
    if language and chosen_language(request) is None:
        set_language(request, response, language)
    return response


def _again(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
