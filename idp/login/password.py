"""Passwords: rules, hashing in a pool that sheds load, and the check that tells nothing about names."""

import functools
import hmac
import os
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import Database, Parts
from core.errors import TooMany
from core.events import Actor, record
from core.language import _
from core.settings import Settings
from idp import accounts, names, notify
from idp.accounts import Account
from idp.errors import PasswordUnfit
from idp.events import PasswordSet
from idp.login import devices, stages, throttle
from idp.login.devices import Visitor
from idp.tables import password as table
from registry_sync import people

SHORTEST, LONGEST = 12, 500
FEWEST_DIFFERENT = 5
BUSY_SECONDS = 2


class Pool:
    """So many hashes at once as there are cores, so many waiting, and a quick no to the rest."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_lanes,
        )
        self._most = (settings.hashing_slots or os.cpu_count() or 1) + settings.hashing_queue
        self._slots = threading.BoundedSemaphore(settings.hashing_slots or os.cpu_count() or 1)
        self._inside = 0
        self._guard = threading.Lock()
        self._nobodys = ""

    def hash(self, secret: bytes) -> str:
        """Return a new verifier (argon2id, RFC 9106); raises TooMany when the queue is full."""
        with self._slot():
            return self._hasher.hash(secret)

    def check(self, verifier: str | None, secret: bytes) -> tuple[bool, str | None]:
        """Tell whether a secret fits, and give a new verifier if the old one was made with other parameters.

        Without a verifier the same work is done against nobody's. Raises TooMany when the queue is full.
        """
        with self._slot():
            if verifier is None:
                self._fits(self._nobody(), secret)
                return False, None
            right = self._fits(verifier, secret)
            stale = right and self._hasher.check_needs_rehash(verifier)
            return right, self._hasher.hash(secret) if stale else None

    def warm(self) -> None:
        """Make nobody's verifier before the first visitor could time it."""
        self._nobody()

    def _nobody(self) -> str:
        if not self._nobodys:
            self._nobodys = self._hasher.hash(secrets.token_bytes(32))
        return self._nobodys

    def _fits(self, verifier: str, secret: bytes) -> bool:
        try:
            return self._hasher.verify(verifier, secret)
        except (VerificationError, InvalidHashError):
            return False

    @contextmanager
    def _slot(self) -> Iterator[None]:
        with self._guard:
            if self._inside >= self._most:
                raise TooMany(
                    _("Very many people are signing in just now. Try again in a few seconds."),
                    overload=True,
                    retry_after=BUSY_SECONDS,
                )
            self._inside += 1
        try:
            with self._slots:
                yield
        finally:
            with self._guard:
                self._inside -= 1


@functools.lru_cache(maxsize=16)
def pool(settings: Settings) -> Pool:
    """Return this process's hashing pool for some settings."""
    made = Pool(settings)
    made.warm()
    return made


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


def fit(secret: str, *, unlike: tuple[str, ...] = ()) -> None:
    """Check a chosen password; raises PasswordUnfit with what to do.

    Length counts, composition does not (NIST SP 800-63B-4, 3.1.1.2); `unlike` holds names it must not contain.
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
    plain = "".join(char for char in text.casefold() if char.isalnum())
    for name in unlike:
        bare = "".join(char for char in names.normal(name) if char.isalnum())
        if bare and bare in plain:
            raise PasswordUnfit(_("Do not use your name, e-mail address or citizen ID in the password."))


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
        verifier = db.scalar(select(table.c.verifier).where(table.c.citizen_id == subject))
        wait = throttle.attempt(db, throttle.PASSWORD, subject, visitor, known=known)
        if wait:
            throttle.stopped(db, throttle.PASSWORD, subject, somebody=citizen_id is not None)
    if wait:
        return Attempt(subject, known, wait=wait)
    right, newer = pool(database.parts.settings).check(verifier, _prepared(database.parts, secret))
    return Attempt(subject, known, right=right, checked=verifier, newer=newer)


def settle(db: Session, attempt: Attempt, visitor: Visitor) -> Account | None:
    """Write down what a guess came to; return the account, held, if it was right.

    A guess at a password that was changed since it was looked at counts as wrong.
    """
    if attempt.wait:
        return None
    account = accounts.hold(db, attempt.subject) if attempt.right else None
    mine = table.c.citizen_id == attempt.subject
    if account is None or db.scalar(select(table.c.verifier).where(mine)) != attempt.checked:
        if not attempt.known:
            throttle.failed(db, throttle.PASSWORD, visitor)
        return None
    throttle.succeeded(db, throttle.PASSWORD, attempt.subject, visitor, known=attempt.known)
    if attempt.newer:
        still = table.c.verifier == attempt.checked
        db.execute(update(table).where(mine, still).values(verifier=attempt.newer))
    return account


def prepare(house: Parts, secret: str) -> str:
    """Hash a chosen password; slow on purpose, so call it outside transactions. Raises TooMany when busy."""
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
    return db.execute(select(table.c.citizen_id).where(table.c.citizen_id == citizen_id)).first() is not None


def _normal(secret: str) -> str:
    return unicodedata.normalize("NFKC", secret)


def _prepared(house: Parts, secret: str) -> bytes:
    # Keyed first, so that a stolen table alone cannot be guessed at (NIST SP 800-63B-4, 3.1.1.2).
    return hmac.digest(house.keys.secret("idp/password/1"), _normal(secret).encode(), "sha256")
