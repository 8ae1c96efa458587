"""Software statements: metadata that somebody the operator trusts has signed (RFC 7591, section 2.3)."""

import json
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from core import clock
from core.settings import Settings
from idp.oidc.registration.errors import STATEMENT, UNAPPROVED, Declined

ALGORITHMS: Final = ("ES256", "PS256", "EdDSA", "RS256")
LONGEST: Final = 16_384
NOT_METADATA: Final = frozenset({"iss", "iat", "exp", "nbf", "jti", "aud", "sub"})


def read(settings: Settings, statement: Any) -> dict[str, Any]:
    """Return the metadata that a software statement vouches for. It establishes, in this order:

    (1) it is a JWS in compact form, of sane length, with an algorithm of ALGORITHMS;
    (2) its issuer is one of those in the file that the settings name;
    (3) the signature is by one of that issuer's keys, made for the algorithm;
    (4) it has not expired, and holds for now.

    Raises Declined: unapproved for an issuer that is not trusted, invalid for everything else.
    """
    if not isinstance(statement, str) or len(statement) > LONGEST:  # (1)
        raise Declined(STATEMENT, "software_statement is not a signed text of sane length")
    try:
        header = jws.extract_compact(statement.encode()).headers()
        claims = json.loads(jws.extract_compact(statement.encode()).payload)
    except (JoseError, ValueError, RecursionError) as error:
        raise Declined(STATEMENT, "software_statement cannot be read") from error
    if header.get("alg") not in ALGORITHMS or not isinstance(claims, dict):
        raise Declined(STATEMENT, "software_statement is not signed with a known algorithm")
    keys = _trusted(settings).get(str(claims.get("iss")))  # (2)
    if keys is None:
        raise Declined(UNAPPROVED, "software_statement is not from an issuer that is trusted here")
    try:
        found = jwt.decode(
            statement, KeySet.import_key_set(keys), algorithms=[str(header["alg"])]
        ).claims  # (3)
    except (JoseError, ValueError) as error:
        raise Declined(STATEMENT, "the signature of software_statement is wrong") from error
    at = clock.seconds(clock.now())
    times = [found.get("nbf", at), found.get("exp", at + 1)]  # (4)
    if not all(isinstance(one, int) for one in times) or not times[0] <= at < times[1]:
        raise Declined(STATEMENT, "software_statement does not hold now")
    return {name: value for name, value in found.items() if name not in NOT_METADATA}


def _trusted(settings: Settings) -> dict[str, Any]:
    """Return the JWK Set of each trusted issuer."""
    if settings.software_statement_keys is None:
        return {}
    found: dict[str, Any] = json.loads(settings.software_statement_keys.read_text("utf-8"))
    return found
