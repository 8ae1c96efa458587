"""Devices that ask to sign in: the code on the device, the citizen's word, and one redemption (RFC 8628)."""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Row, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from core.events import OFFICE
from core.forms import Posted
from idp.oidc import families
from idp.oidc.client import Client
from idp.oidc.families import Family
from idp.oidc.tables import device as table
from keys import sealing

SECONDS: Final = 600
INTERVAL: Final = 5  # seconds between two questions of a device; so much more each time that it asks too soon
PATIENCE: Final = timedelta(seconds=1)  # what a network may be early by
KEPT: Final = timedelta(
    days=1
)  # after its end: a code that comes again is told apart from one that never was
SCOPE: Final = "device request"
# No vowels, so that no word comes out, and nothing that looks like a digit or another letter (RFC 8628, 6.1).
ALPHABET: Final = "BCDFGHJKLMNPQRSTVWXZ"
LETTERS: Final = 8
TRIES: Final = 5
_NOT_TYPED = re.compile(r"[^A-Z0-9]")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
_MOMENT = table.c.expires_at.type
_ADD = {
    "sqlite": sqlite.insert(table).on_conflict_do_nothing().returning(table.c.device_hash),
    "postgresql": postgresql.insert(table).on_conflict_do_nothing().returning(table.c.device_hash),
}
_FIND = select(table).where(table.c.device_hash == bindparam("given"))
_WAITING = select(table).where(
    table.c.user_hash == bindparam("given"),
    table.c.state == "waiting",
    table.c.expires_at > bindparam("at", type_=_MOMENT),
)
_DECIDE = (
    update(table)
    .where(
        table.c.device_hash == bindparam("given"),
        table.c.state == "waiting",
        table.c.expires_at > bindparam("at", type_=_MOMENT),
    )
    .values(state=bindparam("word"), authorization_id=bindparam("family"))
    .returning(table.c.client_id)
)
_USE = (
    update(table)
    .where(
        table.c.device_hash == bindparam("given"),
        table.c.state == "approved",
        table.c.used_at.is_(None),
    )
    .values(used_at=bindparam("at", type_=_MOMENT))
    .returning(table.c.authorization_id)
)


def ask(db: Session, client: Client, posted: Posted, *, challenge: str) -> tuple[str, str]:
    """Keep a device's request and return its device code and its user code (RFC 8628, 3.2).

    Of neither is more kept than a hash; a user code is short, so its hash needs a key.
    """
    made, at = secrets.token_urlsafe(32), clock.now()
    name = _hash(made)
    values = {
        "device_hash": name,
        "client_id": client.client_id,
        "sealed": sealing.seal(db, OFFICE, SCOPE, msgspec.json.encode(posted.items), aad=name.encode()),
        "challenge": challenge or None,
        "wait_seconds": INTERVAL,
        "state": "waiting",
        "expires_at": at + timedelta(seconds=SECONDS),
    }
    for _try in range(TRIES):  # another device may hold the same letters
        letters = "".join(secrets.choice(ALPHABET) for _letter in range(LETTERS))
        added = {**values, "user_hash": _user_hash(db, letters)}
        if db.execute(_ADD[db.get_bind().dialect.name], added).first():
            return made, shown(letters)
    raise LookupError("no user code was free")


def typed(text: str) -> str:
    """Return the letters of a user code as somebody typed them: in either case, with whatever between (RFC 8628, 6.1)."""
    return _NOT_TYPED.sub("", text.upper())


def shown(letters: str) -> str:
    """Return a user code as it is shown: in two halves."""
    return f"{letters[:4]}-{letters[4:]}"


def waiting(db: Session, letters: str) -> tuple[str, str, Posted] | None:
    """Return the name under which a device is kept, its client and its request, if one waits with this user code."""
    given = {"given": _user_hash(db, letters), "at": clock.now()}
    row = db.execute(_WAITING, given).first() if len(letters) == LETTERS else None
    if row is None:
        return None
    opened = sealing.unseal(db, OFFICE, SCOPE, row.sealed, aad=row.device_hash.encode())
    return row.device_hash, row.client_id, Posted(msgspec.json.decode(opened, type=list[tuple[str, str]]))


def approve(db: Session, name: str, family: Family) -> bool:
    """Let a device have the tokens of a family; tell whether it was still waiting."""
    return _decide(db, name, "approved", family.id)


def refuse(db: Session, name: str) -> bool:
    """Refuse a device; tell whether it was still waiting."""
    return _decide(db, name, "refused", None)


def redeem(db: Session, given: str, client: Client, *, verifier: str) -> Family | str:
    """Return what a device code stands for now, or the error of RFC 8628, 3.5. It establishes:

    (1) the code is this client's, and comes with the verifier that it was bound to, if to any;
    (2) it was not redeemed before: a second time ends what the first one got, as with any code;
    (3) it has not expired, and the citizen allowed it;
    (4) what they allowed still counts: account, session, permission, client;
    (5) of two at once one wins.

    The trace is kept by returning: the caller commits either way.
    """
    at = clock.now()
    row = db.execute(_FIND, {"given": _hash(given)}).first()
    if row is None or row.client_id != client.client_id or not _fits(row.challenge, verifier):  # (1)
        return "invalid_grant"
    if row.used_at is not None:  # (2)
        return _replayed(db, row.authorization_id, client)
    if row.expires_at <= at:  # (3)
        return "expired_token"
    if row.state != "approved":
        return "access_denied" if row.state == "refused" else _wait(db, row, at)
    family = families.read(db, row.authorization_id)
    if not family.is_live or family.refresh_until <= at:  # (4)
        return "access_denied"
    if db.execute(_USE, {"given": row.device_hash, "at": at}).first() is None:  # (5)
        return _replayed(db, row.authorization_id, client)
    return family


def purge(db: Session) -> None:
    """Forget requests that ended a while ago."""
    db.execute(delete(table).where(table.c.expires_at <= clock.now() - KEPT))


def _decide(db: Session, name: str, word: str, family: str | None) -> bool:
    given = {"given": name, "at": clock.now(), "word": word, "family": family}
    return db.execute(_DECIDE, given).first() is not None


def _replayed(db: Session, family_id: str, client: Client) -> str:
    families.stop_replay(db, families.read(db, family_id), client, what="device code")
    return "invalid_grant"


def _wait(db: Session, row: Row[Any], at: datetime) -> str:
    """Return that the citizen has not decided, and remember when the device asked (RFC 8628, 3.5)."""
    pause = timedelta(seconds=row.wait_seconds) - PATIENCE
    hasty = row.polled_at is not None and at < row.polled_at + pause
    longer = row.wait_seconds + INTERVAL if hasty else row.wait_seconds
    where = table.c.device_hash == row.device_hash
    db.execute(update(table).where(where).values(polled_at=at, wait_seconds=longer))
    return "slow_down" if hasty else "authorization_pending"


def _fits(challenge: str | None, verifier: str) -> bool:
    """Tell whether a verifier is the one that was promised, with S256; where none was, none may come (RFC 7636, 4.6)."""
    if not challenge or not verifier:
        return not challenge and not verifier
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(digest, challenge)


def _hash(device_code: str) -> str:
    return hashlib.sha256(device_code.encode()).hexdigest()


def _user_hash(db: Session, letters: str) -> str:
    key: bytes = parts(db).keys.secret("device user code")
    return hmac.digest(key, letters.encode(), "sha256").hex()
