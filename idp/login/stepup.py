"""What somebody who is signed in still has to show for more assurance, and what to do where nothing reaches it."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.sessions import BrowserSession
from idp.login import assurance, methods
from idp.login.methods import Methods
from idp.login.passkey import Passkey

ADD_AN_APP, AT_THE_COUNTER, NEVER = "app", "counter", "never"


@dataclass(frozen=True)
class Lacking:
    """What would do: the app's code alone (`code`), one of these passkeys, or (`anew`) password and code, or a card.

    Where nothing does, `advice` says what the person can do: set up an app, go to a counter, or nothing. `rested` if the
    session had reached it, and was not used for a while.
    """

    wanted: str
    code: bool
    passkeys: list[Passkey]
    anew: bool
    advice: str
    rested: bool = False

    @property
    def stuck(self) -> bool:
        """Tell whether nothing that the person has reaches what is wanted."""
        return not (self.code or self.passkeys or self.anew)


def lacking(db: Session, session: BrowserSession, wanted: str, *, fresh: bool = False) -> Lacking | None:
    """Return what a session lacks for an assurance, or None if it lacks nothing.

    A password that was given for this session counts; `fresh` wants everything anew. Nothing is offered that
    would not reach it, so nobody is sent round in circles.
    """
    if wanted not in assurance.ORDER or assurance.reaches(session.acr, wanted):
        return None
    found = methods.of(db, session.subject)
    most = found.app.acr if found.app else assurance.LOW
    together = assurance.reached(assurance.PASSWORD_AND_CODE, proofing=found.proofing, most=most)
    both = found.by_app and assurance.reaches(together, wanted)
    card = found.by_card and assurance.reaches(
        assurance.reached(assurance.CARD, proofing=found.proofing), wanted
    )
    begun = tuple(session.amr) == assurance.PASSWORD and not fresh
    advice = _advice(session, found, wanted)
    return Lacking(wanted, both and begun, found.reaching(wanted), both or card, advice, session.rested)


def _advice(session: BrowserSession, found: Methods, wanted: str) -> str:
    if not assurance.reaches(assurance.proofed(found.proofing), wanted):
        return NEVER if found.proofing == assurance.TEST.name else AT_THE_COUNTER
    app = methods.handed_on(session)
    return ADD_AN_APP if found.app is None and assurance.reaches(app.acr, wanted) else AT_THE_COUNTER
