"""A certificate proves which client calls, by the name an authority gave it or because the client registered it."""

import base64
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc import certificates as rules
from idp.oidc.certificates import CertificateRefused
from tests import certificates
from tests.certificates import Made, make

ROOT = certificates.authority()
BELOW = certificates.authority("Erti test authority, clients", issuer=ROOT)
STRANGER = certificates.authority()  # of the same name as ROOT
NAMED = certificates.subject((NameOID.COUNTRY_NAME, "GE"), (NameOID.COMMON_NAME, "revenue"))
EXPECTED = {rules.SUBJECT: "CN=revenue,C=GE"}
STRONG = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def authorities(tmp_path: Path) -> Path:
    """The file of the authorities that are believed."""
    path = tmp_path / "authorities.pem"
    path.write_text(ROOT.pem + BELOW.pem)
    return path


def refused(made: Made, authorities: Path | None, expected: dict[str, str] = EXPECTED) -> str:
    """Why a certificate does not prove who calls; empty if it does."""
    try:
        rules.verify_vouched_for(made.der, expected, authorities)
    except CertificateRefused as error:
        return str(error)
    return ""


@pytest.mark.parametrize("issuer", [ROOT, BELOW])
@pytest.mark.parametrize("usages", [(), certificates.CLIENT])
def test_a_name_that_an_authority_gave_is_taken(
    authorities: Path, issuer: Made, usages: tuple[Any, ...]
) -> None:
    """The root's own certificates and those of an authority below it count, whatever the order of letters' case."""
    assert not refused(make(NAMED, issuer=issuer, usages=usages), authorities)
    assert not refused(
        make(NAMED, issuer=issuer, key=STRONG), authorities, {rules.SUBJECT: "cn=Revenue, c=ge"}
    )


def test_an_authority_nobody_named_is_refused(authorities: Path, tmp_path: Path) -> None:
    """The attacks: an authority of the same name, one's own signature, no authorities, a file that is none."""
    assert "not vouched for" in refused(make(NAMED, issuer=STRANGER), authorities)
    assert "not vouched for" in refused(make(NAMED), authorities)
    assert refused(make(NAMED, issuer=ROOT), None) == "no authorities are known"
    assert refused(make(NAMED, issuer=ROOT), tmp_path / "none.pem") == "the authorities cannot be read"
    (tmp_path / "empty.pem").write_text("nothing")
    assert refused(make(NAMED, issuer=ROOT), tmp_path / "empty.pem") == "the authorities cannot be read"


def test_a_client_is_no_authority(authorities: Path) -> None:
    """The attack: a client signs a certificate of another's name with its own, or shows an authority's."""
    client = make("client", issuer=ROOT)
    assert "not vouched for" in refused(make(NAMED, issuer=client), authorities)
    assert "not vouched for" in refused(make(NAMED, issuer=ROOT, ca=True), authorities)
    assert "not vouched for" in refused(ROOT, authorities, {rules.SUBJECT: "CN=Erti test authority"})


@pytest.mark.parametrize("days", [(-3, -1), (1, 3)])
def test_a_certificate_counts_while_it_is_valid(authorities: Path, days: tuple[float, float]) -> None:
    """One that has expired or has not begun is refused, by either rule."""
    made = make(NAMED, issuer=ROOT, days=days)
    assert "not vouched for" in refused(made, authorities)
    with pytest.raises(CertificateRefused, match="not valid now"):
        rules.verify_registered(made.der, rules.registered(keys(made)))


def test_a_certificate_for_servers_is_none_for_clients(authorities: Path) -> None:
    """An extended usage that does not name clients is refused (RFC 5280, 4.2.1.12)."""
    made = make(NAMED, issuer=ROOT, usages=(ExtendedKeyUsageOID.SERVER_AUTH,))
    assert "not vouched for" in refused(made, authorities)


@pytest.mark.filterwarnings("ignore:Key size should be")
def test_a_weak_key_is_refused(authorities: Path) -> None:
    """An RSA key of 1024 bits proves nothing, by either rule."""
    made = make(NAMED, issuer=ROOT, key=rsa.generate_private_key(65537, 1024))
    assert refused(made, authorities) == "a weak key"
    with pytest.raises(CertificateRefused, match="a weak key"):
        rules.verify_registered(made.der, rules.registered(keys(made)))


@pytest.mark.parametrize("expected", [{}, {rules.SUBJECT: ""}, {**EXPECTED, rules.DNS: "revenue.example"}])
def test_exactly_one_name_is_expected(authorities: Path, expected: dict[str, str]) -> None:
    """A client of none or of two expected names is not known by its certificate (RFC 8705, 2.1.2)."""
    made = make(NAMED, issuer=ROOT, names=(x509.DNSName("revenue.example"),))
    assert "exactly one" in refused(made, authorities, expected)


