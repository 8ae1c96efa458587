"""One person's way through sign-in and consent: the request that began it, and how far it came."""

import hashlib
import secrets
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from core.events import OFFICE
from core.forms import Posted
from idp.oidc.tables import interaction as table
from keys import sealing

PATH = "/authorize/"
SCOPE = "interaction"
_FIND = select(table).where(
    table.c.id_hash == bindparam("id_hash"),
    table.c.expires_at > bindparam("at", type_=table.c.expires_at.type),
)
_FINISH = delete(table).where(table.c.id_hash == bindparam("given_hash")).returning(table.c.client_id)


@dataclass(frozen=True)
class Progress:
    """What was done so far, and by whom: a word on each purpose (given or declined), the account chosen, the device known.

    `acting` is the mandate under which they go on, or ``self``. What one citizen said counts for nobody who signs in after them.
    """

    citizen: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    chosen: str = ""
    recognised: bool = False
    acting: str = ""

    def of(self, citizen: str) -> "Progress":
        """Return the progress as far as it is this citizen's own."""
        return self if citizen == self.citizen else Progress(citizen)


@dataclass(frozen=True)
class Interaction:
    """A stored authorization request, under way."""

    client_id: str
    posted: Posted
    pushed: str
    signed: bool
    device: str
    progress: Progress
    began_at: datetime


def begin(
    db: Session, client_id: str, posted: Posted, *, pushed: str = "", signed: bool = False, device: str = ""
) -> str:
    """Store a request and return the interaction's ID, which is a secret of this browser.

    Its parameters are kept as they count, with how they came (`Arrived`): no later step needs a request object, or the
    stored request that they come from, once more. `device` names the device that waits for what comes of it.
    """
    token, at = secrets.token_urlsafe(32), clock.now()
    db.execute(
        insert(table).values(
            id_hash=_hash(token),
            client_id=client_id,
            sealed=sealing.seal(
                db, OFFICE, SCOPE, msgspec.json.encode(posted.items), aad=_hash(token).encode()
            ),
            pushed=pushed or None,
            signed=signed,
            device=device or None,
            progress=asdict(Progress()),
            created_at=at,
            expires_at=at + timedelta(seconds=parts(db).settings.interaction_seconds),
        )
    )
    return token


def find(db: Session, token: str) -> Interaction | None:
    """Return an interaction that is under way, or None."""
    row = db.execute(_FIND, {"id_hash": _hash(token), "at": clock.now()}).first()
    if row is None:
        return None
    opened = sealing.unseal(db, OFFICE, SCOPE, row.sealed, aad=row.id_hash.encode())
    items = msgspec.json.decode(opened, type=list[tuple[str, str]])
    progress = Progress(**row.progress)
    came = (row.pushed or "", row.signed, row.device or "")
    return Interaction(row.client_id, Posted(items), *came, progress, row.created_at)


def answered(db: Session, token: str, progress: Progress, purpose: str, word: str) -> None:
    """Keep a citizen's word on a purpose for this interaction; `progress` is their own."""
    _keep(db, token, replace(progress, answers={**progress.answers, purpose: word}))


def chose(db: Session, token: str, progress: Progress) -> None:
    """Keep that a citizen goes on with the account they are signed in to; `progress` is their own."""
    _keep(db, token, replace(progress, chosen=progress.citizen))


def acts(db: Session, token: str, progress: Progress, word: str) -> None:
    """Keep for whom a citizen is here; `progress` is their own. What they said for somebody else counts no more."""
    answers = progress.answers if word == progress.acting else {}
    _keep(db, token, replace(progress, acting=word, answers=answers))


def recognised(db: Session, token: str, progress: Progress) -> None:
    """Keep that a citizen knows the device that asks as their own; `progress` is their own."""
    _keep(db, token, replace(progress, recognised=True))


def finish(db: Session, token: str) -> bool:
    """End an interaction; tell whether this call was the one that ended it."""
    return db.execute(_FINISH, {"given_hash": _hash(token)}).first() is not None


def purge(db: Session) -> None:
    """Delete interactions that took too long."""
    db.execute(delete(table).where(table.c.expires_at <= clock.now()))


def _keep(db: Session, token: str, progress: Progress) -> None:
    db.execute(update(table).where(table.c.id_hash == _hash(token)).values(progress=asdict(progress)))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
