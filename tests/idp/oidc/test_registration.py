"""Clients that register themselves: who may, what they may say, and who may change it."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import ValidationError
from sqlalchemy import update

from consent.errors import FileRefused
from core import clock
from core.events import SYSTEM
from core.settings import Settings
from idp.oidc import clients, metadata, tables
from idp.oidc.registration import dynamic, invitations, statements
from idp.oidc.registration.errors import Declined
from tests.idp.oidc.provider import CITIZEN, CLIENTS, Provider, answered, claims_of

BARE = {"redirect_uris": ["https://new.example/cb"], "client_name": "New"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let everybody register, as a developer's own machine would."""
    return settings.model_copy(update={"registration": "open", "outbound_private_hosts": ("127.0.0.1",)})


def register(provider: Provider, token: str = "", /, **document: Any) -> Any:
    """Send a registration."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return provider.web.post("/register", json=document, headers=headers)


def invited(provider: Provider, **changes: Any) -> str:
    """Return an initial access token of the revenue agency."""
    with provider.database.writing() as db:
        wish = {"sign_in_purpose": "revenue-sign-in", **changes}
        _made, token = invitations.invite(db, "revenue", actor=SYSTEM, **wish)
    return token


def manage(provider: Provider, told: dict[str, Any], method: str, **more: Any) -> Any:
    """Call a client's own configuration endpoint."""
    headers = {"Authorization": f"Bearer {more.pop('token', told['registration_access_token'])}"}
    return provider.web.request(
        method, urlsplit(told["registration_client_uri"]).path, headers=headers, **more
    )


def test_a_client_registers_and_signs_somebody_in(provider: Provider) -> None:
    """What is told back is enough to go through the code flow, with the standard's defaults."""
    answer = register(provider, **BARE)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told["redirect_uris"] == BARE["redirect_uris"]
    assert told["token_endpoint_auth_method"] == "client_secret_basic"
    assert (told["id_token_signed_response_alg"], told["client_secret_expires_at"]) == ("RS256", 0)
    provider.sign_in()
    wish = {"client_id": told["client_id"], "redirect_uri": "https://new.example/cb", "response_type": "code",
            "scope": "openid"}  # fmt: skip
    code = answered(provider.web.get("/authorize", params=wish))["code"]
    tokens = provider.post(
        "/token", told["client_id"], told["client_secret"],
        grant_type="authorization_code", code=code, redirect_uri="https://new.example/cb",
    )  # fmt: skip
    assert tokens.status_code == 200, tokens.text
    assert claims_of(tokens.json()["id_token"])["sub"] == CITIZEN


def test_who_registers_without_invitation_stands_in_the_sandbox(provider: Provider) -> None:
    """Nobody becomes an agency's client by saying so: agency, purposes, resources and IDs of its own count for nothing."""
    told = register(
        provider, **BARE, agency="revenue", sign_in_purpose="revenue-sign-in", purposes=["revenue-assessment"],
        serves=["https://api.portal.example/"], resources=["https://api.portal.example/"], client_id="portal",
        client_secret="known", scope="openid attributes ssf.manage",
    ).json()  # fmt: skip
    assert told["client_id"] != "portal"
    assert told["client_secret"] != "known"
    with provider.database.reading() as db:
        client = clients.read(db, told["client_id"])
    assert (client.agency, client.purposes, client.serves, client.resources) == ("sandbox", (), (), ())
    assert client.scopes == ("openid",)


def test_an_invitation_says_where_a_client_stands(provider: Provider) -> None:
    """With an initial access token the client is the agency's, and may have what the token opens."""
    token = invited(provider, more_purposes=["revenue-relief"], scopes=["attributes"])
    document = {**BARE, "grant_types": ["authorization_code", "client_credentials"]}
    told = register(provider, token, **document).json()
    with provider.database.reading() as db:
        client = clients.read(db, told["client_id"])
    assert (client.agency, client.sign_in_purpose) == ("revenue", "revenue-sign-in")
    assert client.purposes == ("revenue-relief",)
    assert client.may_ask_scope("attributes")
    assert not client.may_ask_scope("ssf.read")


