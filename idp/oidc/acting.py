"""Where one person stands in an interaction, and for whom: themselves, or somebody they represent; asked, never assumed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from consent import assurance, mandates
from consent.mandates import Mandate
from consent.purposes import Purpose
from core.sessions import BrowserSession
from idp.oidc import families, subjects
from idp.oidc.asked import Asked
from idp.oidc.interactions import Progress

MYSELF: Final = "self"
CLAIM: Final = "act"


@dataclass(frozen=True)
class Here:
    """Where one person stands in one interaction. `began_at` is when the request arrived."""

    asked: Asked
    progress: Progress
    began_at: datetime
    session: BrowserSession | None

    @property
    def someone(self) -> BrowserSession:
        """The signed-in citizen; the first step sees to it that there is one."""
        if self.session is None:
            raise LookupError("a step was asked before anybody signed in")
        return self.session

    @property
    def done(self) -> Progress:
        """What the signed-in citizen did in this interaction."""
        return self.progress.of(self.someone.subject)

    @property
    def wanted(self) -> tuple[tuple[Purpose, frozenset[str]], ...]:
        """The purposes and their attributes that this request is about."""
        first = (
            ((self.asked.purpose, self.asked.attributes),)
            if self.asked.purpose and self.asked.attributes
            else ()
        )
        extra = ((purpose, frozenset(purpose.names)) for purpose in self.asked.extra)
        return (*first, *extra, *self.asked.pieces)

    @property
    def needed(self) -> str:
        """The assurance that is needed: the highest of what the client and the purposes want."""
        levels = [self.asked.acr, *(purpose.acr for purpose, _names in self.wanted)]
        return max(levels, key=assurance.LEVELS.index)


@dataclass(frozen=True)
class Standing:
    """For whom a person is here: the citizen it is about, and the mandate where that is another."""

    citizen: str
    mandate: Mandate | None = None


def allowed(asked: Asked) -> bool:
    """Tell whether this request may be answered for another: its client was registered so, and it is no device's.

    Where the client is registered as ``asked``, the request has to want the claim `act` (OpenID Connect Core 1.0, 5.5).
    """
    if asked.device or asked.client.representation == "none":
        return False
    wants = CLAIM in asked.claims.id_token or CLAIM in asked.claims.userinfo
    return asked.client.representation == "offered" or wants


def choices(db: Session, here: Here) -> list[Mandate]:
    """Return the mandates, one for each person, under which the signed-in citizen may answer all that is asked."""
    if not allowed(here.asked):
        return []
    client = here.asked.client
    found = mandates.represented(
        db, here.someone.subject, agency=client.agency, purpose=client.sign_in_purpose
    )
    return [one for one in found if _covers(here, one)]


def standing(db: Session, here: Here) -> Standing | None:
    """Return for whom the signed-in citizen is here; None if they have to say so (again).

    Their word in this interaction counts. Without a page, and where an ID token comes back as a hint, so does the one
    they gave before at this client, in this session. A mandate is looked at anew each time.
    """
    me = here.someone.subject
    said = here.done.acting or _before(db, here)
    if said and said != MYSELF:
        mandate = mandates.find(db, said)
        good = mandate is not None and mandate.holder == me and mandate.is_live and allowed(here.asked)
        found = Standing(mandate.giver, mandate) if mandate and good and _covers(here, mandate) else None
    elif said or _means(db, here, me) or not choices(db, here):
        found = Standing(me)
    else:
        found = None
    return found if found is not None and _is_meant(db, here, found) else None


def settled(db: Session, here: Here) -> Standing:
    """Return for whom a person is here once that is known; the steps see to it."""
    found = standing(db, here)
    if found is None:
        raise LookupError("a step was asked before it was said for whom somebody is here")
    return found


def open_to(db: Session, here: Here) -> tuple[list[Mandate], bool]:
    """Return whom a person may choose: those they represent, and whether themselves; as far as the request means them."""
    others = [one for one in choices(db, here) if _is_meant(db, here, Standing(one.giver, one))]
    return others, _is_meant(db, here, Standing(here.someone.subject))


def may_be(db: Session, here: Here) -> bool:
    """Tell whether whom the request names can be the person who signed in, or somebody they act for."""
    asked, me = here.asked, here.someone.subject
    if asked.actor:
        return subjects.sub(db, asked.client, me) == asked.actor
    if not asked.subject or subjects.sub(db, asked.client, me) == asked.subject:
        return True
    return asked.actor is None and any(_means(db, here, one.giver) for one in choices(db, here))


def _before(db: Session, here: Here) -> str:
    """Return the word that the signed-in citizen gave before at this client in this session, where that counts."""
    asked = here.asked
    if asked.actor == "":  # an ID token of the person's own sign-in came back
        return MYSELF
    if not allowed(asked) or not ("none" in asked.prompt or asked.actor):
        return ""
    last = families.last_of(db, asked.client.client_id, here.someone.sid)
    if last is None or last.person != here.someone.subject:
        return ""
    return last.mandate or MYSELF


def _covers(here: Here, mandate: Mandate) -> bool:
    client = here.asked.client
    named = {client.sign_in_purpose, *(purpose.id for purpose, _names in here.wanted)}
    return all(mandate.covers(agency=client.agency, purpose=purpose) for purpose in named)


def _means(db: Session, here: Here, citizen: str) -> bool:
    """Tell whether the request names this citizen."""
    return bool(here.asked.subject) and subjects.sub(db, here.asked.client, citizen) == here.asked.subject


def _is_meant(db: Session, here: Here, found: Standing) -> bool:
    asked = here.asked
    if asked.actor is not None and bool(asked.actor) != (found.mandate is not None):
        return False
    return not asked.subject or _means(db, here, found.citizen)
