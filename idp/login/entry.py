"""The moment somebody is in: the session begins under a new ID, and the browser is known from now on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from core import sessions
from core.events import Actor, record
from core.sessions import BrowserSession
from idp import accounts, notify
from idp.accounts import HeldAccount
from idp.events import SessionBegan, SignInRefused
from idp.login import assurance, devices, stages, waits
from idp.login.devices import Visitor


@dataclass(frozen=True)
class Entered:
    """The tokens of the two cookies that the browser gets: of the session, and of the known device."""

    session: str
    device: str


@dataclass(frozen=True)
class Shut:
    """The account is locked or closed; the refusal stands in its history.

    `token` is of the flow in which its owner is told why, and may undo what was their own wish.
    """

    state: str
    token: str = field(default="", compare=False)


def enter(
    db: Session,
    account: HeldAccount,
    amr: Sequence[str],
    visitor: Visitor,
    *,
    before: BrowserSession | None,
    most: str = assurance.HIGH,
    added: bool = False,
    held: bool = False,
) -> Entered | Shut:
    """Begin or renew the browser's session for somebody who proved to be the account's citizen.

    `before` is the session the browser came with: the same citizen's is renewed under a new ID and
    keeps its `sid`, so that agencies' sessions stay tied to it; anybody else's ends. The session
    reaches what `amr` does, but not more than `most`, nor than it was proofed who this is.
    `added`: something was shown beside what `before` began with, whose time stays that of the sign-in.
    `held`: what was shown is held back (`holding`); then, and after a recovery code alone, the session may do
    nothing but set up how the account is entered.
    """
    # It is held: a lock that came in between either sees this session and ends it, or is seen here.
    actor = Actor("citizen", account.citizen_id)
    acr = assurance.reached(amr, proofing=account.proofing, most=most)
    if account.state != accounts.ACTIVE:
        record(db, SignInRefused(reason=account.state), actor=actor, about=[account.citizen_id])
        return _shut(db, account, acr, amr)
    was_known = devices.signed_in_before(db, visitor, account.citizen_id)
    # It may have ended since it was read: a new letter, for one, ends every session and this browser's with them.
    before = sessions.by_sid(db, before.sid) if before is not None else None
    same = before is not None and before.is_citizens and before.subject == account.citizen_id
    kind = sessions.REPAIR if held or assurance.recovered(amr) else sessions.CITIZEN
    if before is not None and same:
        since = before.auth_time if added else None
        sid, token = before.sid, sessions.renew(db, before, acr=acr, amr=amr, auth_time=since, kind=kind)
    else:
        if before is not None:
            _leave(db, before)
        session, token = sessions.begin(
            db,
            subject=account.citizen_id,
            kind=kind,
            acr=acr,
            amr=amr,
            user_agent=visitor.user_agent,
            network=visitor.network,
        )
        sid = session.sid
    if "mfa" in amr and not held:
        # Whoever can sign in safely needs no other way back, and may not be the one who asked for it.
        waits.stop(db, account.citizen_id, how="sign-in", actor=actor)
    elif waits.waits_for(db, account.citizen_id):
        sessions.warn(db, account.citizen_id, waits.WARNING)
    event = SessionBegan(sid=sid, acr=acr, amr=tuple(amr), known_device=was_known)
    record(db, event, actor=actor, about=[account.citizen_id])
    remembered, device = devices.remember(db, visitor, account.citizen_id, sid=sid)
    if not was_known:
        notify.tell(db, account.citizen_id, "new-device", sid=sid, device=device)
    return Entered(token, remembered)


def _shut(db: Session, account: HeldAccount, acr: str, amr: Sequence[str]) -> Shut:
    shown = {"acr": acr, "amr": list(amr)}
    return Shut(account.state, stages.begin(db, stages.SHUT, account.citizen_id, return_to="", data=shown))


def _leave(db: Session, before: BrowserSession) -> None:
    if before.is_citizens:
        accounts.end_session(db, before, reason="replaced", actor=Actor("citizen", before.subject))
    else:
        sessions.end(db, before)
