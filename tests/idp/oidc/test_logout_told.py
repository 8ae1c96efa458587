"""Clients are told that a session ended: by Erti itself in the back, or by the browser in the front."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import select, update

from consent.errors import FileRefused
from core import clock
from core.events import SYSTEM, Actor
from core.settings import Settings
from idp import accounts
from idp.oidc import clients, subjects
from idp.oidc.logout import courier, outbox
from idp.oidc.tables import logout_notice as table
from tests.conftest import ISSUER
from tests.idp.oidc.provider import CITIZEN, CLIENTS, COMPANY, PORTAL, Provider, claims_of


@dataclass
class Receiver:
    """A client's back-channel logout endpoint; `answers` are used up one by one, then everything is taken."""

    answers: list[int] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self.server
        return f"http://127.0.0.1:{self.server.server_port}/bye"

    def start(self) -> "Receiver":
        """Begin to listen."""
        mine = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                (token,) = parse_qs(body)["logout_token"]
                mine.got.append(token)
                self.send_response(mine.answers.pop(0) if mine.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=[0.02], daemon=True).start()
        return self


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let the test's own server be called."""
    return settings.model_copy(update={"outbound_private_hosts": ("127.0.0.1",)})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give an endpoint that listens."""
    made = Receiver().start()
    yield made
    assert made.server
    made.server.shutdown()
    made.server.server_close()


def put(provider: Provider, client_id: str, **changes: Any) -> None:
    """Change a client's registration."""
    (known,) = [one for one in CLIENTS if one["client_id"] == client_id]
    with provider.database.writing() as db:
        clients.put(db, {"require_pkce": False, **known, **changes}, actor=SYSTEM)


def deliver(provider: Provider) -> list[str]:
    """Send what is due; return the states."""
    with provider.database.writing() as db:
        due = outbox.take(db, most=20, lease=timedelta(seconds=60))
    return [courier.send(provider.database, notice) for notice in due]


def make_due(provider: Provider, **changes: Any) -> None:
    """Let what waits be due now."""
    with provider.database.writing() as db:
        db.execute(update(table).where(table.c.state == "waiting").values(due_at=clock.now(), **changes))


def sign_out(provider: Provider) -> Any:
    """Sign out on the page."""
    return provider.send(provider.web.get("/logout"))


