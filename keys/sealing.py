"""Encryption at rest: every owner has data keys of their own, so erasing a key erases what it sealed."""

import secrets
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core import clock
from core.database import among, parts, texts
from keys import epochs
from keys.errors import BadSeal, KeysBusy, Shredded
from keys.quick import randomness
from keys.ring import Keyring
from keys.tables import data_key

VERSION = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32
LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL, appendix A
_MANY = {
    engine: select(data_key).where(data_key.c.scope == bindparam("scope"), named)
    for engine, named in among(data_key.c.owner, "owners").items()
}
_FIND = select(data_key.c.epoch, data_key.c.wrapped).where(
    data_key.c.owner == bindparam("owner"), data_key.c.scope == bindparam("scope")
)
_FAMILY = select(data_key.c.scope, data_key.c.epoch, data_key.c.wrapped).where(
    data_key.c.owner == bindparam("owner"),
    or_(data_key.c.scope == bindparam("family"), data_key.c.scope.startswith(bindparam("later"))),
)
_HOLD = _FAMILY.with_for_update(read=True, key_share=True)
_LOCK = _FAMILY.with_for_update(nowait=True)
_INSERT = {
    "sqlite": sqlite.insert(data_key).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(data_key).on_conflict_do_nothing(),
}

_PUT: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(data_key),
    "postgresql": postgresql.insert(data_key),
}
_PUT_BACK = {
    name: put.on_conflict_do_update(
        index_elements=["owner", "scope"],
        set_={
            "epoch": put.excluded.epoch,
            "wrapped": put.excluded.wrapped,
            "created_at": put.excluded.created_at,
        },
        where=or_(put.excluded.epoch > data_key.c.epoch, put.excluded.created_at != data_key.c.created_at),
    )
    for name, put in _PUT.items()
}


class Opener:
    """Opens what one owner's key of one scope sealed. Let go of it soon: a key that is destroyed must be forgotten."""

    __slots__ = ("_context", "_decrypt", "_scope")

    def __init__(self, cipher: AESGCM, owner: str, scope: str) -> None:
        self._decrypt = cipher.decrypt
        self._context, self._scope = _context(owner, scope, b""), scope

    def open(self, sealed: bytes, at: int, aad: bytes) -> bytes:
        """Undo `seal` on the bytes from `at` on, whose version was looked at. Raises BadSeal if they were altered."""
        try:
            return self._decrypt(sealed[at + 1 : at + 13], sealed[at + 13 :], self._context + aad)
        except (InvalidTag, ValueError) as error:  # ValueError: so short that there is no nonce
            raise BadSeal(detail=self._scope) from error


def seal(db: Session, owner: str, scope: str, plaintext: bytes, *, aad: bytes = b"") -> bytes:
    """Seal bytes under the owner's data key for a scope, making the key on first use (AES-256-GCM).

    `aad` is bound but not stored: give what says where the value belongs. Needs a write transaction
    if the key does not exist yet.
    """
    cipher = _key(db, owner, scope, make=True)
    nonce = randomness(db).take(NONCE_BYTES)
    return VERSION + nonce + cipher.encrypt(nonce, plaintext, _context(owner, scope, aad))


def unseal(db: Session, owner: str, scope: str, sealed: bytes, *, aad: bytes = b"") -> bytes:
    """Undo `seal`. Raises Shredded if the key was destroyed, BadSeal if the value is not what was sealed."""
    if sealed[:1] != VERSION:
        raise BadSeal(detail="version")
    return opener(db, owner, scope).open(sealed, 0, aad)


def opener(db: Session, owner: str, scope: str) -> Opener:
    """Return what opens many of an owner's values of one scope. Raises Shredded if the key was destroyed."""
    return Opener(_key(db, owner, scope, make=False), owner, scope)


def ready(db: Session, owners: Iterable[str], scope: str) -> None:
    """Load or make many owners' data keys at once, for bulk work in one transaction."""
    ring: Keyring = parts(db).keys
    local = _local(db)
    missing = {
        owner for owner in owners if (owner, scope) not in local and ring.data_key(owner, scope) is None
    }
    if missing:
        named = {"owners": texts(db, missing), "scope": scope}
        for row in db.execute(_MANY[db.get_bind().dialect.name], named).all():
            # Keys made in this transaction are local already, so what is found here is committed.
            ring.keep_data_key(row.owner, scope, _open(ring, row.owner, scope, row.epoch, row.wrapped))
            missing.discard(row.owner)
    fresh = {owner: secrets.token_bytes(KEY_BYTES) for owner in sorted(missing)}
    if not fresh:
        return
    epoch, at = epochs.newest(db), clock.now()
    db.execute(
        _INSERT[db.get_bind().dialect.name],
        [
            {
                "owner": owner,
                "scope": scope,
                "epoch": epoch,
                "wrapped": ring.custody.wrap(epoch, key, epochs.key_context(owner, scope)),
                "created_at": at,
            }
            for owner, key in fresh.items()
        ],
    )
    # Read back: another transaction may have made the same key first, and then its key counts.
    for owner in fresh:
        local[owner, scope] = _load(db, ring, owner, scope)


