"""Erti's own resources: how they describe themselves, how they ask for a stronger sign-in, and for which resource a token is."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import purposes
from core.events import SYSTEM
from core.settings import Settings
from idp.oidc import clients, dpop, metadata, protected
from service.app import ROUTERS
from tests.architecture.addresses import routes
from tests.conftest import ISSUER
from tests.consent import country
from tests.consent.country import HIGH, LOW, SUBSTANTIAL
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider, answered, claims_of

MORE = "https://more.portal.example/"


def described(provider: Provider, answer: Any) -> dict[str, Any]:
    """Follow a refusal to the metadata of its resource."""
    found = re.search(r'resource_metadata="([^"]+)"', answer.headers["www-authenticate"])
    assert found, answer.headers
    return dict(provider.web.get(found[1].removeprefix(ISSUER)).json())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/userinfo"),
        ("POST", "/attributes/read"),
        ("POST", "/citizens/resolve"),
        ("GET", "/receipts/none%22X: y"),
        ("GET", "/grants/none"),
        ("GET", "/disputes"),
        ("GET", "/ssf/stream"),
    ],
)
def test_a_refusal_leads_to_a_description_of_exactly_what_was_called(
    provider: Provider, method: str, path: str
) -> None:
    """Without a token, and with one that is not good, the challenge names the metadata, whose resource is the address."""
    for headers in ({}, {"Authorization": "Bearer made-up"}):
        answer = provider.web.request(method, path, headers=headers)
        assert answer.status_code == 401
        told = described(provider, answer)
        assert told["resource"].casefold() == f"{ISSUER}{path}".replace(" ", "%20").casefold()
        assert told["authorization_servers"] == [ISSUER]


def test_a_bearer_and_a_dpop_challenge_both_say_where(provider: Provider) -> None:
    """Whichever scheme a client reads, it finds the description."""
    challenge = provider.web.get("/userinfo").headers["www-authenticate"]
    bearer, bound = challenge.split(", DPoP ")
    assert bearer.startswith("Bearer resource_metadata=")
    assert bound.startswith("algs=")
    assert "resource_metadata=" in bound


def test_what_a_resource_says_of_itself_is_true(provider: Provider) -> None:
    """Each member is what the service does: its scopes are those of the provider, the form takes a token at UserInfo alone."""
    whole = provider.web.get(protected.WELL_KNOWN).json()
    assert whole["resource"] == ISSUER
    assert set(whole["scopes_supported"]) == set(metadata.SCOPES) - {"offline_access"}
    assert whole["dpop_signing_alg_values_supported"] == list(dpop.ALGORITHMS)
    assert "tls_client_certificate_bound_access_tokens" not in whole  # none can be seen here
    user = provider.web.get(f"{protected.WELL_KNOWN}/userinfo").json()
    assert user["resource_signing_alg_values_supported"] == list(metadata.USERINFO_ALGORITHMS)
    assert (user["bearer_methods_supported"], whole["bearer_methods_supported"]) == (
        ["header", "body"],
        ["header"],
    )
    provider.sign_in(acr=LOW)
    token = provider.tokens()["access_token"]
    assert provider.web.post("/userinfo", data={"access_token": token}).status_code == 200
    assert provider.web.get(f"{protected.WELL_KNOWN}/login").status_code == 404


def test_resources_that_certificates_are_seen_at_say_so(settings: Settings) -> None:
    """Where clients' certificates reach the service, each resource says that tokens may be bound to them."""
    seen = settings.model_copy(
        update={"trusted_proxies": ("10.0.0.0/8",), "client_certificate_header": "Client-Cert"}
    )
    found = protected.document(seen, "https://mtls.id.example", "userinfo") or {}
    assert found["tls_client_certificate_bound_access_tokens"] is True
    assert found["resource"] == "https://mtls.id.example/userinfo"


def test_each_described_resource_is_there(provider: Provider) -> None:
    """The table of descriptions names no part of the service that has no route."""
    first = {route.path.split("/")[1] for route in routes(ROUTERS)}
    assert set(protected.SCOPES) <= first


