"""Where answers may be sent: which redirect URIs can be registered, and when one that was sent is one of them."""

import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlencode, urlsplit

from core.language import Lazy, _

LONGEST = 2000
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
# A loopback address of a native app: any port is as good as the registered one (RFC 8252, section 7.3).
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?((?:[/?].*)?)", re.ASCII)
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+", re.ASCII)
# What may stand before a path. It goes into a header as it is, where ; and , and quotes would end it.
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_PLAIN = re.compile(r"[\x21-\x7e]+", re.ASCII)


def mistake(uri: str, *, native: bool, production: bool) -> Lazy | None:
    """Return what keeps a URI from being registered, or None if nothing does.

    Absolute, without fragment (RFC 6749, 3.1.2), user information, wildcard or control character; https,
    or http to this machine for native apps (RFC 8252, 7.3), or a scheme of an app's own, which holds a dot
    (RFC 8252, 7.1). Outside production plain http is taken for web clients too.
    """
    parts = _split(uri)
    if parts is None or "#" in uri or "\\" in uri:
        return _("It must be an absolute address without fragment, spaces or backslashes.")
    if parts.scheme not in ("http", "https"):
        if native and _PRIVATE_SCHEME.fullmatch(parts.scheme):
            return None
        return _(
            "Its scheme must be https; an app's own scheme holds a dot and needs application_type native."
        )
    if not _AUTHORITY.fullmatch(parts.netloc):
        return _("It needs a host name, without user information or wildcard.")
    if parts.scheme == "http" and production and not (native and parts.hostname in LOOPBACK_NAMES):
        return _("In production it must begin with https; http is only for native apps on the same machine.")
    return None


def matches(registered: Iterable[str], sent: str, *, native: bool) -> bool:
    """Tell whether a URI that was sent is one of the registered ones.

    Character by character (RFC 9700, 4.1.3); only a native app's port on a loopback address may differ
    (RFC 8252, 7.3): host, path and query stay as registered.
    """
    known = tuple(registered)
    if sent in known:
        return True
    if not native or _split(sent) is None or "#" in sent:
        return False
    loopback = _loopback(sent)
    return loopback is not None and any(_loopback(uri) == loopback for uri in known)


def origin(uri: str) -> str:
    """Return what a page's `form-action` must allow so that its form may lead to this URI."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"


def origins(uri: str) -> tuple[str, ...]:
    """Return the same as a page's `form_action` takes it; nothing where no browser is sent back."""
    return (origin(uri),) if uri else ()


def extended(uri: str, parameters: dict[str, str], *, fragment: bool = False) -> str:
    """Return a redirect URI with an answer's parameters after its own query, which stays as it is (RFC 6749, 3.1.2).

    As its `fragment` where the answer is not for the site's server (OAuth 2.0 Multiple Response Types, 2.1).
    """
    mark = "#" if fragment else "&" if "?" in uri else "?"
    return f"{uri}{mark}{urlencode(parameters)}" if parameters else uri


def _split(uri: str) -> SplitResult | None:
    if len(uri) > LONGEST or not _PLAIN.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError:
        return None
    return parts if parts.scheme else None


def _loopback(uri: str) -> tuple[str, str] | None:
    found = _LOOPBACK.fullmatch(uri)
    return (found[1], found[2]) if found else None
