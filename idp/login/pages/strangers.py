"""`/not-me/…`: the link in a letter by which somebody who is not signed in says that it was not them."""

from starlette.requests import Request
from starlette.responses import Response

from core import pages
from core.events import SYSTEM
from core.web import Db, Form, Here
from idp import disavowals
from idp.errors import LinkOver
from idp.login import devices, places, strangers
from idp.login.pages import browser
from idp.login.pages.sessions import SECURE
from idp.login.strangers import Speaker
from idp.notices.words import NOTICES

router = browser.router()
HOME = "/not-me"


@router.get(HOME + "/{token}")
def ask(request: Request, database: Db, here: Here, token: str) -> Response:
    """Say what the link does, and do nothing: programs that look through mail open links. Raises LinkOver."""
    with database.reading() as db:
        suspect = disavowals.find(db, token)
        session = places.of_sid(db, suspect.citizen_id, suspect.sid) if suspect else None
        letter = suspect is not None and strangers.is_unused_letter(db, suspect)
    if suspect is None:
        raise LinkOver
    return pages.render(
        request,
        "idp/not_me.html",
        notice=NOTICES[suspect.what],
        at=suspect.at,
        device=devices.words(session.user_agent) if session else "",
        near=places.near(database.parts.settings, session.network) if session else None,
        action=f"{HOME}/{token}",
        letter=letter,
    )


@router.post(HOME + "/{token}")
def disavow(request: Request, database: Db, here: Here, form: Form, token: str) -> Response:
    """Use the link up: sign out whoever it was, and say what came of it, here alone. Raises LinkOver."""
    ended = letter = False
    with database.writing() as db:
        suspect = disavowals.spend(db, token)
        if suspect is not None:
            speaker = Speaker(browser.visitor(request), here, letter=True)
            letter = strangers.is_unused_letter(db, suspect)
            end = strangers.end_letter if letter else strangers.put_out
            ended = end(db, suspect, speaker, actor=SYSTEM)
    if suspect is None:
        raise LinkOver
    if letter:
        return pages.render(request, "idp/letter_disowned.html", ended=ended, secure=SECURE)
    # No redirect: a page that says "they are signed out" to whoever opens it would lie.
    return pages.render(request, "idp/not_me_done.html", ended=ended, secure=SECURE)
