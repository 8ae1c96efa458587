"""Redirect URIs: what can be registered, and what matches."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc import redirects

WEB = ["https://rp.example/cb", "https://rp.example/cb?a=b", "http://localhost:8001/cb"]
LOOPBACK = ["http://127.0.0.1/cb", "http://[::1]:7000/cb?x=1", "http://localhost/cb"]


@pytest.mark.parametrize(
    "sent",
    [
        "https://rp.example.evil.example/cb",
        "https://rp.example@evil.example/cb",
        "https://rp.example:443/cb",
        "HTTPS://RP.EXAMPLE/cb",
        "https://rp.example/cb/",
        "https://rp.example/cb#",
        "https://rp.example/cb?",
        "https://rp.example/cb?a=b&c=d",
        "https://rp.example/CB",
        "https://rp.example/x/../cb",
        "https://rpXexample/cb",
        "https://rp.example/%63b",
        "http://rp.example/cb",
        "http://localhost:8002/cb",
        "http://localhost@evil.example/cb",
        "//rp.example/cb",
        " https://rp.example/cb",
        "",
    ],
)
def test_nothing_but_the_registered_characters_match(sent: str) -> None:
    """A URI that differs in anything, be it case, port, slash, encoding or host, is not the registered one."""
    assert not redirects.matches(WEB, sent, native=False)


def test_registered_ones_match() -> None:
    """Each registered URI matches itself."""
    assert all(redirects.matches(WEB, uri, native=False) for uri in WEB)


@pytest.mark.parametrize(
    "sent",
    ["http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", "http://[::1]:9/cb?x=1", "http://[::1]/cb?x=1"],
)
def test_a_native_apps_port_may_differ_on_loopback(sent: str) -> None:
    """On a loopback address any port will do for a native app, and for no other client."""
    assert redirects.matches(LOOPBACK, sent, native=True)
    assert not redirects.matches([uri for uri in LOOPBACK if uri != sent], sent, native=False)


@pytest.mark.parametrize(
    "sent",
    [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.2:51004/cb",
        "https://127.0.0.1:51004/cb",
        "http://127.0.0.1:51004/cb?x=1",
        "http://127.0.0.1:51004/cb#f",
        "http://127.0.0.1:51004@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:999999/cb",
        "http://localhost:51004/cb",
        "http://[::1]:9/cb",
    ],
)
def test_only_the_port_may_differ(sent: str) -> None:
    """Host, scheme, path and query stay as registered even for a native app; localhost is a name, not an address."""
    assert not redirects.matches(LOOPBACK, sent, native=True)


@given(st.text(max_size=60), st.sampled_from(WEB + LOOPBACK), st.integers(0, 60), st.booleans())
def test_a_match_never_leaves_the_registered_hosts(extra: str, uri: str, at: int, native: bool) -> None:
    """Whatever is put into a registered URI, if it still matches it leads to the same host and path."""
    sent = uri[:at] + extra + uri[at:]
    if redirects.matches(WEB + LOOPBACK, sent, native=native):
        parts, known = urlsplit(sent), [urlsplit(one) for one in WEB + LOOPBACK]
        assert "@" not in parts.netloc
        assert (parts.scheme, parts.hostname, parts.path) in [
            (one.scheme, one.hostname, one.path) for one in known
        ]


@given(st.text(max_size=80), st.booleans(), st.booleans())
def test_what_can_be_registered_is_absolute_and_plain(uri: str, native: bool, production: bool) -> None:
    """No text that can be registered holds a fragment, user information, or a scheme that runs script."""
    if redirects.mistake(uri, native=native, production=production) is None:
        parts = urlsplit(uri)
        assert uri.isascii()
        assert "#" not in uri
        assert parts.scheme in ("http", "https") or (native and "." in parts.scheme)
        assert "@" not in parts.netloc


@pytest.mark.parametrize(
    ("uri", "native", "production", "fits"),
    [
        ("https://rp.example/cb", False, True, True),
        ("http://rp.example/cb", False, True, False),
        ("http://rp.example/cb", False, False, True),
        ("http://127.0.0.1/cb", True, True, True),
        ("http://localhost:8001/cb", False, True, False),
        ("org.example.app:/cb", True, True, True),
        ("org.example.app:/cb", False, True, False),
        ("myapp:/cb", True, True, False),
        ("javascript:alert(1)", True, False, False),
        ("data:text/html,x", True, False, False),
        ("https://rp.example/cb#frag", False, False, False),
        ("https://user@rp.example/cb", False, False, False),
        ("https://*.example/cb", False, False, False),
        ("https://rp.example\\@evil.example/cb", False, False, False),
        ("https:///cb", False, False, False),
        ("https://rp.example;script-src/cb", False, False, False),
        ("https://rp.example,evil.example/cb", False, False, False),
        ("https://rp.example'x/cb", False, False, False),
        ('https://rp.example"x/cb', False, False, False),
        ("https://rp.example:/cb", False, False, False),
        ("http://[::1]:8001/cb", True, True, True),
        ("https://rp.example:port/cb", False, False, False),
        ("https://rp.example/c b", False, False, False),
        ("/cb", False, False, False),
    ],
)
def test_what_can_be_registered(uri: str, native: bool, production: bool, fits: bool) -> None:
    """The rules for registering a redirect URI, case by case."""
    assert (redirects.mistake(uri, native=native, production=production) is None) is fits


def test_an_answer_keeps_the_registered_query() -> None:
    """Parameters come after the redirect URI's own query, which is not written anew."""
    assert redirects.extended("https://rp.example/cb?a=b+c%2f", {"code": "x&y"}) == (
        "https://rp.example/cb?a=b+c%2f&code=x%26y"
    )
    assert redirects.extended("org.example.app:/cb", {"code": "x"}) == "org.example.app:/cb?code=x"
