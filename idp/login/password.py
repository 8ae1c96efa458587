"""Passwords: what may be one, and the check that tells nothing about names."""

import base64
import hmac
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from consent import disclosure
from core import clock
from core.database import Database, Parts
from core.events import Actor, record
from core.language import _
from idp import accounts, names, notify
from idp.accounts import HeldAccount
from idp.errors import PasswordUnfit
from idp.events import PasswordSet
from idp.login import devices, stages, throttle
from idp.login.breached import listed
from idp.login.devices import Visitor
from idp.login.hashing import pool
from idp.tables import password as table
from keys import blind
from registry_sync import people

SHORTEST, LONGEST = 12, 500
FEWEST_DIFFERENT = 5
FEWEST_OTHERS = 8
OF_THE_PERSON = ("name", "given_name", "family_name", "birthdate")
_WORD = re.compile(r"\w{3,}")
_NEXT = select(func.min(table.c.citizen_id)).where(table.c.citizen_id >= bindparam("place"))
_NEAREST = select(table.c.citizen_id, table.c.verifier).where(
    table.c.citizen_id
    == func.coalesce(_NEXT.scalar_subquery(), select(func.min(table.c.citizen_id)).scalar_subquery())
)
_VERIFIER = select(table.c.verifier).where(table.c.citizen_id == bindparam("citizen_id"))


@dataclass(frozen=True)
class Attempt:
    """What one guess came to. `subject` is the citizen ID, or the name as looked up if it is nobody's.

    `wait` is in seconds; 0 means the guess was looked at. `checked` is the verifier it was held against.
    """

    subject: str
    known: bool
    right: bool = False
    wait: int = 0
    checked: str | None = field(default=None, repr=False)
    newer: str | None = field(default=None, repr=False)


def fit(house: Parts, secret: str, *, unlike: Iterable[str] = ()) -> None:
    """Check a chosen password; raises PasswordUnfit with what to do.

    Length counts, composition does not, and the whole password is compared with those that attackers try first (NIST SP
    800-63B-4, 3.1.1.2). `unlike` holds what belongs to the person, such as names from `words`; such words and the
    service's own add nothing to a password's length.
    """
    text = _normal(secret)
    if len(text) < SHORTEST:
        raise PasswordUnfit(
            _("Use at least {count} characters. Three or four words are easy to remember.").format(
                count=SHORTEST
            )
        )
    if len(text) > LONGEST:
        raise PasswordUnfit(_("Use at most {count} characters.").format(count=LONGEST))
    if len(set(text.casefold())) < FEWEST_DIFFERENT:
        raise PasswordUnfit(_("Use more different characters."))
    if secret in listed.of(house.settings):
        raise PasswordUnfit(
            _(
                "This password was stolen from other sites so often that thieves try it first. Choose another: three or "
                "four words that do not belong together."
            )
        )
    settings = house.settings
    if _mostly(text, [*unlike, settings.host, settings.country, "Erti"]):
        raise PasswordUnfit(
            _(
                "Your name, e-mail address or citizen ID is easy to guess. Add words that have nothing to do with you."
            )
        )


def words(db: Session, citizen_id: str, *more: str) -> tuple[str, ...]:
    """Return what a citizen's password must not consist of: citizen ID, names and birthday, and what else is given."""
    own = disclosure.own(db, citizen_id, OF_THE_PERSON)
    values = [str(one.value) for one in own.values() if isinstance(one.value, str)]
    return (citizen_id, *values, *(one for one in more if one))


def _mostly(text: str, belongings: Iterable[str]) -> bool:
    """Tell whether a password has one of these in it and, without them and without digits, is too short."""
    plain = _letters(listed.folded(text))
    parts = {_letters(part) for one in belongings for part in (one, *_WORD.findall(one))}
    rest = plain
    for part in sorted((one for one in parts if len(one) >= 3), key=len, reverse=True):
        rest = rest.replace(part, "")
    return rest != plain and sum(not char.isdigit() for char in rest) < FEWEST_OTHERS


def _letters(text: str) -> str:
    return "".join(char for char in names.normal(text) if char.isalnum())


