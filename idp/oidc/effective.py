"""Which parameters of an authorization request count: those sent, those pushed, or those of a request object."""

from core.database import Database
from core.forms import Posted
from idp.oidc import clients, pushed, request_objects
from idp.oidc.asked import Arrived, Refusal
from idp.oidc.client import Client
from idp.oidc.errors import RequestOver

_LEADING = ("client_id", "request", "request_uri")


def of(database: Database, posted: Posted) -> Arrived:
    """Return the parameters that count; those outside a pushed request or request object do not (RFC 9101, 5 and 6.3).

    Not inside a transaction: it may fetch from the client. Raises RequestOver.
    """
    if not (posted.raw("request") or posted.raw("request_uri")):
        return Arrived(posted)
    if any(posted.repeated(name) for name in _LEADING):  # which the checks will say
        return Arrived(posted)
    try:
        return _read(database, posted)
    except Refusal as refusal:
        return Arrived(posted, unread=refusal)


def inside(database: Database, client: Client, posted: Posted) -> Arrived:
    """Return the parameters of the request object that comes with others, which do not count (RFC 9101, 5 and 6.3).

    Not inside a write transaction. Raises Refusal.
    """
    return _of_object(posted, request_objects.read(database, client, posted.raw("request")))


def _read(database: Database, posted: Posted) -> Arrived:
    by_value, uri, client_id = (posted.raw(name) for name in ("request", "request_uri", "client_id"))
    if by_value and uri:
        raise Refusal("invalid_request", "request and request_uri cannot stand side by side")
    with database.reading() as db:
        client = clients.find(db, client_id)
        if uri.startswith(pushed.PREFIX):
            found = pushed.find(db, uri, client_id) if client else None
            if found is None:
                raise RequestOver(
                    "it_could_be_read",
                    "request_uri was answered, has expired or is of another client: push the request anew",
                    client_id=client_id,
                )
            return found
    if client is None:  # which the checks will say
        return Arrived(posted)
    if client.must_push:
        raise Refusal("invalid_request", "the requests of this client have to be pushed")
    if by_value:
        return inside(database, client, posted)
    text = request_objects.fetched(database, client, uri)
    return _of_object(
        posted, request_objects.read(database, client, text, unsigned="request_uri_not_supported")
    )


def _of_object(around: Posted, found: Posted) -> Arrived:
    for name in ("response_type", "client_id"):  # OpenID Connect Core 1.0, 6.1
        if around.raw(name) not in ("", found.raw(name)):
            raise Refusal("invalid_request_object", f"{name} is another than that of the request object")
    return Arrived(found, signed=True)
