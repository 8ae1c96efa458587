"""The logout plans: RP-Initiated, Back-Channel and Front-Channel Logout OP."""

import html
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from joserfc import jwk, jwt

from tests.certification.relying import BYE, ISSUER, Relying, header
from tests.certification.site import Site

STEPS = ("logout-confirm",)


def leave(relying: Relying, **parameters: Any) -> str:
    """Go to the end-session endpoint as the client sends its person there, and agree; return where that led."""
    person = relying.browser
    person.lay_out()
    given = {name: str(value) for name, value in parameters.items() if value is not None}
    query = f"?{urlencode(given)}" if given else ""
    person.open(relying.metadata["end_session_endpoint"] + query)
    for step in STEPS:
        if not person.stopped_at and person.has(step):
            person.press(step)
    return person.stopped_at


def signed_out(relying: Relying) -> bool:
    """Tell whether prompt=none finds nobody signed in any more."""
    return relying.authorize(prompt="none").error in ("login_required", "interaction_required")


@pytest.mark.module("oidcc-rp-initiated-logout-discovery-endpoint-verification")
def test_the_document_has_the_endpoint(relying: Relying) -> None:
    """The discovery document names an end_session_endpoint over https."""
    assert relying.metadata["end_session_endpoint"].startswith("https://")


@pytest.mark.module("oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-no-state")
@pytest.mark.parametrize("state", ["a state: 1 & 2", None])
def test_signing_out_leads_back(relying: Relying, state: str | None) -> None:
    """With hint and address the person goes back with the state alone, or without any, and is signed out."""
    hint = relying.tokens()["id_token"]
    led = leave(relying, id_token_hint=hint, post_logout_redirect_uri=BYE, state=state)
    assert led == (f"{BYE}?{urlencode({'state': state})}" if state else BYE)
    assert signed_out(relying)


@pytest.mark.module(
    "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
    "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
)
@pytest.mark.parametrize("added", ["/other", "?foo=bar"])
def test_an_unregistered_address(relying: Relying, added: str) -> None:
    """An address that is not registered, or has a query added, is never gone to: the person gets an error page."""
    hint = relying.tokens()["id_token"]
    assert not leave(relying, id_token_hint=hint, post_logout_redirect_uri=BYE + added, state="s")
    assert relying.browser.page.status_code == 400


@pytest.mark.module(
    "oidcc-rp-initiated-logout-modified-id-token-hint",
    "oidcc-rp-initiated-logout-bad-id-token-hint",
    "oidcc-rp-initiated-logout-no-id-token-hint",
)
@pytest.mark.parametrize("hint", ["modified", "bad", None])
def test_without_a_good_hint_nobody_is_sent_back(relying: Relying, hint: str | None) -> None:
    """With a hint of broken signature, one that is no token, or none, an address is not gone to."""
    real = relying.tokens()["id_token"]
    head, body, signature = real.split(".")
    broken = f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    given = {"modified": broken, "bad": "rubbish", None: None}[hint]
    assert not leave(relying, id_token_hint=given, post_logout_redirect_uri=BYE, state="s")
    assert relying.browser.page.status_code == 400
    assert not signed_out(relying), "nothing was ended by it"


@pytest.mark.module(
    "oidcc-rp-initiated-logout-no-params",
    "oidcc-rp-initiated-logout-no-post-logout-redirect-uri",
    "oidcc-rp-initiated-logout-only-state",
)
@pytest.mark.parametrize("sent", [(), ("id_token_hint", "state"), ("state",)], ids="-".join)
def test_without_an_address_a_page_says_so(relying: Relying, sent: tuple[str, ...]) -> None:
    """Without an address the person is signed out and reads it on a page of Erti."""
    parameters = {"id_token_hint": relying.tokens()["id_token"], "state": "s"}
    assert not leave(relying, **{name: parameters[name] for name in sent})
    assert relying.browser.page.status_code == 200
    assert relying.browser.has("logout-login"), "the page that says so"
    assert signed_out(relying)


@pytest.mark.module(
    "oidcc-backchannel-logout-discovery-endpoint-verification",
    "oidcc-frontchannel-logout-discovery-endpoint-verification",
)
@pytest.mark.parametrize("channel", ["backchannel", "frontchannel"])
def test_the_document_says_how_clients_are_told(relying: Relying, channel: str) -> None:
    """The discovery document says that clients are told of a logout, and of which session."""
    assert relying.metadata[f"{channel}_logout_supported"] is True
    assert relying.metadata[f"{channel}_logout_session_supported"] is True


@pytest.mark.module("oidcc-backchannel-rp-initiated-logout")
def test_the_client_is_told_behind_the_persons_back(relying: Relying, site: Site) -> None:
    """The client is posted one signed logout token for the session, and the person goes back with the state."""
    client = relying.registered(
        backchannel_logout_uri=f"{site.address}/backchannel_logout", backchannel_logout_session_required=True
    )
    tokens = relying.tokens(client)
    led = leave(relying, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state="s")
    assert led == f"{BYE}?state=s"
    relying.work()
    assert site.arrived.wait(10)
    ((path, body),) = site.posted
    assert path == "/backchannel_logout"
    fields = parse_qsl(body)
    assert [name for name, _value in fields] == ["logout_token"]
    token = fields[0][1]
    head = header(token)
    keys = jwk.KeySet.import_key_set(relying.web.get(relying.metadata["jwks_uri"]).json())
    claims = jwt.decode(token, keys, algorithms=[head["alg"]]).claims
    assert head["typ"] == "logout+jwt"
    assert claims["iss"] == ISSUER
    assert claims["aud"] in (client.client_id, [client.client_id])
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert claims["jti"]
    assert claims["iat"] < claims["exp"] <= claims["iat"] + 120
    assert "nonce" not in claims
    assert claims["sid"] == tokens["claims"]["sid"]
    assert claims.get("sub", tokens["claims"]["sub"]) == tokens["claims"]["sub"]
    assert signed_out(relying)


@pytest.mark.module("oidcc-frontchannel-rp-initiated-logout")
def test_the_client_is_told_in_the_persons_browser(relying: Relying) -> None:
    """The page after signing out loads the client's address with iss and sid, and leads back with the state."""
    address = "https://suite.example/test/a/erti/frontchannel_logout?own=1"
    client = relying.registered(frontchannel_logout_uri=address, frontchannel_logout_session_required=True)
    tokens = relying.tokens(client)
    person = relying.browser
    assert not leave(relying, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state="s")
    (frame,) = re.findall(r'<iframe[^>]*\ssrc="([^"]+)"', person.page.text)
    loaded = urlsplit(html.unescape(frame))
    assert f"{loaded.scheme}://{loaded.netloc}{loaded.path}" == address.partition("?")[0]
    assert dict(parse_qsl(loaded.query)) == {"own": "1", "iss": ISSUER, "sid": tokens["claims"]["sid"]}
    assert "frame-src https://suite.example" in person.page.headers["content-security-policy"]
    person.follow("logout-continue")
    assert person.stopped_at == f"{BYE}?state=s"
    assert signed_out(relying)
