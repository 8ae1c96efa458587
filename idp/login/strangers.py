"""What follows when a citizen says of a sign-in or a change: this was not me."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from core import sessions
from core.database import parts
from core.events import Actor, record
from core.sessions import BrowserSession
from idp import accounts, notify
from idp.disavowals import Suspect
from idp.events import Disavowed
from idp.login import activation, card, devices, holding, objections, stages, waits
from idp.login.devices import Visitor

PRINTED = "activation-code-made"
LETTERS = frozenset({PRINTED, activation.WAITS, *activation.MADE.values()})


@dataclass(frozen=True)
class Speaker:
    """Who says it: from which browser, in which session of the citizen's if in any, or by the link in a letter."""

    visitor: Visitor
    session: BrowserSession | None = None
    letter: bool = False


def put_out(db: Session, suspect: Suspect, speaker: Speaker, *, actor: Actor) -> bool:
    """Sign the stranger out, with every token, and forget the browser; tell whether anybody was still signed in.

    It is recorded, and told to the citizen.

    Where it is known which browser it was, only that one goes. Else every session does but the speaker's own, and
    each browser is forgotten that signed in since the longest-lived session that can have done it began. Whoever waits
    to come back by e-mail is stopped, what was set up after a recovery code goes while it is held back, and a card printed
    since then is blocked (`card.disavow`). No other way of signing in is touched: whoever found an old letter can sign the
    owner out, once, and lock nobody out who has another way in.
    """
    citizen_id = suspect.citizen_id
    accounts.hold(db, citizen_id)
    device = suspect.device or devices.of_session(db, citizen_id, suspect.sid)
    here = speaker.session if speaker.session and speaker.session.subject == citizen_id else None
    live = {one.sid for one in sessions.of(db, citizen_id)}
    mine = [one for one in sessions.every(db, citizen_id) if one.is_citizens]
    since, began = None, suspect.at - timedelta(seconds=parts(db).settings.session_seconds)
    if device:
        named = {suspect.sid, devices.forget_one(db, citizen_id, device)}
        ending = [one for one in mine if one.sid in named]
    else:
        since = began
        devices.forget_since(db, citizen_id, since, keep=speaker.visitor)
        ending = [one for one in mine if here is None or one.sid != here.sid]
    stages.end_all(db, stages.SECOND_FACTOR, citizen_id)
    waits.stop(db, citizen_id, how=holding.DISAVOWED, actor=actor)
    for one in ending:
        accounts.end_session(db, one, reason="security", actor=actor)
    by_owner = objections.sure(speaker.session, citizen_id)
    holding.discard(db, citizen_id, by_owner=by_owner, actor=actor)
    card.disavow(db, suspect, actor=actor, keep=here)
    event = Disavowed(
        citizen=citizen_id,
        what=suspect.what,
        sids=tuple(sorted({one.sid for one in ending} | ({suspect.sid} - {""}))),
        since=since,
        began=began,
        kept=here.sid if here and since else "",
        letter=speaker.letter,
    )
    record(db, event, actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "disavowed")
    return any(one.sid in live for one in ending)


def is_unused_letter(db: Session, suspect: Suspect) -> bool:
    """Tell whether this is about a letter by which nobody has come in since."""
    account = accounts.find(db, suspect.citizen_id)
    unused = account is None or account.proofed_at is None or account.proofed_at <= suspect.at
    return suspect.what in LETTERS and unused


def end_letter(db: Session, suspect: Suspect, speaker: Speaker, *, actor: Actor) -> bool:
    """End a letter that somebody asked for at a counter in the citizen's name; recorded, and told if it ended.

    Nobody came in by it yet, so nobody is signed out. False if it stands (`activation.disown`).
    """
    citizen_id = suspect.citizen_id
    ended = activation.disown(db, citizen_id, by_owner=objections.sure(speaker.session, citizen_id))
    event = Disavowed(citizen=citizen_id, what=suspect.what, sids=(), letter=speaker.letter)
    record(db, event, actor=actor, about=[citizen_id])
    if ended:
        notify.tell(db, citizen_id, "letter-ended")
    return ended
