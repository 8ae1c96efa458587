"""Attempts at the registration endpoint: other clients, agencies and citizens' data, and the service itself."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import update

from core import clock
from core.events import SYSTEM
from idp.oidc import clients
from idp.oidc.registration import invitations
from idp.oidc.tables import invitation as table
from tests.attacks.conftest import CALLABLE, register
from tests.idp.oidc.provider import COMPANY, PORTAL, Provider

KEY = ECKey.generate_key("P-256").as_dict(private=False)


def invited(provider: Provider) -> str:
    """An initial access token of the revenue agency, for one client."""
    with provider.database.writing() as db:
        return invitations.invite(db, "revenue", sign_in_purpose="revenue-sign-in", actor=SYSTEM)[1]


def put(provider: Provider, token: str, whose: str, **document: Any) -> Any:
    """Put metadata in the place of a client's."""
    headers = {"Authorization": f"Bearer {token}"}
    return provider.web.put(f"/register/{whose}", json=document, headers=headers)


def stored(provider: Provider, client_id: str) -> dict[str, Any]:
    """What is kept of a client."""
    with provider.database.reading() as db:
        return dict(vars(clients.read(db, client_id)))


def test_attempt_to_take_over_another_client(provider: Provider) -> None:
    """With a token of one's own nobody reads, changes or ends another client, imported or registered."""
    mine, other = register(provider).json(), register(provider).json()
    token = mine["registration_access_token"]
    before = {one: stored(provider, one) for one in (PORTAL, COMPANY, other["client_id"])}
    for victim in before:
        changed = {"client_id": victim, "redirect_uris": ["https://evil.example/cb"]}
        assert put(provider, token, victim, **changed).status_code == 401
        assert put(provider, token, mine["client_id"], **changed).status_code == 400
        for method in ("GET", "DELETE"):
            headers = {"Authorization": f"Bearer {token}"}
            answer = provider.web.request(method, f"/register/{victim}", headers=headers)
            assert answer.status_code == 401, (method, victim)
    assert before == {one: stored(provider, one) for one in before}
    assert register(provider, client_id=PORTAL).json()["client_id"] != PORTAL


def test_attempt_to_join_an_agency_or_purpose_by_a_change(provider: Provider) -> None:
    """What the invitation did not give, no later document gives: agency, purposes, resources, scopes, place at the door."""
    made = register(provider, invited(provider)).json()
    wish = {
        "agency": "mill", "sign_in_purpose": "mill-sign-in", "purposes": ["revenue-assessment"],
        "resources": ["https://api.portal.example/"], "serves": ["https://api.portal.example/"],
        "scope": "openid attributes ssf.manage grant_management_query disputes",
        "grant_types": ["authorization_code", "client_credentials"],
    }  # fmt: skip
    same = {"client_id": made["client_id"], "redirect_uris": made["redirect_uris"]}
    answer = put(provider, made["registration_access_token"], made["client_id"], **same, **wish)
    assert answer.status_code == 200, answer.text
    held = stored(provider, made["client_id"])
    assert (held["agency"], held["sign_in_purpose"]) == ("revenue", "revenue-sign-in")
    assert (held["purposes"], held["resources"], held["serves"]) == ((), (), ())
    assert held["scopes"] == ("openid",)
    secret = answer.json().get("client_secret") or made["client_secret"]
    for scope in ("attributes", "ssf.manage", "disputes"):
        told = provider.post(
            "/token", made["client_id"], secret, grant_type="client_credentials", scope=scope
        )
        assert told.json()["error"] == "invalid_scope"


