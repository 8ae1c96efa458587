"""Assertions: a client proves who it is by a JWT that it signed, with a key of its own or with its secret."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy.orm import Session

from core import clock
from core.database import Database
from core.forms import Posted
from idp.oidc import client_keys, clients, metadata, profiles, replays
from idp.oidc.client import Client
from keys import compact
from keys.compact import Signed
from keys.errors import BadToken

log = structlog.get_logger("erti.clients")
TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TYPES: Final = frozenset(("", "jwt", "client-authentication+jwt"))  # the last is RFC 7523bis's own
LIMIT: Final = 8_192  # characters
LONGEST_ID: Final = 255  # characters of jti
FAPI_SECONDS, BASIC_SECONDS = 300, 3_600  # how far ahead an assertion may expire
AHEAD_SECONDS: Final = (
    60  # how far a client's clock may be ahead: 10 s must be taken, 60 s and more must not (FAPI 2.0)
)
BEHIND_SECONDS: Final = 5  # how long after its expiry it is taken
_KIND: Final = "client-assertion"


@dataclass(frozen=True)
class Proof:
    """An assertion that is right in all but one thing: whether it is used for the first time."""

    client_id: str
    method: str
    jti: str
    until: datetime


@dataclass(frozen=True)
class Unproven:
    """An assertion that proves nothing; `why` is for the client's developers, in the log."""

    why: str
    client_id: str = ""


def read(database: Database, posted: Posted, url: str) -> Proof | Unproven | None:
    """Look at the assertion that a form brings to the endpoint at `url`; None if it brings none.

    Everything that may take long is done here, before a write transaction is opened: the client's keys may have to be
    fetched, and a signature is checked. It establishes (RFC 7521, 4.2; RFC 7523, section 3; OpenID Connect Core 1.0,
    section 9; FAPI 2.0 Security Profile, 5.3.2.1):

    (1) there is one assertion, of the one type that is known, no longer than LIMIT, in form (`compact.signed`), and
        not a JWT of another explicit type (RFC 8725, 3.11);
    (2) it says `iss` and `sub` alike, which name a client that registered one of these methods; a `client_id` in the
        form names the same one;
    (3) it is for us. FAPI clients have to name the issuer, as one text, and so does everybody by the current draft of
        RFC 7523bis (section 4), because an assertion for an endpoint's address can be lured out of a client by another
        server that claims that address. Clients of profile ``basic`` may still name the token endpoint, as RFC 7523
        and OpenID Connect advised, or the endpoint called (RFC 9126, section 2), also in a list;
    (4) it expires, not yet and not far ahead; if it says when it was issued or from when it counts, its clock is not
        more than a minute ahead of ours;
    (5) it has an ID, so that `first_use` can tell whether it is used again;
    (6) its algorithm is of those for the method, and the one that the client registered, if it registered one;
    (7) the signature is right: by one of the client's registered keys, or by its secret. Keys in the header count for
        nothing.
    """
    given = posted.all("client_assertion")
    if not given and not posted.all("client_assertion_type"):
        return None
    if len(given) != 1 or posted.all("client_assertion_type") != [TYPE]:
        return Unproven("There has to be one client_assertion, with the client_assertion_type of RFC 7523.")
    try:
        signed = compact.signed(given[0], limit=LIMIT)
        claims = signed.claims()
    except BadToken as error:
        return Unproven(f"The assertion is not a JWT in compact form, or too long ({error.detail}).")
    if _plain_type(signed) not in TYPES:  # (1)
        return Unproven("The assertion's typ says that it is something else.")
    client_id = claims.get("sub")
    if not isinstance(client_id, str) or claims.get("iss") != client_id:
        return Unproven("The assertion's iss and sub have to be the client_id.")
    if posted.all("client_id") not in ([], [client_id]):
        return Unproven("The assertion and the client_id name two clients.", client_id)
    with database.reading() as db:
        client = clients.find(db, client_id)
        secret = clients.secret_of(db, client) if client and _method(client) == metadata.BY_SECRET else None
    if client is None or _method(client) not in metadata.ASSERTION_METHODS:  # (2)
        return Unproven(
            "The client is not known, or is not registered to authenticate by an assertion.", client_id
        )
    why = _facts(database, client, claims, url) or _signature(database, client, signed, secret)
    if why:
        return Unproven(why, client_id)
    left = claims["exp"] - clock.seconds(clock.now()) + BEHIND_SECONDS + 1
    return Proof(client_id, _method(client), claims["jti"], clock.now() + timedelta(seconds=left))


def first_use(db: Session, proof: Proof) -> bool:
    """Tell whether an assertion is used for the first time, and remember that it was (RFC 7523, section 3, item 7)."""
    # Length first: no two pairs of client and ID are written alike.
    name = f"{len(proof.client_id)}:{proof.client_id}:{proof.jti}"
    first = replays.first_time(db, _KIND, name, until=proof.until)
    if not first:
        log.info("assertion refused", client=proof.client_id, why="Its jti was used before.")
    return first


def algorithms(client: Client) -> tuple[str, ...]:
    """Return the algorithms in which a client may sign its assertions."""
    known: tuple[str, ...] = profiles.FAPI_ALGORITHMS if client.is_fapi else metadata.KEY_ALGORITHMS
    if _method(client) == metadata.BY_SECRET:
        known = metadata.SECRET_ALGORITHMS
    chosen = client.token_endpoint_auth_signing_alg
    return tuple(one for one in known if chosen in ("", one) or {chosen, one} == {"EdDSA", "Ed25519"})


def _facts(database: Database, client: Client, claims: dict[str, Any], url: str) -> str:
    at, issuer = clock.seconds(clock.now()), database.parts.settings.issuer
    audience, expires, jti = claims.get("aud"), claims.get("exp"), claims.get("jti")
    if client.is_fapi:
        is_for_us = audience == issuer
    else:
        ours = (issuer, f"{issuer}/token", url)
        is_for_us = any(one in ours for one in (audience if isinstance(audience, list) else [audience]))
    if not is_for_us:  # (3)
        return f"The assertion's aud has to be {issuer}, as one text."
    longest = FAPI_SECONDS if client.is_fapi else BASIC_SECONDS
    latest = at + longest + AHEAD_SECONDS
    if expires is None or not _is_time(expires) or not at - BEHIND_SECONDS < expires <= latest:
        return f"The assertion's exp has to be ahead, by no more than {longest} seconds."
    for name in ("iat", "nbf"):
        if name in claims and not (_is_time(claims[name]) and claims[name] <= at + AHEAD_SECONDS):  # (4)
            return f"The assertion's {name} is ahead of time: see to the client's clock."
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_ID:  # (7)
        return f"The assertion needs a jti, a new one each time, of at most {LONGEST_ID} characters."
    return ""


def _signature(database: Database, client: Client, signed: Signed, secret: str | None) -> str:
    allowed = algorithms(client)
    if signed.alg not in allowed:  # (6)
        return f"The assertion's alg is {signed.alg[:16]!r}, and may be {', '.join(allowed)} for this client."
    if _method(client) == metadata.BY_KEY:
        right = client_keys.signed_by(database, client, signed, algs=allowed)
    else:
        right = compact.holds_by_secret(signed, secret or "")
    return "" if right else "The signature is not right by any of the client's keys, or by its secret."  # (7)


def _method(client: Client) -> str:
    return client.token_endpoint_auth_method


def _plain_type(signed: Signed) -> str:
    return str(signed.header.get("typ", "")).lower().removeprefix("application/")


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
