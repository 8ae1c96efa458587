"""What waits between two steps of a flow, and the one place that says which step comes next."""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock, sessions
from core.database import parts
from idp.tables import activation_code, disavowal, known_device, passkey_challenge
from idp.tables import stage as table
from keys import sealing

ACTIVATION = "activation"
SECOND_FACTOR = "second-factor"
CHANGE = "change"
CONFIRM = "confirm"  # a code by mail beside a recovery code
SHUT = "shut"  # proved who they are, at an account that is locked
SCOPE = "account"
MOST_FAILURES = 5


@dataclass(frozen=True)
class Stage:
    """A flow that is under way in one browser. `data` is sealed at rest."""

    token_hash: str
    kind: str
    citizen_id: str
    return_to: str
    failures: int
    data: dict[str, Any]


def begin(
    db: Session,
    kind: str,
    citizen_id: str,
    *,
    return_to: str,
    data: dict[str, Any] | None = None,
    most: timedelta = timedelta.max,
) -> str:
    """Begin a flow and return the token for this browser's cookie; it is new each time, so none can be planted.

    It lasts as long as one sign-in may take, and no longer than `most`.
    """
    lasts = min(most, timedelta(seconds=parts(db).settings.interaction_seconds))
    token = secrets.token_urlsafe(32)
    token_hash = sessions.digest(token)
    db.execute(
        insert(table).values(
            token_hash=token_hash,
            kind=kind,
            citizen_id=citizen_id,
            return_to=return_to,
            sealed=_seal(db, citizen_id, token_hash, data or {}),
            failures=0,
            ends_at=clock.now() + lasts,
        )
    )
    return token


def find(db: Session, token: str, kind: str, *, citizen_id: str | None = None) -> Stage | None:
    """Return the flow of a browser's cookie if it is of this kind, and of this citizen, and not over."""
    if not token:
        return None
    query = select(table).where(
        table.c.token_hash == sessions.digest(token), table.c.kind == kind, table.c.ends_at > clock.now()
    )
    if citizen_id is not None:
        query = query.where(table.c.citizen_id == citizen_id)
    row = db.execute(query).first()
    if row is None:
        return None
    plain = sealing.unseal(db, row.citizen_id, SCOPE, row.sealed, aad=row.token_hash.encode())
    return Stage(
        row.token_hash, row.kind, row.citizen_id, row.return_to, row.failures, msgspec.json.decode(plain)
    )


def keep(db: Session, stage: Stage, **data: Any) -> None:
    """Add to what a flow knows; None takes away."""
    merged = {name: value for name, value in {**stage.data, **data}.items() if value is not None}
    sealed = _seal(db, stage.citizen_id, stage.token_hash, merged)
    db.execute(update(table).where(table.c.token_hash == stage.token_hash).values(sealed=sealed))


def failed(db: Session, stage: Stage) -> bool:
    """Count a wrong code; tell whether that was one too many, which ends the flow."""
    failures = db.scalar(
        update(table)
        .where(table.c.token_hash == stage.token_hash)
        .values(failures=table.c.failures + 1)
        .returning(table.c.failures)
    )
    if failures is not None and failures < MOST_FAILURES:
        return False
    end(db, stage)
    return True


def end(db: Session, stage: Stage) -> bool:
    """End a flow; of several at once one is told True."""
    gone = db.execute(
        delete(table).where(table.c.token_hash == stage.token_hash).returning(table.c.token_hash)
    )
    return gone.first() is not None


def end_all(db: Session, kind: str, citizen_id: str) -> None:
    """End every flow of a kind that is under way for a citizen, in whichever browser."""
    db.execute(delete(table).where(table.c.kind == kind, table.c.citizen_id == citizen_id))


def next_page(stage: Stage) -> str:
    """Return the page of a flow's next step, from what is stored of it."""
    if stage.kind == SECOND_FACTOR:
        return "/login/code"
    if stage.kind == SHUT:
        return "/login/shut"
    if stage.kind == CONFIRM:
        return "/my/account/confirm"
    home = "/activate" if stage.kind == ACTIVATION else "/my/account"
    if "codes" in stage.data:
        return f"{home}/codes"
    if "verifier" in stage.data or "secret" in stage.data:
        return f"{home}/app"
    return f"{home}/method" if stage.kind == ACTIVATION else home


def purge(db: Session) -> int:
    """Delete everything of sign-in that is over: flows, challenges, codes, devices, links; return how many rows."""
    at = clock.now()
    over = (
        delete(table).where(table.c.ends_at <= at),
        delete(passkey_challenge).where(passkey_challenge.c.ends_at <= at),
        delete(activation_code).where(activation_code.c.expires_at <= at),
        delete(known_device).where(known_device.c.ends_at <= at),
        delete(disavowal).where(disavowal.c.ends_at <= at),
    )
    return sum(len(db.execute(one.returning(one.table.c[0])).all()) for one in over)


def _seal(db: Session, citizen_id: str, token_hash: str, data: dict[str, Any]) -> bytes:
    return sealing.seal(db, citizen_id, SCOPE, msgspec.json.encode(data), aad=token_hash.encode())