def test_attempt_to_send_us_somewhere_before_anybody_was_invited(provider: Provider) -> None:
    """A made-up or expired initial access token makes us call nobody; a good one is not used up by a call that fails."""
    late = invited(provider)
    with provider.database.writing() as db:
        db.execute(update(table).values(expires_at=clock.now() - timedelta(seconds=1)))
    good = invited(provider)
    with socket.create_server((CALLABLE, 0)) as server, ThreadPoolExecutor(1) as pool:
        sector = {"sector_identifier_uri": f"http://{CALLABLE}:{server.getsockname()[1]}/uris.json"}
        for token in ("made-up", late):
            assert register(provider, token, **sector).status_code == 401
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
        server.settimeout(10)
        told = pool.submit(register, provider, good, **sector)
        server.accept()[0].close()
        assert told.result().status_code == 400
    assert register(provider, good).status_code == 201


STRANGE = ("1e400", "NaN", "9" * 30, '"\\ud800"', "[" * 200 + "]" * 200, "0.1", "null", '{"a":1}')


def test_attempt_to_break_it_with_values_that_no_database_holds(provider: Provider) -> None:
    """A document in which something is no value of its kind is refused, or the member left out; never an error of ours."""
    registered = json.dumps({"redirect_uris": ["https://new.example/cb"], "jwks": {"keys": [KEY]}})
    for strange in STRANGE:
        for name in ("default_max_age", "client_name", "contacts", "jwks", "nobody_knows_it", "grant_types"):
            answer = provider.web.post("/register", content=f'{registered[:-1]}, "{name}": {strange}}}')
            assert answer.status_code in (201, 400), (name, strange)
        key = f'{json.dumps(KEY)[:-1]}, "x-own": {strange}, "x5t": {strange}}}'
        answer = provider.web.post("/register", content=registered.replace(json.dumps(KEY), key))
        assert answer.status_code == 201, strange
        assert answer.json()["jwks"]["keys"] == [KEY]
    key = json.dumps({**KEY, "kid": "\ud800"})
    assert provider.web.post("/register", content=registered.replace(json.dumps(KEY), key)).status_code == 400


def test_attempt_to_register_what_a_browser_would_run(provider: Provider) -> None:
    """Every address in metadata is a web address; pages and frames never lead to a script, or to another site's page."""
    for name in ("redirect_uris", "post_logout_redirect_uris", "frontchannel_logout_uri", "backchannel_logout_uri",
                 "initiate_login_uri", "logo_uri", "client_uri", "policy_uri", "tos_uri", "jwks_uri",
                 "sector_identifier_uri", "request_uris"):  # fmt: skip
        for uri in (
            "javascript:alert(1)",
            "data:text/html,<script>",
            "blob:https://new.example/1",
            "file:///etc/passwd",
        ):
            value = [uri] if name.endswith("uris") else uri
            assert register(provider, **{name: value}).status_code == 400, (name, uri)
    for uri in ("https://other.example/bye", "https://new.example@other.example/", "https://new.example:444/",
                "https://new.example;script-src/", "http://new.example/bye", "https://new.example.other.example/"):  # fmt: skip
        assert register(provider, frontchannel_logout_uri=uri).status_code == 400, uri
    native = {"application_type": "native", "redirect_uris": ["org.example.app:/cb"]}
    assert register(provider, **native, frontchannel_logout_uri="org.example.app:/bye").status_code == 400


def test_attempt_to_register_for_what_is_not_offered(provider: Provider) -> None:
    """No client gets the password grant, an implicit answer, an unsigned ID token or assertions that nobody signed."""
    for change in (
        {"grant_types": ["password"]},
        {"grant_types": ["implicit"]},
        {"response_types": ["code id_token"]},
        {"response_types": ["token"]},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
        {"request_object_signing_alg": "none"},
        {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "none"},
        {"redirect_uris": ["https://new.example/cb"] * 2_000},
        {"redirect_uris": [f"https://new.example/{number}" for number in range(51)]},
        {"contacts": ["x"] * 51},
    ):
        answer = register(provider, **change)
        assert answer.status_code == 400, change
        assert answer.json()["error"] in ("invalid_client_metadata", "invalid_redirect_uri")
