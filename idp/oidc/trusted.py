"""The certificates that clients have of themselves: fetched before they count, and let in by the TLS of this process."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.database import Database
from idp.oidc import client_keys, clients, metadata
from idp.oidc.certificates import registered
from idp.oidc.client import Client
from idp.oidc.tables import client as table

log = structlog.get_logger("erti.oidc")
_STAMPS = select(table.c.client_id, table.c.changed_at).where(table.c.state == bindparam("state"))


def fetch(database: Database, client_id: str, certificate: bytes | None) -> None:
    """See that a client's certificates are known before a transaction is opened in which one of them may count.

    Only where somebody showed a certificate, and the client keeps its own at its jwks_uri: if that one is not among
    those that are held, they are fetched once more, as seldom as `fetched_keys` allows.
    """
    if certificate is None or not client_id:
        return
    with database.reading() as db:
        client = clients.find(db, client_id)
    if client is None or not client.jwks_uri or not _is_its_own(client):
        return
    if certificate not in client_keys.certificates(client_keys.ready(database, client)):
        client_keys.ready(database, client, again=True)


class Trusted:
    """What TLS in this process has to let in beside what an authority vouches for; asked again and again.

    Who comes in has proven no more than that they hold the key: which client it is for, if any, is checked
    with each call, against that client's own keys.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[datetime, Client | None, list[bytes]]] = {}
        self._found: set[bytes] = set()
        self._fetching = ThreadPoolExecutor(2, thread_name_prefix="erti-certificates")

    def certificates(self) -> set[bytes]:
        """Return the certificates (DER) of every client that may need one, reading those that changed.

        Those at a jwks_uri come in when they were fetched, for which nobody waits here. While the database is
        away, what is known goes on.
        """
        try:
            self._found = self._look()
        except SQLAlchemyError as error:
            log.warning("registered certificates not read", error=type(error).__name__)
        return self._found

    def _look(self) -> set[bytes]:
        with self._database.reading() as db:
            self._read(db)
            found = {one for _changed, _client, own in self._known.values() for one in own}
            for _changed, client, _own in self._known.values():
                if client is not None and client.jwks_uri:
                    found |= set(client_keys.certificates(client_keys.held(db, client)))
                    if client_keys.is_due(db, client):
                        self._fetching.submit(client_keys.ready, self._database, client)
        return found

    def _read(self, db: Session) -> None:
        stamps = {row.client_id: row.changed_at for row in db.execute(_STAMPS, {"state": "active"})}
        self._known = {name: known for name, known in self._known.items() if name in stamps}
        for name, changed in stamps.items():
            if name not in self._known or self._known[name][0] != changed:
                client = clients.fetch(db, name)
                shows = client is not None and (
                    client.tls_client_certificate_bound_access_tokens or _is_its_own(client)
                )
                by_value = registered(client.jwks or {}) if client and shows else []
                self._known[name] = (changed, client if shows else None, by_value)


def _is_its_own(client: Client) -> bool:
    return client.token_endpoint_auth_method == metadata.SELF_SIGNED_METHOD
