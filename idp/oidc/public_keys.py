"""Public keys of others, as JWK Sets hold them: read strictly, chosen by use, algorithm and ID."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from core.language import Lazy, _
from idp.oidc import certificates
from idp.oidc.errors import ClientKeysWrong
from keys import compact
from keys.compact import Signed
from keys.errors import BadToken

MOST_KEYS: Final = 50
MOST_TRIED: Final = 4  # keys for one signature that names none
SHORTEST_RSA, LONGEST_RSA = 2048, 8192  # bits
LEAST_EXPONENT, MOST_EXPONENT = 65_537, 2**32
LONGEST_MEMBER: Final = 2_000  # characters: the modulus of the longest key, and some
CURVES: Final = {"EC": ("P-256", "P-384", "P-521"), "OKP": ("Ed25519", "X25519")}
SECRET_MEMBERS: Final = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
MATERIAL: Final = {"EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x"), "RSA": ("kty", "n", "e")}
# Public members of keys (RFC 7517, section 4; RFC 7518, 6.2.1 and 6.3.1; RFC 8037, section 2).
KEPT: Final = frozenset(
    ("kty", "use", "key_ops", "alg", "kid", "x5u", "x5c", "x5t", "x5t#S256", "crv", "x", "y", "n", "e")
)
# What a key must be for an algorithm: its type, and its curves if it has any.
FITS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "ES256": ("EC", ("P-256",)),
    "EdDSA": ("OKP", ("Ed25519",)),
    "Ed25519": ("OKP", ("Ed25519",)),
    "RS256": ("RSA", ()),
    "PS256": ("RSA", ()),
    "RSA-OAEP": ("RSA", ()),
    "RSA-OAEP-256": ("RSA", ()),
    "ECDH-ES": ("EC", CURVES["EC"]),
    "ECDH-ES+A128KW": ("EC", CURVES["EC"]),
    "ECDH-ES+A256KW": ("EC", CURVES["EC"]),
}
_KINDS: Final[dict[str, Any]] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}


@dataclass(frozen=True)
class PublicKey:
    """One key of a client. `kid`, `use` (sig or enc) and `alg` are empty where the client left them out.

    `certificate` is that of its `x5c` in DER, empty if there is none.
    """

    kid: str
    use: str
    alg: str
    kty: str
    crv: str
    key: ECKey | OKPKey | RSAKey
    certificate: bytes = b""

    def fits(self, alg: str, use: str) -> bool:
        """Tell whether the key is for this algorithm and use (RFC 7517, 4.2 and 4.4)."""
        kty, curves = FITS[alg]
        same = self.alg in ("", alg) or {self.alg, alg} == {"EdDSA", "Ed25519"}
        return same and self.use in ("", use) and self.kty == kty and (not curves or self.crv in curves)


Mistake = tuple[str, Lazy]


def mistakes(document: Any) -> list[Mistake]:
    """Return what is wrong with a JWK Set that a client registers by value: the place in it, and words.

    Private and symmetric keys are refused, so are RSA keys of fewer than 2048 or more than 8192 bits, kinds and
    curves that are of no use here, and two keys that nothing tells apart (RFC 7517, 4.5; FAPI 2.0, 5.6.3).
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list) or not listed or len(listed) > MOST_KEYS:
        return [("", _("must be a JWK Set: an object with a list of keys"))]
    found: list[Mistake] = []
    names: set[tuple[Any, ...]] = set()
    for number, jwk in enumerate(listed):
        seen = _look(jwk)
        if not isinstance(seen, PublicKey):
            found.append((f".keys[{number}]", seen))
            continue
        name = tuple(jwk.get(member) for member in ("kid", "kty", "crv", "use", "alg"))
        if "kid" in jwk and name in names:
            found.append((f".keys[{number}].kid", _("is the ID of another key of the list")))
        names.add(name)
    return found


