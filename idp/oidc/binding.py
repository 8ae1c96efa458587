"""Sender constraint: what a token is bound to, and whether who shows it holds that (RFC 7800, 8705, 9449)."""

import base64
import hashlib
import hmac

from idp.oidc.calls import Call
from idp.oidc.client import Client
from idp.oidc.tokens import Confirmation

THUMBPRINT = "x5t#S256"


class NotShown(Exception):
    """A call lacks the certificate or proof that a client's tokens have to be bound to."""


def of(client: Client, call: Call) -> Confirmation | None:
    """Return what a new token for a client is bound to, None if to nothing; raises NotShown where it has to be."""
    if client.tls_client_certificate_bound_access_tokens and call.certificate is not None:
        return {THUMBPRINT: thumbprint(call.certificate)}
    if client.must_bind_tokens:
        raise NotShown
    return None


def holds(cnf: Confirmation | None, call: Call) -> bool:
    """Tell whether a call shows what a token is bound to; one that is bound to nothing needs nothing."""
    if not cnf:
        return True
    given = thumbprint(call.certificate) if call.certificate is not None else ""
    return set(cnf) == {THUMBPRINT} and hmac.compare_digest(cnf[THUMBPRINT], given)


def thumbprint(certificate: bytes) -> str:
    """Return `x5t#S256` of a certificate in DER (RFC 8705, section 3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()