def attempt(database: Database, typed_name: str, secret: str, visitor: Visitor) -> Attempt:
    """Look at one guess, doing the same work for known and unknown names; opens its own transactions.

    The guess is counted and committed before it is hashed, and no transaction is open while it is.
    The caller settles the result with `settle` in the transaction that goes on. Raises TooMany when
    the hashing pool is full.
    """
    with database.writing() as db:
        citizen_id = accounts.owner(db, typed_name)
        # Somebody who is not there has a count too, under the name as it would be looked up.
        subject = citizen_id or people.compact(typed_name) or names.normal(typed_name)
        known = devices.known(db, visitor, subject)
        nearest = _nearest(db, citizen_id, subject)
        wait = throttle.attempt(db, throttle.PASSWORD, subject, visitor, known=known)
        told = bool(wait) and throttle.stopped(
            db, throttle.PASSWORD, subject, somebody=citizen_id is not None
        )
    if len(_normal(secret)) > LONGEST:  # nobody's: what was chosen is shorter
        return Attempt(subject, known, wait=wait)
    if wait:
        if told:  # the time of a hash hides the time of telling, which nobody's name has not
            pool(database.parts.settings).check(None, b"")
        return Attempt(subject, known, wait=wait)
    verifier = nearest.verifier if nearest else None
    fits, newer = pool(database.parts.settings).check(verifier, _prepared(database.parts, secret))
    if nearest is None or nearest.citizen_id != citizen_id:
        return Attempt(subject, known)
    return Attempt(subject, known, right=fits, checked=verifier, newer=newer)


def _nearest(db: Session, citizen_id: str | None, subject: str) -> Row[Any, Any] | None:
    """Return a citizen's verifier; for whoever has none, always the same other citizen's, chosen by a keyed hash.

    After argon2's parameters moved, verifiers of both kinds are about, and a name that is nobody's must take as long
    as one of either.
    """
    place = base64.b32encode(blind.index(db, "idp.password-place", subject)[1:])[:13].decode()
    return db.execute(_NEAREST, {"place": citizen_id or place}).first()


def settle(db: Session, attempt: Attempt, visitor: Visitor) -> HeldAccount | None:
    """Write down what a guess came to; return the account, held, if it was right.

    A guess at a password that was changed since it was looked at counts as wrong.
    """
    if attempt.wait:
        return None
    account = accounts.hold(db, attempt.subject) if attempt.right else None
    if account is None or db.scalar(_VERIFIER, {"citizen_id": attempt.subject}) != attempt.checked:
        if not attempt.known:
            throttle.failed(db, throttle.PASSWORD, visitor)
        return None
    throttle.succeeded(db, throttle.PASSWORD, attempt.subject, visitor, known=attempt.known)
    if attempt.newer:
        same = (table.c.citizen_id == attempt.subject, table.c.verifier == attempt.checked)
        db.execute(update(table).where(*same).values(verifier=attempt.newer))
    return account


def prepare(house: Parts, secret: str) -> str:
    """Hash a chosen password; slow on purpose, so call it outside transactions.

    Raises TooMany when busy, and PasswordUnfit for what `attempt` would not look at.
    """
    if len(_normal(secret)) > LONGEST:
        raise PasswordUnfit(_("Use at most {count} characters.").format(count=LONGEST))
    return pool(house.settings).hash(_prepared(house, secret))


def put(db: Session, citizen_id: str, verifier: str, *, actor: Actor) -> None:
    """Set or replace a citizen's password by its verifier from `prepare`; who gave the old one begins again."""
    accounts.hold(db, citizen_id)
    stages.end_all(db, stages.SECOND_FACTOR, citizen_id)
    db.execute(delete(table).where(table.c.citizen_id == citizen_id))
    db.execute(insert(table).values(citizen_id=citizen_id, verifier=verifier, changed_at=clock.now()))
    record(db, PasswordSet(), actor=actor, about=[citizen_id])
    notify.tell(db, citizen_id, "password-set")


def drop(db: Session, citizen_id: str) -> bool:
    """Remove a citizen's password; tell whether there was one."""
    stages.end_all(db, stages.SECOND_FACTOR, citizen_id)
    gone = db.execute(delete(table).where(table.c.citizen_id == citizen_id).returning(table.c.citizen_id))
    return gone.first() is not None


def has(db: Session, citizen_id: str) -> bool:
    """Tell whether a citizen has a password."""
    return db.scalar(_VERIFIER, {"citizen_id": citizen_id}) is not None


def _normal(secret: str) -> str:
    return unicodedata.normalize("NFKC", secret)


def _prepared(house: Parts, secret: str) -> bytes:
    # Keyed first, so that a stolen table alone cannot be guessed at (NIST SP 800-63B-4, 3.1.1.2).
    return hmac.digest(house.keys.secret("idp/password/1"), _normal(secret).encode(), "sha256")
