"""A call of a client's program: what came with it that can prove who calls, beside its form or body."""

from dataclasses import dataclass

from idp.oidc.assertions import Proof, Unproven


@dataclass(frozen=True)
class Call:
    """One call. `url` is the endpoint's address as clients know it, without query.

    `authorization` and `dpop` are the values of every header of that name, `certificate` is the one that the
    client showed in its TLS connection, in DER. `accept` is the media types it can read, `assertion` what became of the
    assertion in its form, if there was one.
    """

    method: str
    url: str
    authorization: tuple[str, ...] = ()
    dpop: tuple[str, ...] = ()
    certificate: bytes | None = None
    accept: str = ""
    assertion: Proof | Unproven | None = None
