"""The members of one client's metadata, read one by one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from consent import evidence
from consent.declarations import Reader
from core.language import _
from idp.oidc import public_keys, redirects

LONGEST_URI: Final = 2000
MOST: Final = 50
MOST_SECONDS: Final = 999_999_999  # what a database can hold, and as many digits as max_age may have
DEFAULT_ENC: Final = "A128CBC-HS256"  # OpenID Connect Registration 1.0, section 2
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,128}")


class Fields:
    """The members of one client's metadata; each verb reads one and notes what is wrong with it, at its place."""

    def __init__(self, reader: Reader, raw: Mapping[str, Any], path: str) -> None:
        self.reader, self.raw, self.path = reader, raw, path

    def text(self, name: str, longest: int, default: str) -> str:
        """Read a text, `default` if there is none."""
        if self.raw.get(name) is None:
            return default
        return self.reader.text(self.raw[name], f"{self.path}.{name}", longest=longest)

    def client_id(self) -> str:
        """Read the client ID, empty if one has to be made."""
        given = self.raw.get("client_id", "")
        if "client_id" in self.raw and not (isinstance(given, str) and _CLIENT_ID.fullmatch(given)):
            self.wrong("client_id", _("must be up to 128 ASCII characters without spaces"))
            return ""
        if evidence.is_reserved(str(given)):
            self.wrong("client_id", _("is kept for entries of the service's own desks and staff"))
            return ""
        return str(given)

    def one_of(self, name: str, known: Sequence[str], default: str) -> str:
        """Read a text out of a few."""
        given = self.raw.get(name)
        return default if given is None else self.reader.one_of(given, f"{self.path}.{name}", known)

    def some_of(self, name: str, known: Sequence[str], default: Sequence[str]) -> list[str]:
        """Read a list whose members are out of a few."""
        given = self.texts(name) if self.raw.get(name) is not None else list(default)
        if any(one not in known for one in given):
            self.wrong(name, _("may hold only: {known}").format(known=", ".join(known)))
        return given

    def flag(self, name: str, *, default: bool) -> bool:
        """Read true or false."""
        given = self.raw.get(name, default)
        if not isinstance(given, bool):
            self.wrong(name, _("must be true or false"))
        return given is True

    def seconds(self, name: str) -> int | None:
        """Read a whole number of seconds, or None."""
        given = self.raw.get(name)
        if given is None:
            return None
        if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= MOST_SECONDS:
            self.wrong(name, _("must be a whole number of seconds"))
            return None
        return given

    def encryption(self, of: str, algs: Sequence[str], encs: Sequence[str]) -> dict[str, str]:
        """Read a pair of members that ask for encryption; the content's algorithm has the standards' default."""
        alg = self.one_of(f"{of}_alg", algs, "")
        enc = self.one_of(f"{of}_enc", encs, DEFAULT_ENC if alg else "")
        if enc and not alg:
            self.wrong(f"{of}_enc", _("means nothing without {of}_alg").format(of=of))
        return {f"{of}_alg": alg, f"{of}_enc": enc}

    def keys(self, name: str) -> dict[str, Any] | None:
        """Read a JWK Set of public keys (RFC 7517, section 5)."""
        given = self.raw.get(name)
        if given is None:
            return None
        found = public_keys.mistakes(given)
        for place, says in found:
            self.wrong(f"{name}{place}", says)
        return None if found else {"keys": [public_keys.kept(one) for one in given["keys"]]}

    def scopes(self, known: Sequence[str]) -> list[str]:
        """Read the scopes that are known; the others are left out (RFC 7591, section 2)."""
        given = self.raw.get("scope", "")
        if not isinstance(given, str):
            self.wrong("scope", _("must be text: scopes with spaces between them"))
            return []
        return [one for one in dict.fromkeys(given.split()) if one in known]

    def texts(self, name: str) -> list[str]:
        """Read a list of texts without repeats."""
        given = self.raw.get(name)
        if given is None:
            return []
        if not isinstance(given, list | tuple) or len(given) > MOST:
            self.wrong(name, _("must be a list of at most {most}").format(most=MOST))
            return []
        found = [
            self.reader.text(one, f"{self.path}.{name}[{number}]", longest=LONGEST_URI)
            for number, one in enumerate(given)
        ]
        return list(dict.fromkeys(found))

    def redirect_uris(self, name: str, *, native: bool, production: bool) -> list[str]:
        """Read a list of addresses that answers may go to."""
        found = self.texts(name)
        for number, uri in enumerate(found):
            says = redirects.mistake(uri, native=native, production=production)
            if uri and says:
                self.wrong(f"{name}[{number}]", says)
        return found

    def resources(self, name: str) -> list[str]:
        """Read a list of resources (RFC 8707, section 2)."""
        found = self.texts(name)
        for number, uri in enumerate(found):
            if not resource(uri):
                self.wrong(f"{name}[{number}]", _("must be an absolute URI without fragment"))
        return found

    def address(self, name: str, *, plain: bool = True) -> str:
        """Read a web address, empty if there is none; unless `plain` it does without TLS on this machine alone."""
        found = self.text(name, LONGEST_URI, "")
        sound = bool(found) and resource(found) and found.startswith(("https://", "http://"))
        bare = sound and found.startswith("http://") and not plain
        if found and (not sound or (bare and urlsplit(found).hostname not in redirects.LOOPBACK_NAMES)):
            self.wrong(name, _("must be an address that begins with https://"))
        return found

    def request_uris(self, name: str) -> list[str]:
        """Read a list of addresses of request objects, which may say by a fragment what is there (RFC 9101, 5.2)."""
        found = self.texts(name)
        for number, uri in enumerate(found):
            address = uri.partition("#")[0]
            if not resource(address) or not address.startswith(("https://", "http://")):
                self.wrong(f"{name}[{number}]", _("must be an address that begins with https://"))
        return found

    def wrong(self, name: str, says: Any) -> None:
        """Note a mistake at a member."""
        self.reader.wrong(f"{self.path}.{name}", says)


def resource(uri: str) -> bool:
    """Tell whether a text can name a resource: an absolute URI without fragment (RFC 8707, section 2)."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    plain = uri.isascii() and uri.isprintable() and not set(uri) & set(' "<>\\^`{|}')
    return plain and bool(parts.scheme) and bool(parts.netloc or parts.path) and "#" not in uri