NAMES = (
    x509.DNSName("revenue.example"),
    x509.DNSName("*.tax.example"),
    x509.UniformResourceIdentifier("urn:example:Revenue"),
    x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
    x509.IPAddress(ipaddress.ip_address("2001:db8::7")),
    x509.RFC822Name("Desk@Revenue.example"),
)


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        (rules.DNS, "revenue.example", True),
        (rules.DNS, "Revenue.Example", True),
        (rules.DNS, "www.revenue.example", False),
        (rules.DNS, "a.tax.example", False),  # what a wildcard would cover is not what is registered
        (rules.DNS, "example", False),
        (rules.DNS, "revenue.example.", False),
        (rules.URI, "urn:example:Revenue", True),
        (rules.URI, "urn:example:revenue", False),
        (rules.IP, "192.0.2.7", True),
        (rules.IP, "2001:0db8:0::7", True),
        (rules.IP, "::ffff:192.0.2.7", False),
        (rules.IP, "192.0.2.8", False),
        (rules.EMAIL, "Desk@revenue.EXAMPLE", True),
        (rules.EMAIL, "desk@revenue.example", False),
        (rules.EMAIL, "revenue.example", False),
        (rules.DNS, "192.0.2.7", False),
        (rules.SUBJECT, "CN=revenue.example", False),
    ],
)
def test_an_alternative_name_is_the_very_one(authorities: Path, name: str, value: str, taken: bool) -> None:
    """Each of the alternative names is compared by its own kind, whole, and never as a pattern (RFC 8705, 2.1.2)."""
    made = make(NAMED, issuer=ROOT, names=NAMES)
    assert (not refused(made, authorities, {name: value})) is taken


def test_a_certificate_without_alternative_names_has_none(authorities: Path) -> None:
    """A common name that looks like a host name is no alternative name."""
    made = make("revenue.example", issuer=ROOT)
    assert refused(made, authorities, {rules.DNS: "revenue.example"}) == "another name"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (rules.SUBJECT, "revenue"),
        (rules.DNS, "*.tax.example"),
        (rules.DNS, "https://revenue.example"),
        (rules.URI, "revenue"),
        (rules.IP, "192.0.2.0/24"),
        (rules.IP, "fe80::1%eth0"),
        (rules.EMAIL, "revenue.example"),
    ],
)
def test_what_no_certificate_can_hold_cannot_be_expected(name: str, value: str) -> None:
    """Patterns and texts of another kind are refused at registration."""
    assert not rules.can_be_expected(name, value)


def keys(*made: Made, **more: Any) -> dict[str, Any]:
    """The keys of a client that registers some certificates."""
    return {"keys": [{**one.jwk, **more} for one in made]}


def test_a_registered_certificate_is_taken_bit_for_bit() -> None:
    """One's own certificate counts, and no other: not one of the same name, nor of the same key."""
    key = ec.generate_private_key(ec.SECP256R1())
    mine, again = make("client", key=key), make("client", key=key)
    rules.verify_registered(mine.der, rules.registered(keys(make("older"), mine)))
    for other in (make("client"), again):
        with pytest.raises(CertificateRefused, match="not registered"):
            rules.verify_registered(other.der, rules.registered(keys(mine)))


def test_what_a_registered_certificate_signed_is_not_registered() -> None:
    """The attack: a registered certificate is an authority's, and signs for others; or stands second in a chain."""
    own = certificates.authority("client")
    signed = make("client", issuer=own)
    chain = keys(own, x5c=[base64.b64encode(one.der).decode() for one in (own, signed)])
    for jwks in (keys(own), chain):
        with pytest.raises(CertificateRefused, match="not registered"):
            rules.verify_registered(signed.der, rules.registered(jwks))


def test_keys_that_cannot_be_read_are_left_out() -> None:
    """One spoilt entry takes nothing from the others."""
    good = make("client")
    spoilt: list[Any] = [{}, {"x5c": []}, {"x5c": "x"}, {"x5c": [7]}, {"x5c": ["!"]}, {"x5c": ["QUJD"]}, None]
    assert rules.registered({"keys": [*spoilt, *keys(good)["keys"]]}) == [good.der]
    assert rules.registered({"keys": None}) == []


LEAF = make(NAMED, issuer=ROOT, names=NAMES, usages=certificates.CLIENT)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(st.binary(max_size=300) | st.tuples(st.integers(0, len(LEAF.der) - 1), st.integers(1, 255)))
def test_any_bytes_are_taken_or_refused(tmp_path_factory: Any, spoilt: bytes | tuple[int, int]) -> None:
    """Whatever was shown, the rules refuse it with their own error: random bytes, or a good one with a byte changed."""
    der = spoilt if isinstance(spoilt, bytes) else bytearray(LEAF.der)
    if isinstance(spoilt, tuple) and isinstance(der, bytearray):
        der[spoilt[0]] ^= spoilt[1]
    path = tmp_path_factory.getbasetemp() / "root.pem"
    path.write_text(ROOT.pem)
    with pytest.raises(CertificateRefused):
        rules.verify_registered(bytes(der), rules.registered(keys(LEAF)))
    for name, value in {**EXPECTED, rules.DNS: "revenue.example", rules.IP: "192.0.2.7"}.items():
        with pytest.raises(CertificateRefused):
            rules.verify_vouched_for(bytes(der), {name: value}, path)
