"""Front-channel logout: the addresses that a browser loads so that clients end their sessions in it."""

from sqlalchemy.orm import Session

from core.database import parts
from idp.oidc import clients, families, redirects, subjects


def of_session(db: Session, sid: str) -> list[str]:
    """Return the front-channel addresses of the clients at which somebody signed in from a browser session.

    `iss` and `sid` go with each, after the address's own query (OpenID Connect Front-Channel Logout 1.0, 2 and 3).
    """
    found = []
    for client_id in sorted({client_id for _citizen, client_id in families.of_session(db, sid)}):
        client = clients.find(db, client_id)
        if client is not None and client.frontchannel_logout_uri:
            named = {"iss": parts(db).settings.issuer, "sid": subjects.sid(db, client, sid)}
            found.append(redirects.extended(client.frontchannel_logout_uri, named))
    return found
