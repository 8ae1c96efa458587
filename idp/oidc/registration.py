"""What a client's metadata may hold (RFC 7591), read strictly, with every mistake and its place."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from consent import evidence
from consent.declarations import Reader
from core.language import _
from idp.oidc import details, redirects

LONGEST_NAME = 200
LONGEST_URI = 2000
LONGEST_SECRET = 512
SHORTEST_SECRET = 32  # in production: secrets are hashed fast, so they must be beyond guessing
MOST = 50
AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
ID_TOKEN_ALGORITHMS = ("ES256", "RS256")
APPLICATIONS = ("web", "native")
PROFILES = ("basic", "standard")
SSF_READ, SSF_MANAGE = "ssf.read", "ssf.manage"
QUERY_SCOPE, REVOKE_SCOPE = "grant_management_query", "grant_management_revoke"
# What a client asks for in its own name, never for a citizen.
CLIENT_SCOPES = ("attributes", "disputes", SSF_READ, SSF_MANAGE, QUERY_SCOPE, REVOKE_SCOPE)
SCOPES = ("openid", "profile", "email", "address", "phone", "offline_access", *CLIENT_SCOPES)
DETAILS_TYPES = (details.TYPE,)
_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,128}")
_SECRET = re.compile(r"[\x20-\x7e]+")


def read(reader: Reader, raw: Any, path: str, *, production: bool) -> dict[str, Any]:
    """Read one client's metadata into its stored form, complete only if no mistake was noted.

    Members it does not know are ignored (RFC 7591, section 2). `require_pkce` is the word of the client's
    `profile` unless it is given: a confidential client of profile ``basic`` may do without (DESIGN 8).
    """
    if not isinstance(raw, Mapping):
        reader.wrong(path, _("must be a group of named fields"))
        return {}
    fields = _Fields(reader, raw, path)
    method = fields.one_of("token_endpoint_auth_method", AUTH_METHODS, "client_secret_basic")
    native = fields.one_of("application_type", APPLICATIONS, "web") == "native"
    profile = fields.one_of("profile", PROFILES, "standard")
    grant_types = fields.some_of("grant_types", GRANT_TYPES, ("authorization_code",))
    signs_in = "authorization_code" in grant_types
    fields.some_of("response_types", ("code",), ("code",) if signs_in else ())
    found = {
        "client_id": fields.client_id(),
        "name": fields.text("client_name", LONGEST_NAME, "") or str(raw.get("client_id", ""))[:LONGEST_NAME],
        "uri": fields.address("client_uri"),
        "kind": "native" if native else "public" if method == "none" else "confidential",
        "redirect_uris": fields.redirect_uris("redirect_uris", native=native, production=production),
        "post_logout_redirect_uris": fields.redirect_uris(
            "post_logout_redirect_uris", native=native, production=production
        ),
        "token_endpoint_auth_method": method,
        "grant_types": grant_types,
        "require_pkce": method == "none" or fields.flag("require_pkce", default=profile != "basic"),
        "rotate_refresh_tokens": method == "none" or fields.flag("rotate_refresh_tokens", default=False),
        "id_token_alg": fields.one_of("id_token_signed_response_alg", ID_TOKEN_ALGORITHMS, "ES256"),
        "scopes": fields.scopes(),
        "purposes": fields.texts("purposes"),
        "resources": fields.resources("resources"),
        "serves": fields.resources("serves"),
        "default_max_age": fields.seconds("default_max_age"),
        "authorization_details_types": fields.some_of(
            "authorization_details_types", DETAILS_TYPES, DETAILS_TYPES
        ),
    }
    if signs_in and not raw.get("redirect_uris"):
        reader.wrong(f"{path}.redirect_uris", _("is missing: answers need an address to go to"))
    if method == "none" and "client_credentials" in grant_types:
        reader.wrong(f"{path}.grant_types", _("client_credentials needs a client with a secret"))
    return found


def secret(reader: Reader, raw: Any, path: str, *, production: bool) -> str | None:
    """Return the secret that the metadata presets, or None; notes one that is too short for production."""
    given = raw.get("client_secret") if isinstance(raw, Mapping) else None
    if given is None:
        return None
    if not isinstance(given, str) or not _SECRET.fullmatch(given) or len(given) > LONGEST_SECRET:
        reader.wrong(f"{path}.client_secret", _("must be printable ASCII text"))
        return None
    if production and len(given) < SHORTEST_SECRET:
        reader.wrong(
            f"{path}.client_secret",
            _("must have at least {least} random characters; leave it out to get a new one").format(
                least=SHORTEST_SECRET
            ),
        )
    return given


class _Fields:
    """The members of one client's metadata, read one by one."""

    def __init__(self, reader: Reader, raw: Mapping[str, Any], path: str) -> None:
        self._reader, self._raw, self._path = reader, raw, path

    def text(self, name: str, longest: int, default: str) -> str:
        if self._raw.get(name) is None:
            return default
        return self._reader.text(self._raw[name], f"{self._path}.{name}", longest=longest)

    def client_id(self) -> str:
        given = self._raw.get("client_id", "")
        if "client_id" in self._raw and not (isinstance(given, str) and _CLIENT_ID.fullmatch(given)):
            self._wrong("client_id", _("must be up to 128 ASCII characters without spaces"))
            return ""
        if evidence.is_reserved(str(given)):
            self._wrong("client_id", _("is kept for entries of the service's own desks and staff"))
            return ""
        return str(given)

    def one_of(self, name: str, known: Sequence[str], default: str) -> str:
        given = self._raw.get(name)
        return default if given is None else self._reader.one_of(given, f"{self._path}.{name}", known)

    def some_of(self, name: str, known: Sequence[str], default: Sequence[str]) -> list[str]:
        given = self.texts(name) if self._raw.get(name) is not None else list(default)
        if any(one not in known for one in given):
            self._wrong(name, _("may hold only: {known}").format(known=", ".join(known)))
        return given

    def flag(self, name: str, *, default: bool) -> bool:
        given = self._raw.get(name, default)
        if not isinstance(given, bool):
            self._wrong(name, _("must be true or false"))
        return given is True

    def seconds(self, name: str) -> int | None:
        given = self._raw.get(name)
        if given is None:
            return None
        if isinstance(given, bool) or not isinstance(given, int) or given < 0:
            self._wrong(name, _("must be a whole number of seconds"))
            return None
        return given

    def scopes(self) -> list[str]:
        given = self._raw.get("scope", "")
        if not isinstance(given, str):
            self._wrong("scope", _("must be text: scopes with spaces between them"))
            return []
        return [one for one in dict.fromkeys(given.split()) if one in SCOPES]

    def texts(self, name: str) -> list[str]:
        given = self._raw.get(name)
        if given is None:
            return []
        if not isinstance(given, list | tuple) or len(given) > MOST:
            self._wrong(name, _("must be a list of at most {most}").format(most=MOST))
            return []
        found = [
            self._reader.text(one, f"{self._path}.{name}[{number}]", longest=LONGEST_URI)
            for number, one in enumerate(given)
        ]
        return list(dict.fromkeys(found))

    def redirect_uris(self, name: str, *, native: bool, production: bool) -> list[str]:
        found = self.texts(name)
        for number, uri in enumerate(found):
            says = redirects.mistake(uri, native=native, production=production)
            if uri and says:
                self._wrong(f"{name}[{number}]", says)
        return found

    def resources(self, name: str) -> list[str]:
        found = self.texts(name)
        for number, uri in enumerate(found):
            if not resource(uri):
                self._wrong(f"{name}[{number}]", _("must be an absolute URI without fragment"))
        return found

    def address(self, name: str) -> str:
        found = self.text(name, LONGEST_URI, "")
        if found and (not resource(found) or not found.startswith(("https://", "http://"))):
            self._wrong(name, _("must be an address that begins with https://"))
        return found

    def _wrong(self, name: str, says: Any) -> None:
        self._reader.wrong(f"{self._path}.{name}", says)


def resource(uri: str) -> bool:
    """Tell whether a text can name a resource: an absolute URI without fragment (RFC 8707, section 2)."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    plain = uri.isascii() and uri.isprintable() and not set(uri) & set(' "<>\\^`{|}')
    return plain and bool(parts.scheme) and bool(parts.netloc or parts.path) and "#" not in uri