def test_signing_out_tells_the_client_in_the_back(provider: Provider, receiver: Receiver) -> None:
    """The logout token is what the specification says: signed, typed, with the session's name and without a nonce."""
    put(provider, PORTAL, backchannel_logout_uri=receiver.url, backchannel_logout_session_required=True)
    provider.sign_in()
    tokens = provider.tokens()
    sign_out(provider)
    assert deliver(provider) == ["taken"]
    (token,) = receiver.got
    found = jwt.decode(token, KeySet.import_key_set(provider.web.get("/jwks.json").json()))
    assert found.header["typ"] == "logout+jwt"
    claims = found.claims
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, PORTAL, CITIZEN)
    assert claims["sid"] == claims_of(tokens["id_token"])["sid"]
    assert claims["events"] == {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert claims["exp"] - claims["iat"] <= 120
    assert claims["jti"]
    assert "nonce" not in claims
    assert deliver(provider) == []


def test_a_company_hears_of_its_own_session_by_its_own_names(provider: Provider, receiver: Receiver) -> None:
    """`sub` and `sid` of a company are no other's: two of them cannot find that their users are one."""
    put(provider, COMPANY, backchannel_logout_uri=receiver.url)
    session = provider.sign_in()
    with provider.database.writing() as db:
        clients_of_both = [clients.read(db, one) for one in (PORTAL, COMPANY)]
        names = [subjects.sid(db, one, session.sid) for one in clients_of_both]
    provider.allow("given_name", purpose="mill-sign-in")
    provider.tokens(COMPANY)
    sign_out(provider)
    assert deliver(provider) == ["taken"]
    claims = claims_of(receiver.got[0])
    assert claims["sub"] != CITIZEN
    assert claims["sid"] == names[1] != names[0]


def test_clients_without_the_session_hear_nothing(provider: Provider, receiver: Receiver) -> None:
    """Only where somebody signed in from this very session is anybody told."""
    put(provider, PORTAL, backchannel_logout_uri=receiver.url)
    provider.sign_in()
    provider.tokens()
    provider.sign_in()  # another session of the same citizen
    sign_out(provider)
    assert deliver(provider) == []


def test_an_endpoint_that_was_down_is_told_later(provider: Provider, receiver: Receiver) -> None:
    """What is not taken waits longer each time, is the same event each time, and is given up after a day."""
    put(provider, PORTAL, backchannel_logout_uri=receiver.url)
    provider.sign_in()
    provider.tokens()
    sign_out(provider)
    receiver.answers = [503, 400]
    for _try in range(2):
        assert deliver(provider) == ["waiting"]
        assert deliver(provider) == []
        make_due(provider)
    assert deliver(provider) == ["taken"]
    assert len({claims_of(token)["jti"] for token in receiver.got}) == 1
    provider.sign_in()
    provider.tokens()
    sign_out(provider)
    receiver.answers = [500]
    make_due(provider, created_at=clock.now() - timedelta(days=2))
    assert deliver(provider) == ["given-up"]


def test_a_locked_account_ends_every_session_at_its_clients(provider: Provider, receiver: Receiver) -> None:
    """A lock tells clients to end all they have of the citizen; who wants a session named gets each of them."""
    put(provider, PORTAL, backchannel_logout_uri=receiver.url)
    provider.sign_in()
    provider.tokens()
    with provider.database.writing() as db:
        accounts.open_for_test(db, CITIZEN, "nino", language="en")
        accounts.lock(db, CITIZEN, reason="stolen", actor=Actor("staff", "clerk"))
    deliver(provider)
    told = [claims_of(token) for token in receiver.got]
    assert {one["sub"] for one in told} == {CITIZEN}
    assert any("sid" not in one for one in told)


def test_two_workers_send_each_notice_once(provider: Provider, receiver: Receiver) -> None:
    """What one worker has taken no other takes."""
    put(provider, PORTAL, backchannel_logout_uri=receiver.url)
    for _session in range(6):
        provider.sign_in()
        provider.tokens()
        sign_out(provider)
    with ThreadPoolExecutor(2) as pool:
        sent = [state for states in pool.map(lambda _n: deliver(provider), range(2)) for state in states]
    assert sent == ["taken"] * 6
    assert len({claims_of(token)["jti"] for token in receiver.got}) == 6


def test_the_courier_serves_beside_the_worker(provider: Provider, receiver: Receiver) -> None:
    """The worker's turn hands notices to threads and does not wait for their calls."""
    put(provider, PORTAL, backchannel_logout_uri=receiver.url)
    provider.sign_in()
    provider.tokens()
    sign_out(provider)
    serving = courier.LogoutCourier()
    assert serving.turn(provider.database) == 1
    serving.close()
    with provider.database.reading() as db:
        assert db.scalars(select(table.c.state)).all() == ["taken"]


def test_the_browser_tells_clients_in_the_front(provider: Provider) -> None:
    """The page after signing out loads each client's address with `iss` and `sid`, and may load no other frame."""
    put(provider, PORTAL, frontchannel_logout_uri="https://portal.example/bye?a=b")
    provider.sign_in()
    sid = claims_of(provider.tokens()["id_token"])["sid"]
    page = sign_out(provider)
    assert page.status_code == 200
    assert f"https://portal.example/bye?a=b&amp;iss=https%3A%2F%2F{ISSUER[8:]}&amp;sid={sid}" in page.text
    assert "frame-src https://portal.example;" in page.headers["content-security-policy"]
    assert 'href="/logout"' in page.text
    assert provider.web.get("/my").status_code == 303


def test_after_the_front_the_person_goes_where_the_client_wanted(provider: Provider) -> None:
    """RP-initiated logout with front-channel clients ends at the client's own address with its state."""
    put(provider, PORTAL, frontchannel_logout_uri="https://portal.example/bye")
    provider.sign_in()
    hint = provider.tokens()["id_token"]
    asked = {"id_token_hint": hint, "post_logout_redirect_uri": "https://portal.example/bye", "state": "s 1"}
    page = provider.send(provider.web.get("/end-session", params=asked))
    assert page.status_code == 200
    assert 'href="https://portal.example/bye?state=s+1"' in page.text


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"frontchannel_logout_uri": "https://evil.example/bye"}, "frontchannel_logout_uri"),
        ({"frontchannel_logout_uri": "http://portal.example/bye"}, "frontchannel_logout_uri"),
        ({"backchannel_logout_uri": "javascript:x"}, "backchannel_logout_uri"),
        ({"backchannel_logout_session_required": True}, "backchannel_logout_session_required"),
    ],
)
def test_where_clients_cannot_be_told(provider: Provider, changes: dict[str, Any], where: str) -> None:
    """A frame is of the client's own host, an address is one of the web, and a wish needs its address."""
    with pytest.raises(FileRefused) as refused:
        put(provider, PORTAL, **changes)
    assert [one.path for one in refused.value.mistakes] == [f"client.{where}"]


def test_discovery_says_so(provider: Provider) -> None:
    """All four members of the two specifications are there."""
    document = provider.web.get("/.well-known/openid-configuration").json()
    for kind in ("backchannel", "frontchannel"):
        assert document[f"{kind}_logout_supported"]
        assert document[f"{kind}_logout_session_supported"]
