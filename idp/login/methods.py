"""Which ways of signing in an account has, which of them may go, and who may change them."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from core import sessions
from core.events import Actor, record
from core.sessions import BrowserSession
from idp import accounts, notify
from idp.errors import LastStrongMethod
from idp.events import PasswordRemoved
from idp.login import assurance, card, devices, holding, objections, passkey, password, recovery, stages, totp
from idp.login.card import Card
from idp.login.devices import Visitor
from idp.login.passkey import Passkey
from idp.login.totp import Bounds


@dataclass(frozen=True)
class Methods:
    """What an account can be entered with."""

    passkeys: list[Passkey]
    password: bool
    app: Bounds | None
    codes_left: int
    card: Card | None
    proofing: str = accounts.COUNTER

    @property
    def by_card(self) -> bool:
        """Tell whether there is a card that signs in."""
        return self.card is not None and self.card.usable

    @property
    def usable(self) -> list[Passkey]:
        """The passkeys that open the account: those that may have been copied, or are held back, do not."""
        return [one for one in self.passkeys if one.suspected_at is None and not one.held_by]

    @property
    def by_app(self) -> bool:
        """Tell whether password and app open the account."""
        return self.password and self.app is not None and not self.app.held_by

    @property
    def own_password(self) -> bool:
        """Tell whether there is a password that is not held back."""
        return self.password and not (self.app is not None and self.app.held_by)

    @property
    def strong(self) -> int:
        """Count the safe ways in: passkeys, a password with an app, a card."""
        return len(self.usable) + self.by_app + self.by_card

    @property
    def best(self) -> str:
        """Return the highest assurance that the account can be entered with."""
        reached = [one.acr for one in self.usable]
        if self.app is not None and self.by_app:
            reached.append(assurance.lower(assurance.SUBSTANTIAL, self.app.acr))
        if self.by_card:
            reached.append(assurance.SUBSTANTIAL)
        most = max(reached, key=assurance.ORDER.index, default=assurance.LOW)
        return assurance.lower(most, assurance.proofed(self.proofing))

    def reach(self, one: Passkey) -> str:
        """Return the assurance that the account is entered with by one of its passkeys."""
        return assurance.lower(one.acr, assurance.proofed(self.proofing))

    def reaching(self, wanted: str) -> list[Passkey]:
        """Return the passkeys that reach an assurance."""
        return [one for one in self.usable if assurance.reaches(self.reach(one), wanted)]


def of(db: Session, citizen_id: str) -> Methods:
    """Return a citizen's ways of signing in."""
    found = accounts.find(db, citizen_id)
    return Methods(
        passkey.of(db, citizen_id),
        password.has(db, citizen_id),
        totp.bounds(db, citizen_id),
        recovery.left(db, citizen_id),
        card.of(db, citizen_id),
        found.proofing if found else accounts.COUNTER,
    )


def fresh(session: BrowserSession) -> bool:
    """Tell whether somebody proved who they are within the last ten minutes."""
    return sessions.fresh(session)


def may_change(session: BrowserSession, methods: Methods) -> bool:
    """Tell whether a session may change how the account is entered.

    It must be fresh, and as strong as the account allows up to substantial: a password alone must not
    bring in a passkey beside an app, also where nothing reaches more than low because nobody looked at the person.
    Whoever came in to repair the account lost the rest, and may add to it.
    """
    wanted = assurance.lower(methods.best, assurance.SUBSTANTIAL)
    strong_enough = assurance.reaches(session.acr, wanted)
    if methods.strong:
        strong_enough = strong_enough and "mfa" in session.amr
    return fresh(session) and (strong_enough or session.kind == sessions.REPAIR)


def handed_on(session: BrowserSession) -> Bounds:
    """Return what a password with an app that a session sets up is bound to: no more than that session reached.

    A password alone may have an app added to it. What comes from a recovery code is held back.
    """
    if tuple(session.amr) == assurance.PASSWORD:
        return Bounds(assurance.SUBSTANTIAL)
    return Bounds(
        assurance.lower(session.acr, assurance.SUBSTANTIAL),
        session.sid if session.kind == sessions.REPAIR else "",
    )


def shut_others_out(db: Session, session: BrowserSession, visitor: Visitor, *, reason: str) -> None:
    """Leave only this session and this browser: others' sessions and half sign-ins end, and are not known any more."""
    citizen_id = session.subject
    accounts.hold(db, citizen_id)
    accounts.end_sessions(db, citizen_id, reason=reason, actor=Actor("citizen", citizen_id), keep=session)
    stages.end_all(db, stages.SECOND_FACTOR, citizen_id)
    devices.forget(db, citizen_id, keep=visitor)


def remove_passkey(db: Session, me: BrowserSession, passkey_id: str, visitor: Visitor) -> None:
    """Remove a passkey, with whoever came in by it; raises LastStrongMethod if it is the last safe way in."""
    citizen_id = me.subject
    accounts.hold(db, citizen_id)  # of two removals at once, the second sees what the first left
    found = of(db, citizen_id)
    if found.strong < 2 and any(one.id == passkey_id for one in found.usable):
        raise LastStrongMethod
    if passkey.drop(db, citizen_id, passkey_id, actor=Actor("citizen", citizen_id)):
        shut_others_out(db, me, visitor, reason="security")


def remove_password(db: Session, me: BrowserSession, visitor: Visitor) -> None:
    """Remove password and app together, with whoever came in by them.

    Raises LastStrongMethod unless a passkey or a card remains.
    """
    citizen_id, actor = me.subject, Actor("citizen", me.subject)
    accounts.hold(db, citizen_id)
    found = of(db, citizen_id)
    if found.own_password and not found.usable and not found.by_card:
        raise LastStrongMethod
    gone = [password.drop(db, citizen_id), totp.drop(db, citizen_id)]
    if any(gone):
        record(db, PasswordRemoved(), actor=actor, about=[citizen_id])
        notify.tell(db, citizen_id, "password-removed")
        shut_others_out(db, me, visitor, reason="security")


def remove_card(db: Session, me: BrowserSession, visitor: Visitor) -> None:
    """Remove the card, with whoever came in by it; raises LastStrongMethod if it is the last safe way in.

    A lost one is blocked instead, always.
    """
    citizen_id = me.subject
    accounts.hold(db, citizen_id)
    found = of(db, citizen_id)
    if found.by_card and found.strong < 2:
        raise LastStrongMethod
    if card.drop(db, citizen_id, actor=Actor("citizen", citizen_id)):
        shut_others_out(db, me, visitor, reason="security")


def remove_all(db: Session, citizen_id: str, *, actor: Actor) -> None:
    """Remove every way of signing in, as a new activation does before it sets up its own."""
    for one in passkey.of(db, citizen_id):
        passkey.drop(db, citizen_id, one.id, actor=actor)
    if any([password.drop(db, citizen_id), totp.drop(db, citizen_id)]):
        record(db, PasswordRemoved(), actor=actor, about=[citizen_id])
    card.drop(db, citizen_id, actor=actor)
    recovery.drop(db, citizen_id)
    holding.forget(db, citizen_id)
    objections.forget(db, citizen_id)
    devices.forget(db, citizen_id)