def hold(db: Session, owner: str, family: str) -> str:
    """Return the newest scope of a family, ``family`` or ``family:N``, whose key stays until this write transaction ends.

    For what is sealed now and opened later by others: `lock` and so the key's end wait for it. Makes the first key.
    """
    wanted = {"owner": owner, "family": family, "later": f"{family}:"}
    while not (found := db.execute(_HOLD, wanted).all()):
        ready(
            db, [owner], family
        )  # and look again: who made it may be somebody else, whose key is not held yet
    row = max(found, key=lambda row: _generation(row.scope, family))
    ring: Keyring = parts(db).keys
    if (owner, row.scope) not in _local(db) and ring.data_key(owner, row.scope) is None:
        ring.keep_data_key(owner, row.scope, _open(ring, owner, row.scope, row.epoch, row.wrapped))
    return str(row.scope)


def lock(db: Session, owner: str, family: str) -> list[str]:
    """Return the scopes of a family, oldest first, with their keys locked until this write transaction ends.

    Raises KeysBusy at once if another transaction holds one of them; the transaction is then undone.
    """
    try:
        found = db.execute(_LOCK, {"owner": owner, "family": family, "later": f"{family}:"}).all()
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise KeysBusy(detail=family) from error
        raise
    return sorted((row.scope for row in found), key=lambda scope: _generation(scope, family))


def fetch(db: Session, owners: Iterable[str], scope: str) -> None:
    """Load many owners' data keys with one query, so that `unseal` need not look up each; makes none."""
    ring: Keyring = parts(db).keys
    local = _local(db)
    missing = {
        owner for owner in owners if (owner, scope) not in local and ring.data_key(owner, scope) is None
    }
    if missing:
        named = {"owners": texts(db, sorted(missing)), "scope": scope}
        for row in db.execute(_MANY[db.get_bind().dialect.name], named):
            ring.keep_data_key(row.owner, scope, _open(ring, row.owner, scope, row.epoch, row.wrapped))


def copies(db: Session, owners: Iterable[str], family: str) -> list[dict[str, Any]]:
    """The wrapped data keys of owners in the scopes that begin with `family`, as they are stored.

    For a copy outside the database: it opens nothing once the epoch that wrapped it is destroyed.
    """
    found: list[dict[str, Any]] = []
    for batch in _batches(sorted(set(owners))):
        query = select(data_key).where(data_key.c.owner.in_(batch), data_key.c.scope.startswith(family))
        found += [dict(row) for row in db.execute(query).mappings()]
    return found


def put_back(db: Session, kept: Iterable[dict[str, Any]]) -> None:
    """Put copies of wrapped data keys back: where a key is missing, is another one, or had an earlier epoch.

    What was sealed under another key of that owner and scope cannot be opened afterwards.
    """
    rows, local = list(kept), _local(db)
    for row in rows:
        local.pop((row["owner"], row["scope"]), None)
        parts(db).keys.forget_data_keys(row["owner"])
    for at in range(0, len(rows), 400):
        db.execute(_PUT_BACK[db.get_bind().dialect.name], rows[at : at + 400])


def shred(db: Session, owner: str, scope: str | None = None) -> int:
    """Destroy an owner's data keys, all or one scope's; what they sealed cannot be opened afterwards.

    Returns how many keys were destroyed. Other processes forget within `keys.ring.DATA_KEY_SECONDS`.
    """
    query = delete(data_key).where(data_key.c.owner == owner)
    if scope is not None:
        query = query.where(data_key.c.scope == scope)
    gone = int(db.execute(query).rowcount)  # type: ignore[attr-defined]
    parts(db).keys.forget_data_keys(owner)
    local = _local(db)
    for name in [name for name in local if name[0] == owner and scope in (None, name[1])]:
        del local[name]
    return gone


def _key(db: Session, owner: str, scope: str, *, make: bool) -> AESGCM:
    ring: Keyring = parts(db).keys
    local = _local(db)
    cipher = local.get((owner, scope)) or ring.data_key(owner, scope)
    if cipher is not None:
        return cipher
    row = db.execute(_FIND, {"owner": owner, "scope": scope}).first()
    if row is not None:
        cipher = _open(ring, owner, scope, row.epoch, row.wrapped)
        ring.keep_data_key(owner, scope, cipher)
        return cipher
    if not make:
        raise Shredded(detail=scope)
    ready(db, [owner], scope)
    return local[owner, scope]


def _load(db: Session, ring: Keyring, owner: str, scope: str) -> AESGCM:
    row = db.execute(_FIND, {"owner": owner, "scope": scope}).one()
    return _open(ring, owner, scope, row.epoch, row.wrapped)


def _open(ring: Keyring, owner: str, scope: str, epoch: int, wrapped: bytes) -> AESGCM:
    return AESGCM(ring.custody.unwrap(epoch, wrapped, epochs.key_context(owner, scope)))


def _local(db: Session) -> dict[tuple[str, str], AESGCM]:
    # A key made here may yet be rolled back, so it must not reach the cache that other transactions use.
    held: dict[tuple[str, str], AESGCM] | None = db.info.get("new_data_keys")
    if held is None:
        held = db.info["new_data_keys"] = {}
    return held


def _context(owner: str, scope: str, aad: bytes) -> bytes:
    return b"\x00".join((owner.encode(), scope.encode(), aad))


def _generation(scope: str, family: str) -> int:
    return int(scope[len(family) + 1 :] or 0)


def _batches(names: list[str], size: int = 400) -> Iterable[list[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))
