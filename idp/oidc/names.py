"""Distinguished names: read from text (RFC 4514) and from certificates, and compared (RFC 5280, 7.1; RFC 4518)."""

import re
import unicodedata
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

# One relative name is a sorted group of (type, value); the order of groups is that of the certificate.
Name = tuple[tuple[tuple[str, str], ...], ...]
LONGEST: Final = 2_000
_KNOWN: Final = {
    "CN": NameOID.COMMON_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "C": NameOID.COUNTRY_NAME,
    "STREET": NameOID.STREET_ADDRESS,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    # Those above are RFC 4514's; programs write these as well.
    "SN": NameOID.SURNAME,
    "GIVENNAME": NameOID.GIVEN_NAME,
    "TITLE": NameOID.TITLE,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "EMAILADDRESS": NameOID.EMAIL_ADDRESS,
    "ORGANIZATIONIDENTIFIER": NameOID.ORGANIZATION_IDENTIFIER,
    "BUSINESSCATEGORY": NameOID.BUSINESS_CATEGORY,
    "JURISDICTIONCOUNTRYNAME": NameOID.JURISDICTION_COUNTRY_NAME,
}
_FOLDED: Final = frozenset(oid.dotted_string for oid in _KNOWN.values())
_TYPE = re.compile(r" *([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+) *= *")
_HEX = re.compile(r"#((?:[0-9A-Fa-f]{2})+) *")
_VALUE = re.compile(r"(?!#)(?:[^\\\",;+<>\x00]|\\[ \"#+,;<=>\\]|\\[0-9A-Fa-f]{2})*")
_ESCAPE = re.compile(rb"\\(?:([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_TEXT_TAGS: Final = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x1E: "utf-16-be"}
_NOT_TEXT: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


class NameUnreadable(ValueError):
    """A text is no distinguished name, or holds what cannot be compared."""


def parse(text: str) -> Name:
    """Return the name that a text stands for (RFC 4514, 3); raises NameUnreadable.

    The text begins with what the certificate has last. Blanks around separators are taken, as by RFC 2253, 4.
    """
    if not text.strip() or len(text) > LONGEST:
        raise NameUnreadable("empty or too long")
    groups, group, at = [], [], 0
    while True:
        kind, value, at = _attribute(text, at)
        group.append((kind, value))
        separator = text[at : at + 1]
        if separator != "+":
            groups.append(tuple(sorted(group)))
            group = []
        if not separator:
            return tuple(reversed(groups))
        if separator not in ",+":
            raise NameUnreadable("no separator where one must be")
        at += 1


def of(subject: x509.Name) -> Name:
    """Return a certificate's name in the same shape; raises NameUnreadable where it cannot be compared."""
    return tuple(
        tuple(sorted((one.oid.dotted_string, _comparable(one.oid.dotted_string, one.value)) for one in group))
        for group in subject.rdns
    )


def _attribute(text: str, at: int) -> tuple[str, str, int]:
    """Return type and value of the attribute that begins at a place, and where it ends."""
    found = _TYPE.match(text, at)
    if not found:
        raise NameUnreadable("no attribute type where one must be")
    given = found[1]
    kind = given if given[0].isdigit() else _oid(given)
    if shown := _HEX.match(text, found.end()):
        return kind, _comparable(kind, _ber(bytes.fromhex(shown[1]))), shown.end()
    raw = _VALUE.match(text, found.end())
    if raw is None:
        raise NameUnreadable("an encoded value that is not whole")
    value = raw[0]
    try:
        plain = _ESCAPE.sub(_unescaped, value.encode()).decode()
    except ValueError as error:  # not UTF-8 behind escapes, or a lone surrogate
        raise NameUnreadable("not UTF-8") from error
    return kind, _comparable(kind, plain), found.end() + len(value)


def _oid(name: str) -> str:
    known = _KNOWN.get(name.upper())
    if known is None:
        raise NameUnreadable("an attribute type that is not known by name")
    return known.dotted_string


def _unescaped(escape: re.Match[bytes]) -> bytes:
    return bytes.fromhex(escape[1].decode()) if escape[1] else escape[2]


def _ber(value: bytes) -> str:
    """Return the text in the encoding of a value (RFC 4514, 2.4)."""
    codec = _TEXT_TAGS.get(value[0])
    if codec is None or len(value) < 2 or len(value) > 0x81 or value[1] != len(value) - 2:
        raise NameUnreadable("a value that is no short text")
    try:
        return value[2:].decode(codec)
    except ValueError as error:
        raise NameUnreadable("a value that is not in its encoding") from error


def _comparable(kind: str, value: str | bytes) -> str:
    """Return a value as it is compared: folded where its type ignores case, else as it stands.

    Folding is RFC 4518's (spaces, NFKC, case), but stricter: what it would leave out, such as control and
    format characters, makes a name that equals none, so that no two that look different are one.
    """
    if isinstance(value, bytes):
        raise NameUnreadable("a value that is no text")
    spaced = "".join(" " if one.isspace() else one for one in value)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", spaced).casefold())
    if any(unicodedata.category(one) in _NOT_TEXT for one in spaced + folded):
        raise NameUnreadable("a character that is not shown")
    trimmed = " ".join(folded.split())
    if not trimmed:
        raise NameUnreadable("an empty value")
    return trimmed if kind in _FOLDED else value
