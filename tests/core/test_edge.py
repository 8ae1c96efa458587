"""What reaches us from outside is parsed within limits and leads nowhere it should not."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from core import clock, forms, language, outbound
from core.settings import Settings
from core.web import own_path


@given(st.binary(max_size=2000))
def test_any_body_is_a_form_or_a_refusal(content: bytes) -> None:
    """Whatever bytes are posted, parsing gives fields or FormUnreadable, never another error."""
    try:
        posted = forms.parse(content)
    except forms.FormUnreadable:
        return
    assert all("\x00" not in name + value for name, value in posted.items)


@given(st.text(max_size=200))
@example("//[")
@example("/" + "a" * 5000)
@example("//evil.example")
@example("/\\evil.example")
@example("https://evil.example")
@example("/ok\r\nSet-Cookie: a=b")
@example("/\t/evil.example")
def test_return_to_never_leaves_the_site(wish: str) -> None:
    """Whatever is asked for, the way back is a path of this site without control characters."""
    path = own_path(wish)

    assert path.startswith("/")
    assert not path.startswith("//")
    assert "\\" not in path
    assert not urlsplit(path).netloc
    assert all(" " < character < "\x7f" for character in path)


@given(st.text(max_size=100))
def test_any_accept_language_gives_an_offered_language(header: str) -> None:
    """Whatever a browser says, the page is in one of the languages offered."""
    assert language.choose(header, ("en", "ka")) in ("en", "ka")


def test_the_best_language_wins() -> None:
    """The language with the highest weight that we offer is chosen."""
    assert language.choose("fr;q=0.9, ka;q=0.8, en;q=0.1", ("en", "ka")) == "ka"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://10.0.0.1/",
        "https://user@example.com/",
        "file:///etc/passwd",
        "https:///",
    ],
)
def test_outbound_calls_stay_out_of_private_networks(url: str) -> None:
    """A call to a private address, over plain http or with a user part is refused before it is made."""
    with pytest.raises(outbound.CallRefused):
        outbound.fetch(Settings(), "GET", url)


@pytest.mark.parametrize(
    "issuer", ["http://x.example/path", "x.example", "https://x.example/", "ftp://x.example"]
)
def test_an_issuer_is_an_origin(issuer: str) -> None:
    """An issuer with a path, a final slash or another scheme is refused at start."""
    with pytest.raises(ValidationError):
        Settings(issuer=issuer)


def test_production_needs_https() -> None:
    """Production does not start with an issuer in clear."""
    with pytest.raises(ValidationError, match="https"):
        Settings(mode="production", issuer="http://id.example")


def test_wire_time_has_milliseconds() -> None:
    """Moments on the wire are RFC 3339 in UTC with three digits."""
    assert clock.wire(clock.now()).endswith("Z")
    assert len(clock.wire(clock.now())) == len("2026-11-23T18:40:00.123Z")
