"""The certificates that clients registered themselves, for the TLS that must let them in."""

from datetime import datetime

from sqlalchemy import bindparam, select

from core.database import Database
from idp.oidc import certificates, clients, metadata
from idp.oidc.client import Client
from idp.oidc.tables import client as table

_STAMPS = select(table.c.client_id, table.c.changed_at).where(table.c.state == bindparam("state"))


class Trusted:
    """What TLS in this process has to let in beside what an authority vouches for; asked again and again.

    Who comes in has proven no more than that they hold the key: which client it is for, if any, is checked
    with each call, against that client's own keys.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[datetime, list[bytes]]] = {}

    def certificates(self) -> set[bytes]:
        """Return the certificates (DER) of every client that may need one, reading those that changed."""
        with self._database.reading() as db:
            stamps = {row.client_id: row.changed_at for row in db.execute(_STAMPS, {"state": "active"})}
            self._known = {name: held for name, held in self._known.items() if name in stamps}
            for name, changed in stamps.items():
                if self._known.get(name, (None,))[0] != changed:
                    found = clients.fetch(db, name)
                    self._known[name] = (changed, _needed(found) if found else [])
        return {one for _changed, held in self._known.values() for one in held}


def _needed(client: Client) -> list[bytes]:
    shows = client.tls_client_certificate_bound_access_tokens
    if shows or client.token_endpoint_auth_method == metadata.SELF_SIGNED_METHOD:
        return certificates.registered(client.jwks or {})
    return []