def read(document: Any) -> tuple[PublicKey, ...]:
    """Return the keys of a JWK Set that can be used here; the others are passed over (RFC 7517, section 5).

    Raises ClientKeysWrong if it is no such set, or if it holds a private or symmetric key: whoever publishes one has
    lost it, and its public half is not to be trusted either.
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise ClientKeysWrong(detail="not a JWK Set")
    if any(_is_secret(jwk) for jwk in listed):
        raise ClientKeysWrong(detail="a private or symmetric key")
    return tuple(seen for seen in map(_look, listed) if isinstance(seen, PublicKey))


def for_signature(keys: tuple[PublicKey, ...], given: Signed) -> list[PublicKey]:
    """Return the keys by which a signature may be right: those of its `kid`, or the first few that fit its algorithm."""
    if given.alg not in FITS:
        return []
    fitting = [one for one in keys if one.fits(given.alg, "sig")]
    if given.kid:
        fitting = [one for one in fitting if one.kid == given.kid]
    return fitting[:MOST_TRIED]


def for_encryption(keys: tuple[PublicKey, ...], alg: str) -> PublicKey | None:
    """Return the key to encrypt to: one that says it is for that before one that does not say, the last listed first.

    A client that rotates its keys adds the new one; which it put at the end is as good a guess as any.
    """
    fitting = [one for one in keys if one.fits(alg, "enc")]
    return max(reversed(fitting), key=lambda one: (one.use == "enc", one.alg == alg), default=None)


def kept(jwk: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a key that somebody registered: the members of RFC 7517 and RFC 7518, where they are text.

    Others mean nothing here (RFC 7517, section 4), and could hold what no database takes: numbers beyond all measure.
    """
    return {
        name: value
        for name, value in jwk.items()
        if name in KEPT and all(map(_is_text, value if isinstance(value, list) else [value]))
    }


def _look(jwk: Any) -> PublicKey | Lazy:
    """Return a key that can be used here, or what is wrong with it."""
    if not isinstance(jwk, Mapping):
        return _("must be a key: an object with kty")
    if _is_secret(jwk):
        return _("holds a private or symmetric key: register public keys only, and replace this one")
    kty = jwk.get("kty")
    if (
        not isinstance(kty, str)
        or kty not in MATERIAL
        or not all(_is_material(jwk.get(name)) for name in MATERIAL[kty])
    ):
        return _("is of a kind that cannot be used here, or incomplete: kty is RSA, EC or OKP")
    if not all(_is_text(jwk.get(name, "")) for name in ("kid", "use", "alg")):
        return _("must have text for kid, use and alg")
    if kty in CURVES and jwk["crv"] not in CURVES[kty]:
        return _("is on a curve that cannot be used here: P-256 and Ed25519 sign")
    try:
        return (_weakness(jwk) if kty == "RSA" else None) or _imported(jwk)
    except (JoseError, ValueError, TypeError, BadToken):
        return _("is not a key: its numbers do not fit")


def _weakness(jwk: Mapping[str, Any]) -> Lazy | None:
    modulus, exponent = (int.from_bytes(compact.decoded(jwk[name])) for name in ("n", "e"))
    if not SHORTEST_RSA <= modulus.bit_length() <= LONGEST_RSA:
        return _("must be an RSA key of 2048 to 8192 bits")
    if not LEAST_EXPONENT <= exponent <= MOST_EXPONENT:
        return _("must have the usual RSA exponent, 65537")
    return None


def _is_secret(jwk: Any) -> bool:
    return isinstance(jwk, Mapping) and (jwk.get("kty") == "oct" or not SECRET_MEMBERS.isdisjoint(jwk))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def _is_material(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_MEMBER


def _imported(jwk: Mapping[str, Any]) -> PublicKey:
    kty = jwk["kty"]
    key = _KINDS[kty].import_key({name: jwk[name] for name in MATERIAL[kty]})
    key.public_key  # noqa: B018  # numbers that are no key are found here
    kid, use, alg = (str(jwk.get(name, "")) for name in ("kid", "use", "alg"))
    curve = str(jwk.get("crv", "")) if kty in CURVES else ""
    return PublicKey(kid, use, alg, kty, curve, key, certificates.of_key(jwk))
