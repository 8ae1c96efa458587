"""Attempts to let our own pages lead a person to somebody else's site, after signing in or on any other way back."""

import html
import re
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from core.database import Database
from core.events import SYSTEM
from idp import enrol
from tests.idp.login.person import ISSUER, PASSWORD, Person

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PIECES = (
    "/", "//", "///", "\\", "/\\", "https:", "https://", "http:", "javascript:", "data:", "evil.example", "@", "%2f", "%5c", "%2F%2f",
    "%0d%0a", "\t", "\r\n", "\n", " ", "\u2028", "\u3002", "\uff0f", "\u00ad", "..", ".", ";", "?", "#", ":", "id.erti.example", "my", "%",
)  # fmt: skip
NASTY = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
KNOWN = (
    "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "https:/evil.example", "https:///evil.example",
    "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "/%09/evil.example", "/%2f/evil.example",
    "//evil.example\\@id.erti.example", f"{ISSUER}@evil.example", f"{ISSUER}.evil.example", "javascript:alert(1)", "/./\\evil.example",
    "/my\r\nLocation: https://evil.example", "/my%0d%0aLocation:%20https://evil.example", "//evil%E3%80%82example", "/\uff0fevil.example",
    "///evil.example", "////evil.example", "/;@evil.example", "?next=//evil.example", "http://evil.example", "",
)  # fmt: skip


def lands(location: str, page: str = f"{ISSUER}/login") -> str:
    """Return the origin at which a browser lands that follows a location, read as browsers do (WHATWG URL)."""
    plain = re.sub(r"[\t\r\n]", "", location.strip("".join(map(chr, range(33)))))
    path, mark, rest = plain.partition("?")
    scheme = re.match(r"(https?):/*", path.replace("\\", "/"), re.IGNORECASE)
    slashed = path.replace("\\", "/")
    if scheme:  # as many slashes as one likes, none if it is another scheme than the page's
        return f"{scheme[1].lower()}://{urlsplit('//' + slashed[scheme.end() :]).netloc.rpartition('@')[2]}"
    if re.match(r"/{2,}", slashed):
        return f"https://{urlsplit('//' + slashed.lstrip('/')).netloc.rpartition('@')[2]}"
    parts = urlsplit(urljoin(page, slashed + mark + rest))
    return f"{parts.scheme}://{parts.netloc}"


def seen_to_stay(answer: Any) -> None:
    """See that wherever an answer leads, by itself or by what stands in its page, is here."""
    if "location" in answer.headers:
        assert lands(answer.headers["location"]) == ISSUER, answer.headers["location"]
        assert "\n" not in answer.headers["location"]
    for value in re.findall(r'(?:href|action|formaction|content)="([^"]*(?:evil|//)[^"]*)"', answer.text):
        if not value.startswith(("text/", "width")):
            assert lands(html.unescape(value)) == ISSUER, value
    for value in re.findall(r'name="return_to" value="([^"]*)"', answer.text):
        assert lands(html.unescape(value)) == ISSUER, value


@pytest.mark.parametrize(
    ("location", "origin"),
    [
        ("/my", ISSUER), ("my?x=//evil.example", ISSUER), ("//evil.example", "https://evil.example"), ("/\\evil.example", "https://evil.example"),
        ("\t/\n/evil.example/x", "https://evil.example"), ("https:evil.example", "https://evil.example"),
        ("//id.erti.example@evil.example", "https://evil.example"), ("javascript:alert(1)", "javascript://"),
    ],
)  # fmt: skip
def test_the_reader_of_locations_reads_as_browsers_do(location: str, origin: str) -> None:
    """What these tests go by tells foreign addresses from our own."""
    assert lands(location) == origin


@pytest.fixture
def tester(person: Any, database: Database) -> Person:
    """Give a test citizen with a password alone, who is signed in."""
    with database.writing() as db:
        enrol.enrol(db, "tester", PASSWORD, {}, actor=SYSTEM)
    somebody: Person = person()
    assert somebody.give_password("tester").headers["location"] == "/my"
    return somebody


def try_all(tester: Person, where: str) -> None:
    """Let each way back that names a path lead to `where`."""
    there = quote(where, safe="")
    for path in (
        f"/login?return_to={there}", f"/login?other=1&return_to={there}", f"/login?acr=urn:erti:loa:substantial&return_to={there}",
        f"/login/card?return_to={there}", f"/login/card/left?return_to={there}", f"/login/recovery?return_to={there}",
        f"/activate?return_to={there}", f"/staff/login?return_to={there}", f"/language/en?return_to={there}",
        f"/logout?return_to={there}", f"/end-session?post_logout_redirect_uri={there}", f"/not-me/none?return_to={there}",
        f"/recover?return_to={there}", f"/my/account?return_to={there}", f"/my?next={there}&return_to={there}",
    ):  # fmt: skip
        seen_to_stay(tester.browser.get(path))
    tester.open("/login?other=1")
    seen_to_stay(tester.send("/login/step-up", return_to=where, acr="urn:erti:loa:low"))
    seen_to_stay(tester.send("/login/card", return_to=where, card__number="1"))
    seen_to_stay(tester.send("/login", return_to=where, username="", password=""))
    options = tester.ask("/login/passkey/options", return_to=where)
    assert options.status_code == 200


@SQLITE
@rules(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(NASTY)
@example(KNOWN[0])
@example(KNOWN[11])
def test_any_way_back_stays_here(tester: Person, where: str) -> None:
    """Whatever a link or form asks to be led back to, headers and pages lead nowhere but here."""
    try_all(tester, where)


@SQLITE
def test_attempt_to_lead_elsewhere_after_a_sign_in(person: Any, letter: Any, database: Database) -> None:
    """Each known trick, sent with the first step of a sign-in: the last step leads to a page of ours."""
    citizen_id, code = letter()
    nino = person()
    nino.begin_activation(citizen_id, code, return_to=KNOWN[0])
    nino.open("/activate/method")
    nino.send("/activate/passkey", name="", credential=nino.device.create(nino.options()))
    nino.open("/activate/codes")
    assert lands(nino.send("/activate/codes").headers["location"]) == ISSUER
    with database.writing() as db:
        enrol.enrol(db, "tester", PASSWORD, {}, actor=SYSTEM)
    other = person()
    for where in KNOWN:
        assert lands(nino.use_passkey(return_to=where).json()["location"]) == ISSUER, where
        answer = other.give_password("tester", return_to=where)
        assert answer.status_code == 303
        assert lands(answer.headers["location"]) == ISSUER, where


@SQLITE
def test_attempt_to_lead_elsewhere_by_where_one_came_from(tester: Person) -> None:
    """A form that comes too late leads back to the page it came from, if that is one of ours."""
    tester.browser.cookies.delete("__Host-erti_session")
    for where in KNOWN:
        referer = where.encode("ascii", "ignore").decode().replace("\r", "").replace("\n", "")
        for came_from in (referer, f"{ISSUER}{referer}", f"{ISSUER}/{referer}"):
            answer = tester.browser.post("/my/sessions/end", data={"a": "b"}, headers={"referer": came_from})
            seen_to_stay(answer)
            after = re.search(r"return_to=([^&]*)", answer.headers.get("location", ""))
            if after:
                seen_to_stay(tester.browser.get(answer.headers["location"]))
