"""`/my/sessions`: where the citizen is signed in, what happened lately, and what to do if it was somebody else."""

from typing import Any

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from consent import grants, history, mandates
from consent.history import Filter, HistoryEntry
from core import pages, sessions
from core.database import parts
from core.errors import Missing
from core.events import Actor
from core.sessions import BrowserSession
from core.web import Citizen, Db, Form, network, see_other
from idp import accounts, atlas
from idp.disavowals import Suspect
from idp.login import devices, factors, methods, places, strangers
from idp.login.pages import browser
from idp.login.strangers import Speaker
from idp.notices import reach
from idp.oidc import clients, families

router = browser.router()
HOME = "/my/sessions"
SECURE = f"{HOME}/secure"
GROUPS = ("sign-in", "account")
LATELY = 10
# Of these groups, what only follows from something else, or was not done in the citizen's account.
NOT_SHOWN = ("session-ended", "disavowed")
# What somebody else can have done who got in.
SUSPICIOUS = (
    "session-began",
    "signed-in",
    "device-signed-in",
    "recovery-code-used",
    strangers.PRINTED,
    "account-activated",
    "sign-in-name-changed",
    "passkey-added",
    "passkey-renamed",
    "passkey-removed",
    "password-set",
    "password-removed",
    "totp-added",
    "recovery-codes-made",
    "card-issued",
    "card-used",
    "card-pin-changed",
    "card-blocked",
    "card-removed",
    "contact-added",
    "contact-removed",
    "reentry-chosen",
    "alerts-changed",
    "hold-began",
    "reentry-begun",
)


@router.get(HOME)
def show(request: Request, database: Db, me: Citizen) -> Response:
    """Show each session in words, and what happened in the account lately."""
    history.settle(database, me.subject)
    here = network(request)
    with database.reading() as db:
        found = [_session(db, one, me, here) for one in sessions.of(db, me.subject) if one.is_citizens]
        lately = _lately(db, me.subject)
    return pages.render(
        request,
        "idp/sessions.html",
        section="security",
        sessions=found,
        lately=[(one, one.kind in SUSPICIOUS) for one in lately],
        atlas=atlas.of(database.parts.settings),
    )


@router.post(HOME + "/end")
def end_others(request: Request, database: Db, me: Citizen, form: Form) -> Response:
    """End every session of the citizen but this one, and forget every other browser."""
    with database.writing() as db:
        methods.shut_others_out(db, me, browser.visitor(request), reason="ended-elsewhere")
    return see_other(HOME)


@router.post(HOME + "/{sid}/end")
def end(database: Db, me: Citizen, form: Form, sid: str) -> Response:
    """End one of the citizen's sessions; another's, or one that is over, is left alone."""
    with database.writing() as db:
        if session := _mine(db, me, sid):
            accounts.end_session(db, session, reason="ended-elsewhere", actor=_self(me))
    return see_other(HOME)


@router.post(HOME + "/{sid}/not-me")
def disavow_session(request: Request, database: Db, me: Citizen, form: Form, sid: str) -> Response:
    """Sign somebody else out and lead on to what to secure; of one that is over nothing is known any more."""
    with database.writing() as db:
        if session := _mine(db, me, sid):
            suspect = Suspect(me.subject, "session", session.created_at, sid=session.sid)
            strangers.put_out(db, suspect, Speaker(browser.visitor(request), me), actor=_self(me))
    return see_other(SECURE)


@router.get(HOME + "/activity/{event_id}")
def ask(request: Request, database: Db, me: Citizen, event_id: str) -> Response:
    """Say what saying "this was not me" about an entry of the history does. Raises EntryUnknown, Missing."""
    with database.reading() as db:
        found = _suspicious(db, me, event_id)
        session = places.of_sid(db, me.subject, _sid(found))
        place = places.words(parts(db).settings, session.network, network(request)) if session else ""
    return pages.render(
        request,
        "idp/disavow.html",
        section="security",
        entry_of=found,
        letter=found.kind == strangers.PRINTED,
        device=devices.words(session.user_agent) if session else "",
        place=place,
    )


@router.post(HOME + "/activity/{event_id}")
def disavow(request: Request, database: Db, me: Citizen, form: Form, event_id: str) -> Response:
    """Sign out whoever did what an entry tells, and lead on to what to secure. Raises EntryUnknown, Missing."""
    with database.writing() as db:
        found = _suspicious(db, me, event_id)
        sid = _sid(found)
        suspect = Suspect(me.subject, found.kind, found.at or me.created_at, sid="" if sid == me.sid else sid)
        letter = strangers.is_unused_letter(db, suspect)
        end = strangers.end_letter if letter else strangers.put_out
        ended = end(db, suspect, Speaker(browser.visitor(request), me), actor=_self(me))
    if letter:
        return pages.render(request, "idp/letter_disowned.html", ended=ended, secure=SECURE)
    return see_other(SECURE)


@router.get(SECURE)
def secure(request: Request, database: Db, me: Citizen) -> Response:
    """Lead through what to secure after somebody else was in the account."""
    with database.reading() as db:
        found = methods.of(db, me.subject)
        others = sum(one.is_citizens and one.sid != me.sid for one in sessions.of(db, me.subject))
        whose = accounts.find(db, me.subject)
        contacts = reach.kept(db, me.subject)
        permissions = any(one.is_live for one in grants.of(db, me.subject))
        acting = any(one.is_given or one.is_open for one in mandates.given_by(db, me.subject))
    return pages.render(
        request,
        "idp/secure.html",
        section="security",
        methods=found,
        others=others,
        fresh=methods.fresh(me),
        contacts=contacts,
        name=whose.username if whose and whose.named else "",
        mandates=acting,
        permissions=permissions,
    )


def _session(db: Session, one: BrowserSession, me: BrowserSession, here: str) -> dict[str, Any]:
    client_ids = {client_id for _citizen, client_id in families.of_session(db, one.sid)}
    names = {client.name for each in client_ids if (client := clients.find(db, each))}
    return {
        "sid": one.sid,
        "here": one.sid == me.sid,
        "device": devices.words(one.user_agent),
        "place": places.words(parts(db).settings, one.network, here),
        "since": one.created_at,
        "seen": one.last_seen_at,
        "ends": one.ends_at,
        "factors": factors.words(one.amr),
        "agencies": sorted(names),
    }


def _lately(db: Session, citizen_id: str) -> list[HistoryEntry]:
    found = [
        one
        for group in GROUPS
        for one in history.entries(db, citizen_id, only=Filter(group=group), size=2 * LATELY)[0]
        if one.at is not None and one.kind not in NOT_SHOWN
    ]
    return sorted(found, key=lambda one: (one.log, one.seq), reverse=True)[:LATELY]


def _suspicious(db: Session, me: BrowserSession, event_id: str) -> HistoryEntry:
    found = history.one(db, me.subject, event_id)
    if found.kind not in SUSPICIOUS or found.at is None:
        raise Missing(detail="nothing that a stranger does")
    return found


def _sid(entry: HistoryEntry) -> str:
    """Return which session an entry tells of, if it tells of one."""
    return str(entry.data.get("sid", "")) if entry.kind == "session-began" else ""


def _mine(db: Session, me: BrowserSession, sid: str) -> BrowserSession | None:
    return places.of_sid(db, me.subject, sid)


def _self(me: BrowserSession) -> Actor:
    return Actor("citizen", me.subject)
