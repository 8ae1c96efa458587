"""A client's public keys: those it registered, or those at its address, fetched seldom and outside transactions."""

from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from core.database import Database
from idp.oidc import fetched_keys, public_keys
from idp.oidc.client import Client
from idp.oidc.errors import ClientKeysWrong
from idp.oidc.public_keys import PublicKey
from keys import compact
from keys.compact import Signed


def held(db: Session, client: Client) -> tuple[PublicKey, ...]:
    """Return the client's keys as this process knows them, without any call: those by value, or those last fetched."""
    return _held(db.get_bind().engine, client)


def is_due(db: Session, client: Client) -> bool:
    """Tell whether the client's keys should be fetched before they are used."""
    return bool(client.jwks_uri) and fetched_keys.is_due(db.get_bind().engine, client.jwks_uri)


def ready(database: Database, client: Client, *, again: bool = False) -> tuple[PublicKey, ...]:
    """Return the client's keys, fetched from its address if need be; `again` if those that are held do not do.

    Raises RuntimeError inside a write transaction, as this may take seconds; returns nothing where there is nothing.
    """
    if client.jwks_uri:
        return fetched_keys.at(database, client.jwks_uri, public_keys.read, again=again)
    return _held(database.engine, client)


def certificates(keys: tuple[PublicKey, ...]) -> list[bytes]:
    """Return the certificates (DER) that belong to keys."""
    return [one.certificate for one in keys if one.certificate]


def signed_by(database: Database, client: Client, given: Signed, *, algs: tuple[str, ...]) -> bool:
    """Tell whether one of the client's keys made a signature, with one of these algorithms.

    A key that is not held, or a signature that does not hold, may mean that the client has changed its keys: they are
    fetched once more, as seldom as `fetched_keys` allows. Not inside a write transaction.
    """
    if given.alg not in algs:
        return False
    keys = ready(database, client)
    if _any_holds(keys, given):
        return True
    fresh = ready(database, client, again=True)
    return fresh is not keys and _any_holds(fresh, given)


def _any_holds(keys: tuple[PublicKey, ...], given: Signed) -> bool:
    return any(
        compact.holds(given, one.key, algs=(given.alg,)) for one in public_keys.for_signature(keys, given)
    )


def _held(engine: Engine, client: Client) -> tuple[PublicKey, ...]:
    if client.jwks_uri:
        return fetched_keys.held(engine, client.jwks_uri)
    if client.jwks is None:
        return ()
    known = _READ.setdefault(engine, {})
    document, keys = known.get(client.client_id, (None, ()))
    if document is not client.jwks:  # read anew with the client itself, once a second
        try:
            keys = public_keys.read(client.jwks)
        except ClientKeysWrong:
            keys = ()
        if len(known) >= fetched_keys.MOST_KEPT:
            known.clear()
        known[client.client_id] = (client.jwks, keys)
    return keys


# What was read of keys by value, for each database: the document it was read from, and the keys.
_READ: WeakKeyDictionary[Engine, dict[str, tuple[Any, tuple[PublicKey, ...]]]] = WeakKeyDictionary()
