"""How a client proves who it is at the endpoints that ask (RFC 6749, 2.3)."""

import base64
from collections.abc import Callable
from functools import partial
from typing import Protocol
from urllib.parse import unquote_plus

import structlog
from sqlalchemy.orm import Session

from core.database import parts
from idp.oidc import certificates, client_keys, metadata
from idp.oidc.assertions import Proof
from idp.oidc.certificates import CertificateRefused
from idp.oidc.client import Client
from idp.oidc.server.requests import Registered, Request

log = structlog.get_logger("erti.oidc")
SECRET_METHODS = ["client_secret_basic", "client_secret_post"]
CONFIDENTIAL_METHODS = [*SECRET_METHODS, *metadata.ASSERTION_METHODS, *metadata.TLS_METHODS]
ALL_METHODS = [*CONFIDENTIAL_METHODS, "none"]
OTHER_PROOFS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


class Register(Protocol):
    """Where clients are looked up: the server, in its transaction."""

    db: Session

    def query_client(self, client_id: str) -> Registered | None:
        """Return a client that may be used, or None."""


def proved(register: Register, request: Request, methods: list[str]) -> Registered | None:
    """Return the client that proves itself by one of the methods, the one that it registered, and note which; or None."""
    for method in methods:
        client = PROOFS[method](register, request)
        if client is not None and client.known.token_endpoint_auth_method == method:
            request.auth_method = method
            return client
    return None


def by_basic(register: Register, request: Request) -> Registered | None:
    """Authenticate by HTTP Basic, whose parts are form-encoded (RFC 6749, 2.3.1); taken bare from clients that do not."""
    scheme, _blank, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except ValueError:  # not base64, or not UTF-8, or not even ASCII
        return None
    for client_id, tried in ((unquote_plus(name), unquote_plus(secret)), (name, secret)):
        client = register.query_client(client_id) if colon and client_id else None
        if client is not None and client.check_client_secret(tried):
            return client
    return None


def by_post(register: Register, request: Request) -> Registered | None:
    """Authenticate by a secret in the form."""
    client_id, secret = request.form.get("client_id"), request.form.get("client_secret")
    if not client_id or not secret:
        return None
    client = register.query_client(client_id)
    return client if client is not None and client.check_client_secret(secret) else None


def by_name(register: Register, request: Request) -> Registered | None:
    """Take a public client's word for its name (RFC 6749, 3.2.1)."""
    client_id = request.form.get("client_id")
    return register.query_client(client_id) if client_id and "client_secret" not in request.form else None


def by_certificate(method: str, register: Register, request: Request) -> Registered | None:
    """Authenticate by a certificate in the TLS connection (RFC 8705, section 2)."""
    certificate, client_id = request.call.certificate, request.form.get("client_id")
    if certificate is None or not client_id or "Authorization" in request.headers:
        return None
    client = register.query_client(client_id)
    if client is None or client.known.token_endpoint_auth_method != method:
        return None
    if OTHER_PROOFS & request.form.keys():
        return None
    try:
        _verify(register.db, client.known, certificate)
    except CertificateRefused as refused:
        log.info("client certificate refused", client=client_id, why=str(refused))
        return None
    return client


def _verify(db: Session, client: Client, certificate: bytes) -> None:
    if client.token_endpoint_auth_method == metadata.SELF_SIGNED_METHOD:
        certificates.verify_registered(certificate, client_keys.certificates(client_keys.held(db, client)))
    else:
        expected = {name: getattr(client, name) for name in certificates.EXPECTATIONS}
        certificates.verify_vouched_for(certificate, expected, parts(db).settings.client_ca)


def by_assertion(register: Register, request: Request) -> Registered | None:
    """Authenticate by the assertion that was looked at before the transaction (RFC 7523, 2.2), but for its first use."""
    proof = request.call.assertion
    if not isinstance(proof, Proof):
        return None
    client = register.query_client(proof.client_id)
    if client is None or client.known.token_endpoint_auth_method != proof.method:  # changed in between
        return None
    return client


PROOFS: dict[str, Callable[[Register, Request], Registered | None]] = {
    "client_secret_basic": by_basic,
    "client_secret_post": by_post,
    "none": by_name,
    **{method: partial(by_certificate, method) for method in metadata.TLS_METHODS},
    **dict.fromkeys(metadata.ASSERTION_METHODS, by_assertion),
}
