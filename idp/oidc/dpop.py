"""DPoP proofs: that whoever sends a request holds a key, for this one request and no other (RFC 9449)."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode
from sqlalchemy.orm import Session

from core import clock
from core.database import Parts
from idp.oidc import addresses, nonces, replays
from idp.oidc.calls import Call

log = structlog.get_logger("erti.clients")
# FAPI 2.0 Security Profile, 5.4.1: PS256, ES256 and EdDSA with Ed25519, which RFC 9864 calls Ed25519 as well.
ALGORITHMS = ("ES256", "PS256", "EdDSA", "Ed25519")
TYPE = "dpop+jwt"
SCHEME = "DPoP"
NONCE_HEADER = "DPoP-Nonce"
LONGEST = 8_192  # characters: more than an RSA key of 8192 bits needs
LONGEST_ID = 256
EARLY, LATE = (
    15,
    300,
)  # seconds a proof may be ahead, and old; FAPI 2.0, 5.3.2.1 wants at least 10 and at most 60 ahead
MEMORY = timedelta(seconds=EARLY + LATE)  # nothing is good any longer than this, by its iat or by its nonce
SMALLEST_RSA, LARGEST_RSA = 2_048, 8_192
LONGEST_EXPONENT = 6  # characters, 32 bits: a longer one makes each verification dear
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
KEYS_KEPT = 4_096
Key = ECKey | OKPKey | RSAKey
_KINDS: dict[str, tuple[type[Key], dict[str, str], tuple[str, ...]]] = {
    "ES256": (ECKey, {"kty": "EC", "crv": "P-256"}, ("x", "y")),
    "PS256": (RSAKey, {"kty": "RSA"}, ("n", "e")),
    "EdDSA": (OKPKey, {"kty": "OKP", "crv": "Ed25519"}, ("x",)),
    "Ed25519": (OKPKey, {"kty": "OKP", "crv": "Ed25519"}, ("x",)),
}


class _Registry(JWSRegistry):
    """The algorithms of proofs; EdDSA is another name of Ed25519, which alone comes here under it (RFC 9864)."""

    def get_alg(self, name: str) -> Any:
        return super().get_alg("Ed25519" if name == "EdDSA" else name)


_REGISTRY = _Registry(algorithms=ALGORITHMS, strict_check_header=False)
_REGISTRY.max_header_length = _REGISTRY.max_payload_length = _REGISTRY.max_signature_length = LONGEST


class ProofRefused(Exception):
    """A proof that is not good; the description is ASCII, for the client's developer.

    With a `nonce` nothing else is wrong: the client should come again with that in its proof.
    """

    def __init__(self, description: str, *, nonce: str = "") -> None:
        super().__init__(description)
        self.error = "use_dpop_nonce" if nonce else "invalid_dpop_proof"
        self.description = description
        self.nonce = nonce


@dataclass(frozen=True)
class Proof:
    """A proof that was found good: the thumbprint of its key, and what it is known by if it comes again.

    `fresh` is the nonce that the client should use from now on, empty while its own is the newest.
    """

    jkt: str
    seen_as: str
    until: datetime
    fresh: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The header that tells the client so (RFC 9449, 8.2)."""
        return {NONCE_HEADER: self.fresh} if self.fresh else {}


def verify(house: Parts, call: Call, *, token: str | None = None) -> Proof:
    """Return what the proof of a call shows. It establishes (RFC 9449, section 4.3, by its numbers):

    (1) there is just one `DPoP` header;
    (2) it is one JWT in compact form, and of sane length before anything in it is read;
    (3) it has every claim that it needs: jti, htm, htu, iat, each of its type;
    (4) its typ is dpop+jwt;
    (5) its alg is one of ALGORITHMS, all of them asymmetric, and there is no `crit` that nobody understands;
    (6) the signature is right by the key in `jwk`, which is a key for that algorithm and of sane size;
    (7) `jwk` holds nothing private;
    (8) htm is the method of the call;
    (9) htu is its address without query and fragment, both normalized (RFC 3986, 6.2.2 and 6.2.3);
    (10) the nonce is one of ours and fresh, wherever there is one or must be one;
    (11) it was made just now: by the nonce, or else by iat;
    (12) with an access token: ath is that token's hash. Whether the token is bound to the key is for whoever
         knows the token: `jkt` says which key it is.

    That it did not come before (11) is left to `first_use`, once nothing else about the call is in doubt; until then
    the database is not asked.
    Raises ProofRefused, with the error `use_dpop_nonce` where the client has to come again with a nonce.
    """
    if len(call.dpop) != 1:  # (1)
        raise ProofRefused("There must be just one DPoP header.")
    found, claims = _read(call.dpop[0])  # (2) (3)
    jkt = _signed_by(found)  # (4) (5) (6) (7)
    if claims["htm"] != call.method:  # (8)
        raise ProofRefused("htm is not the method of this request.")
    if not addresses.same(claims["htu"], call.url):  # (9)
        raise ProofRefused("htu is not the address of this request.")
    if token is not None and claims.get("ath") != _ath(token):  # (12)
        raise ProofRefused("ath is not the hash of the access token.")
    _made_just_now(
        house, claims
    )  # (10) (11), last: a client that is sent for a nonce has nothing else to mend
    fresh = nonces.current(house)
    # A jti has to be new for its key at this address (RFC 9449, 11.1).
    seen_as = f"{jkt} {call.url} {claims['jti']}".encode(errors="surrogatepass")
    return Proof(
        jkt=jkt,
        seen_as=hashlib.sha256(seen_as).hexdigest(),
        until=clock.now() + MEMORY,
        fresh="" if claims.get("nonce") == fresh else fresh,
    )


