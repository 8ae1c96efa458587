"""How a client proves who it is at the endpoints that ask (RFC 6749, 2.3)."""

import base64
from typing import Any
from urllib.parse import unquote_plus

from idp.oidc.server.requests import Registered, Request

SECRET_METHODS = ["client_secret_basic", "client_secret_post"]
ALL_METHODS = [*SECRET_METHODS, "none"]


def by_basic(query_client: Any, request: Request) -> Registered | None:
    """Authenticate by HTTP Basic, whose parts are form-encoded (RFC 6749, 2.3.1); taken bare from clients that do not."""
    scheme, _blank, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except ValueError:  # not base64, or not UTF-8, or not even ASCII
        return None
    for client_id, tried in ((unquote_plus(name), unquote_plus(secret)), (name, secret)):
        client: Registered | None = query_client(client_id) if colon and client_id else None
        if client is not None and client.check_client_secret(tried):
            return client
    return None
