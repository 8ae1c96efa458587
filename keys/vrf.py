"""ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381: one secret, one label per chain name, and a proof of it."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

SUITE = "ECVRF-EDWARDS25519-SHA512-TAI"
PROOF_BYTES = 80

_SUITE = b"\x03"
_P = 2**255 - 19
_Q = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_MINUS_1 = pow(2, (_P - 1) // 4, _P)
_C_BYTES = 16
_COFACTOR = 8

# A point in extended homogeneous coordinates (X, Y, Z, T) of RFC 8032 section 5.1.4.
Point = tuple[int, int, int, int]
_ZERO: Point = (0, 1, 1, 0)


class BadProof(ValueError):
    """The proof, or the public key it is checked with, is not valid."""


def _add(a: Point, b: Point) -> Point:
    p = (a[1] - a[0]) * (b[1] - b[0]) % _P
    q = (a[1] + a[0]) * (b[1] + b[0]) % _P
    r = 2 * a[3] * b[3] * _D % _P
    s = 2 * a[2] * b[2] % _P
    e, f, g, h = q - p, s - r, s + r, q + p
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(a: Point) -> Point:
    xx, yy = a[0] * a[0] % _P, a[1] * a[1] % _P
    h = xx + yy
    e = h - (a[0] + a[1]) ** 2
    g = xx - yy
    f = 2 * a[2] * a[2] + g
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _negate(a: Point) -> Point:
    return -a[0] % _P, a[1], a[2], -a[3] % _P


def _multiply(scalar: int, point: Point) -> Point:
    """Scalar times point, four bits at a time. Not constant time, as no pure Python is; see `prove`."""
    table = [_ZERO, point]
    for _ in range(14):
        table.append(_add(table[-1], point))
    result = _ZERO
    for shift in range((max(scalar.bit_length(), 1) + 3) // 4 * 4 - 4, -4, -4):
        result = _double(_double(_double(_double(result))))
        digit = scalar >> shift & 15
        if digit:
            result = _add(result, table[digit])
    return result


def _eightfold(point: Point) -> Point:
    """The cofactor times a point."""
    return _double(_double(_double(point)))


def _encode(point: Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _decode(data: bytes) -> Point | None:
    """Decoding of RFC 8032 section 5.1.3; None for what is not the one encoding of a curve point."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if (v * x * x - u) % _P:
        if (v * x * x + u) % _P:
            return None
        x = x * _ROOT_MINUS_1 % _P
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _base() -> Point:
    point = _decode((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    if point is None:
        raise ArithmeticError("the base point of edwards25519 does not decode")
    return point


_BASE = _base()


def _is_zero(point: Point) -> bool:
    return point[0] == 0 and (point[1] - point[2]) % _P == 0


def _secret_scalar(secret: bytes) -> tuple[int, bytes]:
    if len(secret) != 32:
        raise ValueError("a VRF secret has 32 bytes")
    digest = hashlib.sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    return scalar, digest[32:]


def _to_curve(public_key: bytes, alpha: bytes) -> Point:
    """ECVRF_encode_to_curve_try_and_increment, RFC 9381 section 5.4.1.1."""
    for counter in range(256):
        text = _SUITE + b"\x01" + public_key + alpha + bytes((counter, 0))
        point = _decode(hashlib.sha512(text).digest()[:32])
        if point is not None:
            point = _eightfold(point)
            if not _is_zero(point):
                return point
    raise BadProof("no curve point found for this input")


def _challenge(*points: bytes) -> int:
    """ECVRF_challenge_generation, RFC 9381 section 5.4.3."""
    digest = hashlib.sha512(_SUITE + b"\x02" + b"".join(points) + b"\x00").digest()
    return int.from_bytes(digest[:_C_BYTES], "little")


def _hash_of(gamma: Point) -> bytes:
    return hashlib.sha512(_SUITE + b"\x03" + _encode(_eightfold(gamma)) + b"\x00").digest()


def public(secret: bytes) -> bytes:
    """The 32-byte public key of a 32-byte secret (RFC 9381 section 5.5, RFC 8032 section 5.1.5)."""
    return _encode(_multiply(_secret_scalar(secret)[0], _BASE))


def evaluate(secret: bytes, alpha: bytes, *, public_key: bytes | None = None) -> bytes:
    """The 64-byte output for `alpha` without its proof: a tenth of the work of `prove`.

    Equal to `output(prove(secret, alpha))`. Pass `public_key` when evaluating often.
    """
    point = _to_curve(public_key or public(secret), alpha)
    return _hash_of(_multiply_by_x25519(_secret_scalar(secret)[0], point))


def _multiply_by_x25519(scalar: int, point: Point) -> Point:
    """Secret scalar times a point of prime order, by X25519 (RFC 7748), which OpenSSL does fast and in constant time.

    The secret scalar of RFC 8032 is one of X25519. X25519 knows points by u alone, and u = (1 + y) / (1 - y) belongs
    to a point and its negative (RFC 7748 section 4.1). Which of the two it is, (scalar + 8) times the point tells: that
    is the one we look for plus 8 times the point.
    """
    step = _COFACTOR if scalar + _COFACTOR < 2**255 else -_COFACTOR
    u = (point[2] + point[1]) * pow(point[2] - point[1], -1, _P) % _P
    product, beside = _x25519(scalar, u), _x25519(scalar + step, u)
    y = (product - 1) * pow(product + 1, -1, _P) % _P
    found = _decode(y.to_bytes(32, "little"))
    if found is None:
        raise ArithmeticError("X25519 led to no point of edwards25519")
    eight = _eightfold(point)
    total = _add(found, eight if step > 0 else _negate(eight))
    fits = (beside * (total[2] - total[1]) - (total[2] + total[1])) % _P == 0
    return found if fits else _negate(found)


def _x25519(scalar: int, u: int) -> int:
    key = X25519PrivateKey.from_private_bytes(scalar.to_bytes(32, "little"))
    shared = key.exchange(X25519PublicKey.from_public_bytes(u.to_bytes(32, "little")))
    return int.from_bytes(shared, "little")


def prove(secret: bytes, alpha: bytes) -> bytes:
    """The 80-byte proof pi of the output for `alpha` (ECVRF_prove, RFC 9381 section 5.1).

    Its running time depends on the secret. Erti proves one label per citizen, in the background or for
    the citizen's own download, and never for an input somebody else chooses.
    """
    scalar, tail = _secret_scalar(secret)
    public_key = _encode(_multiply(scalar, _BASE))
    point = _to_curve(public_key, alpha)
    encoded = _encode(point)
    gamma = _encode(_multiply(scalar, point))
    nonce = int.from_bytes(hashlib.sha512(tail + encoded).digest(), "little") % _Q
    challenge = _challenge(
        public_key, encoded, gamma, _encode(_multiply(nonce, _BASE)), _encode(_multiply(nonce, point))
    )
    response = (nonce + challenge * scalar) % _Q
    return gamma + challenge.to_bytes(_C_BYTES, "little") + response.to_bytes(32, "little")


def _decode_proof(pi: bytes) -> tuple[Point, int, int]:
    """ECVRF_decode_proof, RFC 9381 section 5.4.4."""
    if len(pi) != PROOF_BYTES:
        raise BadProof("a VRF proof has 80 bytes")
    gamma = _decode(pi[:32])
    response = int.from_bytes(pi[48:], "little")
    if gamma is None or response >= _Q:
        raise BadProof("the VRF proof is not well formed")
    return gamma, int.from_bytes(pi[32:48], "little"), response


def output(pi: bytes) -> bytes:
    """The 64-byte output a proof stands for, unchecked (ECVRF_proof_to_hash, section 5.2)."""
    return _hash_of(_decode_proof(pi)[0])


def verify(public_key: bytes, pi: bytes, alpha: bytes) -> bytes:
    """The 64-byte output for `alpha`, once the proof holds (ECVRF_verify, section 5.3).

    Raises BadProof; a public key of small order is refused (section 5.4.5).
    """
    key = _decode(public_key) if len(public_key) == 32 else None
    if key is None or _is_zero(_eightfold(key)):
        raise BadProof("the VRF public key is not valid")
    gamma, challenge, response = _decode_proof(pi)
    point = _to_curve(public_key, alpha)
    u = _add(_multiply(response, _BASE), _negate(_multiply(challenge, key)))
    v = _add(_multiply(response, point), _negate(_multiply(challenge, gamma)))
    if challenge != _challenge(public_key, _encode(point), pi[:32], _encode(u), _encode(v)):
        raise BadProof("the VRF proof does not hold for this input and key")
    return _hash_of(gamma)