def tell(refused: ProofRefused, call: Call, *, client: str = "") -> None:
    """Tell the log what the client's developer has to change; that a nonce is wanted their library knows."""
    if not refused.nonce:
        where = call.url.partition("://")[2].partition("/")[2]
        log.info(
            "proof refused",
            client=client[:128],
            endpoint=f"/{where.partition('/')[0]}",
            detail=refused.description,
        )


def first_use(db: Session, proof: Proof) -> None:
    """Use a proof up; of two at once one wins (RFC 9449, 11.1). Raises ProofRefused for one that came before."""
    if not replays.first_time(db, "dpop", proof.seen_as, until=proof.until):
        raise ProofRefused("This proof was used before: its jti must be new each time.")


def _read(text: str) -> tuple[jws.CompactSignature, dict[str, Any]]:
    if len(text) > LONGEST:
        raise ProofRefused("The proof is too long.")
    try:
        found = jws.extract_compact(text.encode("ascii"), registry=_REGISTRY)
        claims = json.loads(found.payload)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise ProofRefused("The proof is not a JWT.") from error
    if not isinstance(found.headers(), dict) or not isinstance(claims, dict):
        raise ProofRefused("The proof is not a JWT.")
    for name in ("jti", "htm", "htu"):
        if not isinstance(claims.get(name), str) or not claims[name]:
            raise ProofRefused(f"{name} is missing, or not text.")
    if not _number(claims.get("iat")):
        raise ProofRefused("iat is missing, or not a number.")
    if len(claims["jti"]) > LONGEST_ID:
        raise ProofRefused("jti is too long.")
    return found, claims


def _signed_by(found: jws.CompactSignature) -> str:
    """Return the thumbprint (RFC 7638) of the key that signed; raises ProofRefused."""
    header = found.headers()
    if header.get("typ") != TYPE:
        raise ProofRefused("typ must be dpop+jwt.")
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise ProofRefused(f"alg must be one of {', '.join(ALGORITHMS)}.")
    if "crit" in header:
        raise ProofRefused("crit names something that is not understood here.")
    key, thumbprint = _key(header.get("jwk"), alg)
    try:
        good = jws.validate_compact(found, key, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError) as error:
        raise ProofRefused("The header cannot be read.") from error
    if not good:
        raise ProofRefused("The signature is not right.")
    return thumbprint


def _key(jwk: Any, alg: str) -> tuple[Key, str]:
    _kind, fixed, members = _KINDS[alg]
    if not isinstance(jwk, dict):
        raise ProofRefused("jwk is missing.")
    if PRIVATE & jwk.keys():
        raise ProofRefused("jwk holds a private or a symmetric key.")
    if any(jwk.get(name) != value for name, value in fixed.items()):
        raise ProofRefused("jwk is not a key for this alg.")
    # Nothing but what makes the key is taken over: a use, an alg or an id in it change nothing.
    values = tuple(jwk.get(name) for name in members)
    if not all(isinstance(value, str) for value in values):
        raise ProofRefused("jwk cannot be read.")
    return _imported(alg, values)


@lru_cache(maxsize=KEYS_KEPT)
def _imported(alg: str, values: tuple[str, ...]) -> tuple[Key, str]:
    """Return a public key and its thumbprint (RFC 7638); clients use theirs again and again."""
    kind, fixed, members = _KINDS[alg]
    jwk: dict[str, Any] = {**fixed, **dict(zip(members, values, strict=True))}
    try:
        if kind is RSAKey:
            _check_size(jwk)
        key = kind.import_key(jwk)
        return key, key.thumbprint()
    except (JoseError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ProofRefused("jwk cannot be read.") from error


def _check_size(jwk: dict[str, str]) -> None:
    bits = int.from_bytes(urlsafe_b64decode(jwk["n"].encode()), "big").bit_length()
    if not SMALLEST_RSA <= bits <= LARGEST_RSA or len(jwk["e"]) > LONGEST_EXPONENT:
        raise ProofRefused(f"An RSA key must have {SMALLEST_RSA} to {LARGEST_RSA} bits and a short exponent.")


def _made_just_now(house: Parts, claims: dict[str, Any]) -> None:
    """With a nonce the client's clock does not matter (RFC 9449, 4.3, number 11), save for what it adds itself."""
    at = clock.now().timestamp()
    expires, begins = claims.get("exp", at), claims.get("nbf", at)
    if not (_number(expires) and _number(begins) and expires >= at - EARLY and begins <= at + EARLY):
        raise ProofRefused("exp has passed, or nbf has not come.")
    if "nonce" in claims:
        if not isinstance(claims["nonce"], str) or not nonces.knows(house, claims["nonce"]):
            raise ProofRefused("The nonce is not one of ours, or too old.", nonce=nonces.current(house))
    elif house.settings.dpop_nonce == "required":
        says = "The proof must hold the nonce of the DPoP-Nonce header."
        raise ProofRefused(says, nonce=nonces.current(house))
    elif not at - LATE <= claims["iat"] <= at + EARLY:
        raise ProofRefused("iat is too far from now.")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ath(token: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode()
