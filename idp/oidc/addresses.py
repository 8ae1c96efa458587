"""Addresses of requests, compared as RFC 3986 wants it and not letter by letter."""

import re
from urllib.parse import urlsplit

LONGEST = 2_000
_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def normal(uri: str) -> str:
    """Return an http address without query and fragment, normalized by syntax and scheme (RFC 3986, 6.2.2 and 6.2.3).

    Scheme and host in small letters, no default port, an empty path as `/`, escapes only where they are
    needed, no dot segments. Raises ValueError for what is not such an address, or names a user.
    """
    if len(uri) > LONGEST or not uri.isascii() or not uri.isprintable() or set(uri) & set(' "<>\\^`{|}'):
        raise ValueError("not a URI")
    parts = urlsplit(uri)
    host, port = parts.hostname, parts.port
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc or _BAD_ESCAPE.search(parts.path):
        raise ValueError("not an http address")
    name = f"[{host}]" if ":" in host else host
    shown = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{name}{shown}{_without_dots(_ESCAPE.sub(_plain, parts.path))}"


def same(one: str, other: str) -> bool:
    """Tell whether two addresses are one but for query and fragment; what cannot be read is the same as itself alone."""
    if one == other:
        return True
    try:
        return normal(one) == normal(other)
    except ValueError:
        return False


def _plain(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def _without_dots(path: str) -> str:
    """Return a path without its dot segments (RFC 3986, 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