def test_a_sign_in_that_is_too_weak_is_asked_to_step_up(provider: Provider) -> None:
    """RFC 9470: UserInfo says which assurance lacks, a new sign-in with it is enough, and the old token stays too weak."""
    provider.sign_in()
    provider.allow("given_name")
    weak = provider.tokens(scope="openid profile")["access_token"]
    with provider.database.writing() as db:
        purposes.publish(db, country.purpose(acr=HIGH), actor=SYSTEM)
    provider.allow("given_name")
    refused = provider.userinfo(weak)
    assert refused.status_code == 401
    challenge = refused.headers["www-authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert f'acr_values="{HIGH}"' in challenge
    assert refused.json()["error"] == "insufficient_user_authentication"
    asked = provider.authorize(scope="openid profile", acr_values=HIGH)
    assert asked.headers["location"].startswith("/login?")
    provider.sign_in(acr=HIGH)
    strong = provider.tokens(scope="openid profile", acr_values=HIGH)
    assert claims_of(strong["id_token"])["acr"] == HIGH
    assert provider.userinfo(strong["access_token"]).json()["given_name"] == "Nino"
    assert provider.userinfo(weak).status_code == 401


def test_max_age_and_the_clients_defaults_count(provider: Provider) -> None:
    """`default_acr_values` count where the request names none, and auth_time is in every ID token."""
    with provider.database.writing() as db:
        portal = next(one for one in to.CLIENTS if one["client_id"] == to.PORTAL)
        own = {"default_acr_values": [SUBSTANTIAL], "require_auth_time": True}
        clients.load(db, {"clients": [{**portal, **own}]}, actor=SYSTEM)
    provider.sign_in(acr=LOW)
    assert provider.authorize().headers["location"].startswith("/login?")
    assert "auth_time" in claims_of(provider.tokens(acr_values=LOW)["id_token"])
    provider.sign_in(acr=SUBSTANTIAL)
    assert "code" in answered(provider.authorize(max_age="60"))


def several(provider: Provider) -> None:
    """Register the portal for two resources, and sign the citizen in."""
    with provider.database.writing() as db:
        portal = next(one for one in to.CLIENTS if one["client_id"] == to.PORTAL)
        clients.load(db, {"clients": [{**portal, "resources": [to.API, MORE]}]}, actor=SYSTEM)
    provider.sign_in()


def test_several_resources_are_authorized_and_each_token_is_for_one(provider: Provider) -> None:
    """RFC 8707: a code for two resources gives a token for either, a refresh one for the other, and none for both."""
    several(provider)
    both = [to.API, MORE]
    given = provider.redeem(provider.code(resource=both), resource=MORE).json()
    assert claims_of(given["access_token"])["aud"] == MORE
    again = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    assert claims_of(provider.token(**again, resource=to.API).json()["access_token"])["aud"] == to.API
    for wrong in (both, ISSUER, "https://other.example/", None):
        form = {**again, "resource": wrong} if wrong else again
        assert provider.token(**form).json()["error"] == "invalid_target"
    assert provider.redeem(provider.code(resource=both)).json()["error"] == "invalid_target"
    for all_of_it in ([*both, ISSUER], None):
        code = provider.code(resource=all_of_it)
        token = provider.redeem(code).json()["access_token"]
        assert provider.userinfo(token).status_code == 200


def test_erti_is_asked_for_by_the_address_of_any_of_its_resources(provider: Provider) -> None:
    """What a description calls its resource can be asked for, and means Erti as a whole."""
    several(provider)
    code = provider.code(resource=f"{ISSUER}/userinfo")
    token = provider.redeem(code, resource=f"{ISSUER}/userinfo").json()["access_token"]
    assert provider.userinfo(token).status_code == 200
    assert provider.introspected(token)["aud"] == ISSUER
    assert answered(provider.authorize(resource=f"{ISSUER}/login"))["error"] == "invalid_target"
    assert (
        answered(provider.authorize(resource=f"{ISSUER}.evil.example/userinfo"))["error"] == "invalid_target"
    )


@given(st.text(max_size=60))
def test_any_path_is_described_in_one_plain_line(path: str) -> None:
    """Whatever is called, the address of its description holds nothing that could end a header or a quotation."""
    found = protected.described_at(f"https://id.example/{path}")
    assert re.fullmatch(r"[!#-~]+", found)