def test_an_invitation_is_used_up(provider: Provider) -> None:
    """A token for one client registers one, also when eight ask at once; a registration that fails does not use it."""
    token = invited(provider)
    assert register(provider, token, redirect_uris=["javascript:x"]).status_code == 400

    def one(_number: int) -> str:
        try:
            with provider.database.writing() as db:
                return dynamic.register(db, dict(BARE), token=token).client.agency
        except Declined as declined:
            return declined.error

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, range(8))) == ["invalid_token"] * 7 + ["revenue"]
    assert register(provider, token, **BARE).status_code == 401


def test_an_invitation_that_is_over_or_was_taken_back_invites_nobody(provider: Provider) -> None:
    """Past its day, or ended, an initial access token is as good as a made-up one."""
    token = invited(provider, days=1)
    other = invited(provider)
    with provider.database.writing() as db:
        newest = invitations.listing(db)[0]
        assert invitations.end(db, newest.id, actor=SYSTEM)
        assert not invitations.end(db, newest.id, actor=SYSTEM)
    assert register(provider, other, **BARE).status_code == 401
    assert register(provider, "made up", **BARE).status_code == 401
    with provider.database.writing() as db:
        db.execute(update(tables.invitation).values(expires_at=clock.now()))
    assert register(provider, token, **BARE).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"sign_in_purpose": "health-sign-in"},
        {"more_purposes": ["nothing"]},
        {"scopes": ["openid"]},
        {"uses": 0},
        {"days": 1000},
    ],
)
def test_an_invitation_promises_nothing_that_is_not_there(
    provider: Provider, changes: dict[str, Any]
) -> None:
    """Purposes are the agency's own, scopes those in a client's name, and numbers sane."""
    with pytest.raises(FileRefused):
        invited(provider, **changes)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"redirect_uris": ["https://a.example/#f"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a@b.example/"]}, "invalid_redirect_uri"),
        ({**BARE, "grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({**BARE, "grant_types": ["password"]}, "invalid_client_metadata"),
        ({**BARE, "response_types": ["code id_token"]}, "invalid_client_metadata"),
        ({**BARE, "id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
        ({**BARE, "profile": "fapi2"}, "invalid_client_metadata"),
        ({**BARE, "subject_type": "secret"}, "invalid_client_metadata"),
        ({**BARE, "contacts": ["x"] * 1000}, "invalid_client_metadata"),
        ({**BARE, "jwks": {"keys": "none"}}, "invalid_client_metadata"),
        ({**BARE, "jwks": {"keys": []}, "jwks_uri": "https://a.example/keys"}, "invalid_client_metadata"),
        ({**BARE, "sector_identifier_uri": "https://127.0.0.1:1/s"}, "invalid_client_metadata"),
        ({**BARE, "software_statement": "e30.e30.e30"}, "invalid_software_statement"),
    ],
)
def test_what_a_client_may_not_be(provider: Provider, document: dict[str, Any], error: str) -> None:
    """Each refusal has the standard's code and says in plain ASCII what to change (RFC 7591, 3.2.2)."""
    answer = register(provider, **document)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"].isascii()


def test_the_endpoint_is_there_only_where_it_is_open(provider: Provider) -> None:
    """A closed endpoint is not there nor advertised; one for tokens takes nobody without; production is never open."""
    house = provider.web.app.state  # type: ignore[attr-defined]
    assert "registration_endpoint" in provider.web.get("/.well-known/openid-configuration").json()
    house.settings = house.settings.model_copy(update={"registration": "closed"})
    assert register(provider, **BARE).status_code == 404
    assert "registration_endpoint" not in provider.web.get("/.well-known/openid-configuration").json()
    house.settings = house.settings.model_copy(update={"registration": "token"})
    answer = register(provider, **BARE)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    with pytest.raises(ValidationError):
        Settings(mode="production", issuer="https://id.example.gov", registration="open")


def test_a_client_reads_and_changes_what_is_kept_of_it(provider: Provider) -> None:
    """With its own token a client reads its metadata and puts other in its place; what it leaves out gets its default."""
    told = register(provider, **BARE, policy_uri="https://new.example/privacy").json()
    read = manage(provider, told, "GET")
    assert read.status_code == 200
    assert "client_secret" not in read.json()
    kept = {name: value for name, value in told.items() if not name.startswith("client_secret")}
    assert read.json() == kept
    wish = {"client_id": told["client_id"], "redirect_uris": ["https://new.example/other"]}
    changed = manage(provider, told, "PUT", json=wish)
    assert changed.status_code == 200, changed.text
    assert changed.json()["redirect_uris"] == ["https://new.example/other"]
    assert "policy_uri" not in changed.json()
    with provider.database.reading() as db:
        client = clients.fetch(db, told["client_id"])
    assert client
    assert client.agency == "sandbox"
    assert client.knows_secret(told["client_secret"])


@pytest.mark.parametrize(
    "wish",
    [
        {"client_id": "portal"},
        {"client_secret": "another"},
        {"registration_access_token": "mine"},
        {"client_id_issued_at": 1},
    ],
)
def test_a_change_cannot_take_over_another_client(provider: Provider, wish: dict[str, Any]) -> None:
    """Client ID and secret are the client's own, and what only we say is not taken (RFC 7592, 2.2)."""
    told = register(provider, **BARE).json()
    answer = manage(provider, told, "PUT", json={**BARE, "client_id": told["client_id"], **wish})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_a_change_opens_no_more_than_the_invitation_did(provider: Provider) -> None:
    """An update keeps the agency and its purposes, and no scope comes in that was not there."""
    told = register(provider, invited(provider), **BARE).json()
    wish = {**BARE, "client_id": told["client_id"], "agency": "health", "scope": "openid attributes",
            "sign_in_purpose": "health-sign-in", "serves": ["https://api.portal.example/"]}  # fmt: skip
    assert manage(provider, told, "PUT", json=wish).status_code == 200
    with provider.database.reading() as db:
        client = clients.fetch(db, told["client_id"])
    assert client
    assert (client.agency, client.sign_in_purpose, client.serves) == ("revenue", "revenue-sign-in", ())
    assert not client.may_ask_scope("attributes")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_no_other_token_manages_a_client(provider: Provider, method: str) -> None:
    """Another client's registration token, a made-up one and none are refused alike, also for an imported client."""
    told, other = register(provider, **BARE).json(), register(provider, **BARE).json()
    for token in (other["registration_access_token"], "made up", ""):
        body = {"json": BARE} if method == "PUT" else {}
        assert manage(provider, told, method, token=token, **body).status_code == 401
    imported = {"registration_client_uri": "/register/portal", "registration_access_token": "None"}
    assert manage(provider, imported, "GET").status_code == 401
    assert manage(provider, told, "GET").status_code == 200


def test_a_client_leaves(provider: Provider) -> None:
    """After DELETE neither its token nor its secret is good for anything (RFC 7592, 2.3)."""
    document = {**BARE, "grant_types": ["authorization_code", "client_credentials"]}
    told = register(provider, invited(provider, scopes=["attributes"]), **document).json()
    wish = {"grant_type": "client_credentials", "scope": "attributes"}
    own = provider.post("/token", told["client_id"], told["client_secret"], **wish)
    assert own.status_code == 200
    assert manage(provider, told, "DELETE").status_code == 204
    assert manage(provider, told, "GET").status_code == 401
    refused = provider.post("/token", told["client_id"], told["client_secret"], **wish)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_a_pairwise_client_knows_citizens_by_an_id_of_its_own(provider: Provider) -> None:
    """A client may ask for pairwise subjects, and a company's client for no other."""
    company = {**CLIENTS[3], "client_id": "second"}
    with provider.database.writing() as db:
        with pytest.raises(FileRefused):
            clients.put(db, {**company, "subject_type": "public"}, actor=SYSTEM)
        assert clients.put(db, company, actor=SYSTEM)[0].subject_type == "pairwise"
    told = register(provider, **BARE, subject_type="pairwise").json()
    assert told["subject_type"] == "pairwise"


class _Sector(BaseHTTPRequestHandler):
    """Serves one document of redirect URIs."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(["https://new.example/cb", "https://new.example/other"]).encode())

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def sector() -> Iterator[str]:
    """Serve a sector identifier document."""
    server = HTTPServer(("127.0.0.1", 0), _Sector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/sector.json"
    server.shutdown()
    server.server_close()


def test_a_sector_names_every_redirect_uri(provider: Provider, sector: str) -> None:
    """The document at sector_identifier_uri is fetched; a redirect URI that it does not name is refused."""
    wish = {"sector_identifier_uri": sector, "subject_type": "pairwise"}
    assert register(provider, **BARE, **wish).status_code == 201
    answer = register(provider, redirect_uris=["https://evil.example/cb"], **wish)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


@pytest.fixture
def signer(provider: Provider, tmp_path: Path) -> ECKey:
    """Give the key of an issuer of software statements that is trusted."""
    key = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"})
    file = tmp_path / "statements.json"
    file.write_text(json.dumps({"https://trusted.example": {"keys": [key.as_dict(private=False)]}}))
    house = provider.web.app.state  # type: ignore[attr-defined]
    house.settings = house.settings.model_copy(update={"software_statement_keys": file})
    return key


def statement(key: ECKey, **claims: Any) -> str:
    """Return a software statement."""
    body = {"iss": "https://trusted.example", "software_id": "soft", "client_name": "Vouched for", **claims}
    return jwt.encode({"alg": "ES256", "kid": "one"}, body, key)


def test_a_software_statement_counts_before_what_the_client_says(provider: Provider, signer: ECKey) -> None:
    """Its values take the place of the client's, it is told back as it came, and opens no agency."""
    text = statement(signer, redirect_uris=["https://vouched.example/cb"], agency="revenue")
    told = register(provider, **BARE, software_statement=text).json()
    assert (told["client_name"], told["software_id"]) == ("Vouched for", "soft")
    assert told["redirect_uris"] == ["https://vouched.example/cb"]
    assert told["software_statement"] == text
    with provider.database.reading() as db:
        assert clients.read(db, told["client_id"]).agency == "sandbox"


def test_a_software_statement_that_was_tampered_with_is_refused(provider: Provider, signer: ECKey) -> None:
    """Another issuer is not approved; another key, a changed body, none as algorithm and a past end are invalid."""
    other = ECKey.generate_key("P-256", {"kid": "one"})
    head, body, signature = statement(signer).split(".")
    cases = {
        statement(signer, iss="https://else.example"): "unapproved_software_statement",
        statement(other): "invalid_software_statement",
        f"{head}.{body[:-2]}AA.{signature}": "invalid_software_statement",
        f"eyJhbGciOiJub25lIn0.{body}.": "invalid_software_statement",
        statement(signer, exp=1): "invalid_software_statement",
        statement(signer, nbf=clock.seconds(clock.now()) + 600): "invalid_software_statement",
        "x" * 20_000: "invalid_software_statement",
    }
    for text, error in cases.items():
        answer = register(provider, **BARE, software_statement=text)
        assert (answer.status_code, answer.json()["error"]) == (400, error), text


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_statement_crashes_its_reader(text: str) -> None:
    """Whatever stands where a statement should is refused by name."""
    with pytest.raises(Declined):
        statements.read(Settings(), text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["redirect_uris", "jwks", "grant_types", "scope", "contacts", "profile", "client_name",
                         "default_max_age", "request_uris", "sector_identifier_uri", "software_statement"])  # fmt: skip


@given(st.dictionaries(NAMES | st.text(max_size=8), JSON, max_size=6) | JSON)
def test_no_document_crashes_the_reader(document: Any) -> None:
    """Any JSON either prepares or is declined by name, before any transaction."""
    with suppress(Declined):
        assert isinstance(dynamic.prepare(Settings(), document), dict)


def test_many_registrations_of_one_network_are_slowed(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the limit of an hour a network is told when to come again, whether its registrations were good or not."""
    monkeypatch.setattr(dynamic, "MOST_IN_A_TEST", 2)
    assert register(provider, **BARE).status_code == 201
    assert register(provider).status_code == 400
    answer = register(provider, **BARE)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_everything_advertised_can_be_registered(provider: Provider) -> None:
    """Every name that discovery gives for a member is one that registration takes."""
    for method in metadata.AUTH_METHODS:
        if method in ("client_secret_basic", "client_secret_post", "none"):
            assert register(provider, **BARE, token_endpoint_auth_method=method).status_code == 201
    for alg in metadata.ID_TOKEN_ALGORITHMS:
        assert register(provider, **BARE, id_token_signed_response_alg=alg).status_code == 201
