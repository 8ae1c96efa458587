"""Sender constraint: what a token is bound to, and whether who shows it holds that (RFC 7800, 8705, 9449)."""

import base64
import hashlib
import hmac

from idp.oidc.calls import Call
from idp.oidc.client import Client
from idp.oidc.dpop import SCHEME, Proof

THUMBPRINT = "x5t#S256"
KEY = "jkt"
Confirmation = dict[str, str]  # the `cnf` claim (RFC 7800, section 3.1): KEY, THUMBPRINT, or both


class NotShown(Exception):
    """A call lacks the certificate or proof that a client's tokens have to be bound to."""


def of(client: Client, call: Call, proof: Proof | None) -> Confirmation | None:
    """Return what a new token for a client is bound to, None if to nothing; raises NotShown where it has to be.

    A proof binds it for any client (RFC 9449, section 5), a certificate for those that registered so (RFC 8705, 3.4).
    What a client registered has to be shown, and by a FAPI client at least one of the two.
    """
    held = shown(call, proof)
    if not held and not client.must_bind_tokens:
        return None
    wanted = {KEY}
    if client.tls_client_certificate_bound_access_tokens:
        wanted.add(THUMBPRINT)
    cnf = {name: value for name, value in held.items() if name in wanted}
    needed = wanted if client.dpop_bound_access_tokens else wanted - {KEY}
    if not needed <= set(cnf) or (client.must_bind_tokens and not cnf):
        raise NotShown
    return cnf or None


def of_refresh(client: Client, cnf: Confirmation | None) -> Confirmation | None:
    """Return what a refresh token is bound to: a public client's to all that its access token is (RFC 9449, 5; RFC 8705, 4).

    Any other client proves itself anyway when it refreshes, and may change its key.
    """
    return cnf if client.is_public else None


def shown(call: Call, proof: Proof | None) -> Confirmation:
    """Return all that a call shows that something could be bound to."""
    held = {} if proof is None else {KEY: proof.jkt}
    if call.certificate is not None:
        held[THUMBPRINT] = thumbprint(call.certificate)
    return held


def holds(cnf: Confirmation | None, held: Confirmation) -> bool:
    """Tell whether what is shown is all that something is bound to; what is bound to nothing needs nothing."""
    return all(hmac.compare_digest(value, held.get(name, "")) for name, value in (cnf or {}).items())


def token_type(cnf: Confirmation | None) -> str:
    """Return how a token is shown (RFC 9449, section 5; RFC 6750)."""
    return SCHEME if KEY in (cnf or {}) else "Bearer"


def thumbprint(certificate: bytes) -> str:
    """Return `x5t#S256` of a certificate in DER (RFC 8705, section 3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode()
