"""Request objects: what a client asks, in a JWT that it signed (RFC 9101; OpenID Connect Core 1.0, section 6)."""

import hashlib
import json
import threading
from collections.abc import Mapping
from typing import Any, Final

from core import clock, outbound
from core.database import Database
from core.forms import FIELD_LIMIT, Posted
from core.outbound import CallRefused
from idp.oidc import client_keys, metadata, profiles
from idp.oidc.asked import Refusal
from idp.oidc.client import Client
from keys import compact, decryption
from keys.compact import Signed
from keys.errors import BadToken

LIMIT: Final = 16_384  # characters of a signed one
TYPES: Final = frozenset(("", "jwt", "oauth-authz-req+jwt"))
LONGEST_SECONDS: Final = (
    3_600  # FAPI 2.0 Message Signing, 5.3.1: how old one may be, and how long it may count
)
AHEAD_SECONDS, BEHIND_SECONDS = 60, 5  # how far a client's clock may be off
# What a JWT says of itself, and not what is asked (RFC 9101, section 4).
OF_THE_JWT: Final = frozenset(("iss", "aud", "exp", "nbf", "iat", "jti", "sub"))
JSON_VALUES: Final[dict[str, tuple[type, ...]]] = {"claims": (dict,), "authorization_details": (list, dict)}
# Parameters that are text. One of these with another value is a mistake; one that nobody knows is ignored.
TEXTS: Final = frozenset((
    "client_id", "response_type", "redirect_uri", "scope", "state", "nonce", "response_mode", "code_challenge",
    "code_challenge_method", "prompt", "display", "ui_locales", "claims_locales", "id_token_hint", "login_hint",
    "acr_values", "registration", "grant_id", "grant_management_action", "dpop_jkt",
))  # fmt: skip
FETCH_SECONDS: Final = 5.0
FETCHES_AT_ONCE: Final = 4  # of one process: clients' slow servers hold up this many threads and no more
_FRAGMENT_LENGTH: Final = 43
_TURNS = threading.BoundedSemaphore(FETCHES_AT_ONCE)


def read(database: Database, client: Client, text: str, *, unsigned: str = "request_not_supported") -> Posted:
    """Return the parameters of a request object. It establishes (RFC 9101, section 6; RFC 8725):

    (1) it is of sane length and in form (`compact`); if it was encrypted, it was to a key of ours and by the algorithms
        that the client registered, if it registered any, and what was inside was signed as well (RFC 9101, 6.1);
    (2) it is signed by an algorithm that we take, which for a FAPI client is one of FAPI's, and the one that the client
        registered, if it registered one; one that is not signed is refused with the error `unsigned`, unless the client
        has to sign or keeps to FAPI: then it is a bad object (RFC 9101, section 7);
    (3) its `typ` does not say that it is something else (RFC 8725, 3.11);
    (4) the signature is right by a key of the client's own;
    (5) it is from the client, and for us (`iss`, `aud`), and is no assertion of who the client is (RFC 9101, 10.8);
    (6) it counts now. A client whose requests have to be signed says so by `nbf` and `exp`, no hour apart, the first no
        hour ago (FAPI 2.0 Message Signing, 5.3.1); others' times count as far as they are there;
    (7) it holds parameters as `parameters` takes them, and names no other client.

    Not inside a write transaction: the client's keys may have to be fetched. Raises Refusal.
    """
    try:
        given = compact.signed(_decrypted(database, client, text), limit=LIMIT)  # (1)
        if given.alg == "none":  # (2)
            error = "invalid_request_object" if client.is_fapi or client.must_sign_requests else unsigned
            raise Refusal(error, "a request object has to be signed")
        if given.alg not in algorithms(client):
            raise _bad("its alg is none of those that this client may sign with")
        if _plain_type(given) not in TYPES:  # (3)
            raise _bad("its typ says that it is something else")
        if not client_keys.signed_by(database, client, given, algs=algorithms(client)):  # (4)
            raise _bad("its signature is not right by any key of the client")
        claims = given.claims()
    except BadToken as error:
        raise _bad("it is no JWT in compact form that can be read") from error
    _look_at_parties(client, claims, issuer=database.parts.settings.issuer)  # (5)
    _look_at_times(claims, strict=client.must_sign_requests)  # (6)
    found = parameters(claims)  # (7)
    if found.raw("client_id") not in ("", client.client_id):
        raise _bad("its client_id is another than that of the request")
    named = [] if found.raw("client_id") else [("client_id", client.client_id)]
    return Posted([*found.items, *named])


def parameters(claims: Mapping[str, Any]) -> Posted:
    """Return the claims of a request object as parameters, as if they had been sent as a form.

    Text stays text, a number in `max_age` and JSON in `claims` and `authorization_details` become text, each of a list
    of resources is a parameter of its own. There is no object inside the object (RFC 9101, section 4). Raises Refusal.
    """
    if len(claims) > FIELD_LIMIT:
        raise _bad("it holds too many members")
    items: list[tuple[str, str]] = []
    for name, value in claims.items():
        if name in ("request", "request_uri"):
            raise _bad(f"it holds a {name} itself")
        if name not in OF_THE_JWT:
            items += [(name, one) for one in _texts(name, value)]
    if any(not _is_plain(part) for pair in items for part in pair):
        raise _bad("it holds characters that no parameter can have")
    return Posted(items)


