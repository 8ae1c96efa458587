"""How a client proves who it is at the endpoints that ask (RFC 6749, 2.3)."""

import base64
from functools import partial
from typing import Any
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


def by_certificate(db: Session) -> dict[str, Any]:
    """Return both ways to authenticate by certificate (RFC 8705, section 2), for Authlib."""
    return {method: partial(_by_certificate, db, method) for method in metadata.TLS_METHODS}


def _by_certificate(db: Session, method: str, query_client: Any, request: Request) -> Registered | None:
    certificate, client_id = request.call.certificate, request.form.get("client_id")
    if certificate is None or not client_id or "Authorization" in request.headers:
        return None
    client: Registered | None = query_client(client_id)
    if client is None or client.known.token_endpoint_auth_method != method:
        return None
    if OTHER_PROOFS & request.form.keys():
        return None
    try:
        _verify(db, client.known, certificate)
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


def by_assertion(query_client: Any, request: Request) -> Registered | None:
    """Authenticate by the assertion that was looked at before the transaction (RFC 7523, 2.2), but for its first use."""
    proof = request.call.assertion
    if not isinstance(proof, Proof):
        return None
    client: Registered | None = query_client(proof.client_id)
    if client is None or client.known.token_endpoint_auth_method != proof.method:  # changed in between
        return None
    return client
