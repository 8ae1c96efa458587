"""What an e-mail address or a number is, as typed: one spelling of each, and nothing that would lead a letter astray."""

import re

from idp.errors import AddressUnfit, NumberUnfit

LONGEST_MAIL = 254  # RFC 5321, 4.5.3.1.3
LONGEST_LOCAL = 64
LONGEST_TYPED = 320
# The dot-atom of RFC 5322, 3.2.3; quoted names are lawful and nobody has one.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"\+[1-9][0-9]{7,14}")  # E.164, 6.1: fifteen digits at most
_BETWEEN = re.compile(r"[ \u00a0()./-]")


def mail(typed: str) -> str:
    """Return the one spelling of an e-mail address: small letters, the domain in ASCII. Raises AddressUnfit.

    A mailbox might tell large letters apart (RFC 5321, 2.4); none is known that does.
    """
    name, at, domain = typed.strip().rpartition("@")
    if not at or len(typed) > LONGEST_TYPED or len(name) > LONGEST_LOCAL or not _LOCAL.fullmatch(name):
        raise AddressUnfit(detail="name")
    try:
        plain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise AddressUnfit(detail="domain") from error
    labels = plain.split(".")
    if len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise AddressUnfit(detail="domain")
    if len(name) + 1 + len(plain) > LONGEST_MAIL:
        raise AddressUnfit(detail="length")
    return f"{name.lower()}@{plain}"


def phone(typed: str, *, prefixes: tuple[str, ...] = ()) -> str:
    """Return a number in E.164: a plus, the country's code, the number. Raises NumberUnfit.

    `prefixes` are the beginnings that are taken; none means all.
    """
    bare = _BETWEEN.sub("", typed.strip()[:LONGEST_TYPED])
    number = f"+{bare[2:]}" if bare.startswith("00") else bare
    if not number.isascii() or not _NUMBER.fullmatch(number):
        raise NumberUnfit(detail="form")
    if prefixes and not number.startswith(prefixes):
        raise NumberUnfit(detail="prefix")
    return number