def algorithms(client: Client) -> tuple[str, ...]:
    """Return the algorithms in which a client may sign its requests."""
    known = profiles.FAPI_ALGORITHMS if client.is_fapi else metadata.REQUEST_OBJECT_ALGORITHMS
    chosen = client.request_object_signing_alg
    return tuple(one for one in known if chosen in ("", one) or {chosen, one} == {"EdDSA", "Ed25519"})


def fetched(database: Database, client: Client, uri: str) -> str:
    """Return the request object at an address of the client (RFC 9101, 5.2). It establishes:

    (1) the client registered the address, as it is or without its fragment;
    (2) it can be called (`core.outbound`), and answered in time with a text of sane length;
    (3) the text is the one that the fragment is the hash of, if there is one (OpenID Connect Core 1.0, 6.2).

    Not inside a write transaction. Raises Refusal.
    """
    if database.in_writing():
        raise RuntimeError("a request object is fetched before a write transaction is opened")
    address, _mark, fragment = uri.partition("#")
    if not {uri, address} & set(client.request_uris):  # (1)
        raise Refusal("invalid_request_uri", "request_uri is not one of those that this client registered")
    if not _TURNS.acquire(blocking=False):
        raise Refusal("temporarily_unavailable", "too many request objects are fetched at this moment")
    try:
        answer = outbound.fetch(  # (2)
            database.parts.settings, "GET", address, seconds=FETCH_SECONDS, limit=decryption.LIMIT,
            headers={"Accept": "application/oauth-authz-req+jwt, application/jwt"},
        )  # fmt: skip
    except CallRefused as error:
        raise Refusal(
            "invalid_request_uri", "the address of request_uri did not answer as it must"
        ) from error
    finally:
        _TURNS.release()
    if answer.status != 200 or not answer.body.isascii():
        raise Refusal("invalid_request_uri", "there is no request object at request_uri")
    digest = compact.encoded(hashlib.sha256(answer.body).digest())
    if len(fragment) == _FRAGMENT_LENGTH and fragment != digest:  # (3)
        raise Refusal("invalid_request_uri", "what is at request_uri is not what its fragment is the hash of")
    return answer.body.decode("ascii").strip()


def _decrypted(database: Database, client: Client, text: str) -> str:
    if text.count(".") != compact.ENCRYPTED_PARTS - 1:
        return text
    header = compact.encrypted_header(text, limit=decryption.LIMIT)
    wanted = (client.request_object_encryption_alg, client.request_object_encryption_enc)
    if wanted[0] and (header["alg"], header["enc"]) != wanted:
        raise _bad("it is not encrypted as this client registered")
    with database.reading() as db:
        return decryption.opened(db, text)


def _look_at_parties(client: Client, claims: Mapping[str, Any], *, issuer: str) -> None:
    strict, audience = client.must_sign_requests, claims.get("aud")
    if claims.get("iss", None if strict else client.client_id) != client.client_id:
        raise _bad("its iss has to be the client_id")
    if claims.get("sub") == client.client_id:
        raise _bad("it has a sub, as what proves a client has, and requests do not")
    if (strict or audience is not None) and issuer not in (
        audience if isinstance(audience, list) else [audience]
    ):
        raise _bad("its aud has to be the issuer")


def _look_at_times(claims: Mapping[str, Any], *, strict: bool) -> None:
    at = clock.seconds(clock.now())
    given = {name: claims[name] for name in ("nbf", "exp", "iat") if name in claims}
    if not all(_is_time(value) for value in given.values()):
        raise _bad("its nbf, exp or iat is no number")
    if "exp" in given and given["exp"] <= at - BEHIND_SECONDS:
        raise _bad("it has expired")
    if any(given.get(name, at) > at + AHEAD_SECONDS for name in ("nbf", "iat")):
        raise _bad("its nbf or iat is ahead of time")
    if not strict:
        return
    if "nbf" not in given or "exp" not in given:
        raise _bad("it needs nbf and exp")
    if at - given["nbf"] > LONGEST_SECONDS or given["exp"] - given["nbf"] > LONGEST_SECONDS:
        raise _bad("its nbf may be no hour ago, and its exp no hour after that")


def _texts(name: str, value: Any) -> list[str]:
    """Return a member as the texts that it would have been sent as."""
    if name == "resource":  # RFC 8707, section 2.1
        found = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str) for one in found):
            raise _bad("its resource is neither text nor a list of texts")
        return found
    if name == "max_age" and isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]
    if isinstance(value, JSON_VALUES.get(name, ())):
        return [json.dumps(value)]
    if isinstance(value, str):
        return [value]
    if name in TEXTS or name == "max_age" or name in JSON_VALUES:
        raise _bad(f"its {name} is of the wrong type")
    return []


def _is_plain(text: str) -> bool:
    # Half of a pair, as JSON may write one, is no character.
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain_type(given: Signed) -> str:
    return str(given.header.get("typ", "")).lower().removeprefix("application/")


def _bad(says: str) -> Refusal:
    return Refusal("invalid_request_object", f"the request object cannot be taken: {says}")
