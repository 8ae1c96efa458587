"""The plans Dynamic OP and 3rd Party-Init OP: clients that register themselves, and authenticate by a key of theirs."""

import pytest
from joserfc import jwk, jws, jwt
from joserfc.jwk import RSAKey

from tests.certification import relying as suite
from tests.certification.relying import CALLBACK, Registered, Relying
from tests.certification.site import Site


@pytest.mark.module("oidcc-userinfo-rs256")
def test_userinfo_signed(relying: Relying) -> None:
    """A client that registers userinfo_signed_response_alg gets a JWT, signed with RS256, for it alone, without nonce."""
    assert "RS256" in relying.metadata["userinfo_signing_alg_values_supported"]
    client = relying.registered(userinfo_signed_response_alg="RS256")
    tokens = relying.tokens(client, scope="openid email")
    said = relying.userinfo(tokens["access_token"])
    assert said.status_code == 200
    assert said.headers["content-type"].startswith("application/jwt")
    assert jws.extract_compact(said.text.encode()).headers()["alg"] == "RS256"
    keys = jwk.KeySet.import_key_set(relying.web.get(relying.metadata["jwks_uri"]).json())
    claims = jwt.decode(said.text, keys, algorithms=["RS256"]).claims
    assert claims["iss"] == suite.ISSUER
    assert claims["aud"] in (client.client_id, [client.client_id])
    assert claims["sub"] == tokens["claims"]["sub"]
    assert claims["email"] == suite.CLAIMS["email"]
    assert "nonce" not in claims


@pytest.mark.module("oidcc-ensure-redirect-uri-in-authorization-request")
def test_a_request_without_redirect_uri(relying: Relying) -> None:
    """A client with two addresses that names none of them leaves the person on an error page."""
    client = relying.registered(redirect_uris=[CALLBACK, f"{CALLBACK}/second"])
    assert relying.authorize(client, redirect_uri=None).refused_on_a_page


@pytest.mark.module("oidcc-redirect-uri-query-OK")
def test_a_registered_query_is_kept(relying: Relying) -> None:
    """A redirect URI registered with a query has it in the answer, before the answer's own parameters."""
    uri = f"{CALLBACK}?foo=bar"
    client = relying.registered(redirect_uris=[uri])
    answer = relying.authorize(client, redirect_uri=uri)
    assert answer.address.startswith(f"{uri}&")
    assert answer.parameters["foo"] == "bar"
    assert relying.redeem(answer.code, client, redirect_uri=uri).status_code == 200


@pytest.mark.module("oidcc-redirect-uri-query-mismatch", "oidcc-redirect-uri-query-added")
@pytest.mark.parametrize(("registered", "sent"), [("?foo=bar", "?bar=foo"), ("", "?foo=bar")])
def test_another_query_than_the_registered_one(relying: Relying, registered: str, sent: str) -> None:
    """Another query, or one where none is registered, leaves the person on an error page."""
    client = relying.registered(redirect_uris=[CALLBACK + registered])
    assert relying.authorize(client, redirect_uri=CALLBACK + sent).refused_on_a_page


@pytest.mark.module("oidcc-redirect-uri-regfrag")
def test_a_fragment_cannot_be_registered(relying: Relying) -> None:
    """A redirect URI with a fragment is refused as invalid_redirect_uri (or invalid_client_metadata)."""
    with pytest.raises(suite.NotRegistered) as refused:
        relying.registered(redirect_uris=[f"{CALLBACK}#foobar"])
    status, said = refused.value.args
    assert status == 400
    assert said["error"] in ("invalid_redirect_uri", "invalid_client_metadata")


@pytest.mark.module(
    "oidcc-registration-logo-uri", "oidcc-registration-policy-uri", "oidcc-registration-tos-uri"
)
@pytest.mark.parametrize("name", ["logo_uri", "policy_uri", "tos_uri"])
def test_what_a_client_says_about_itself(relying: Relying, name: str) -> None:
    """A client's logo, policy and terms are kept and told, and the client can sign people in."""
    address = f"https://suite.example/{name}"
    client = relying.registered(**{name: address})
    assert client.told[name] == address
    answer = relying.authorize(client, scope="openid email")
    assert {"login-submit", "consent-allow"} <= set(answer.seen)
    assert answer.code


@pytest.mark.module("oidcc-registration-jwks-uri", "oidcc-refresh-token-rp-key-rotation")
def test_keys_by_address_and_their_rotation(relying: Relying, site: Site) -> None:
    """A client authenticates with the key at its jwks_uri, and a minute after replacing it with the new one."""
    client = relying.registered(jwks_uri=site.put("/jwks.json", {"keys": []}))
    publish(site, client)
    tokens = relying.tokens(client, scope="openid offline_access", prompt="consent")
    client.signs_with = RSAKey.generate_key(2048, auto_kid=True)
    publish(site, client)
    relying.later(seconds=60)
    fresh = relying.token(client, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert fresh.status_code == 200, fresh.text
    assert relying.checked(fresh.json()["id_token"], client, nonce=None)["sub"] == tokens["claims"]["sub"]


def publish(site: Site, client: Registered) -> None:
    """Put the client's key at its jwks_uri."""
    assert client.signs_with is not None
    site.put("/jwks.json", {"keys": [client.signs_with.as_dict(private=False)]})


@pytest.mark.module("oidcc-registration-sector-uri", "oidcc-registration-sector-bad")
def test_a_sector_names_its_addresses(relying: Relying, site: Site) -> None:
    """A sector_identifier_uri that lists the redirect URI is taken; one that does not is refused."""
    good = site.put("/sector.json", [CALLBACK])
    assert relying.registered(subject_type="pairwise", sector_identifier_uri=good).told["redirect_uris"]
    with pytest.raises(suite.NotRegistered) as refused:
        relying.registered(sector_identifier_uri=site.put("/bad.json", [f"{CALLBACK}/other"]))
    assert refused.value.args[0] == 400
    assert refused.value.args[1]["error"] == "invalid_client_metadata"


@pytest.mark.module("oidcc-request-uri-unsigned")
def test_unsigned_request_objects_are_not_offered(relying: Relying) -> None:
    """Algorithm none is not among those of request objects, so the suite tries none, and no client registers it."""
    assert "none" not in relying.metadata.get("request_object_signing_alg_values_supported", [])
    assert relying.registration_fails(request_object_signing_alg="none")


@pytest.mark.module("oidcc-request-uri-signed-rs256")
def test_a_request_object_by_reference(relying: Relying, site: Site) -> None:
    """A client that registered the address and RS256 signs people in with a request object from there."""
    assert relying.metadata["request_uri_parameter_supported"] is True
    assert "RS256" in relying.metadata["request_object_signing_alg_values_supported"]
    client = relying.registered(
        request_object_signing_alg="RS256", request_uris=[f"{site.address}/request.jwt"]
    )
    claims = relying.request(client)
    assert client.signs_with is not None
    signed = jwt.encode(
        {"alg": "RS256", "kid": client.signs_with.kid},
        {**claims, "iss": client.client_id, "aud": suite.ISSUER},
        client.signs_with,
        algorithms=["RS256"],
    )
    address = site.put("/request.jwt", signed, "application/jose")
    beside = {"client_id": client.client_id, "response_type": "code", "scope": "openid"}
    answer = relying.go({**beside, "request_uri": address}, expect=claims)
    assert relying.redeemed(answer.code, client, nonce=claims["nonce"])["claims"]["sub"]


@pytest.mark.module("oidcc-ensure-client-assertion-with-iss-aud-succeeds")
def test_the_issuer_as_audience_of_an_assertion(relying: Relying) -> None:
    """A client assertion for the issuer is taken at the token endpoint, as RFC 7523bis has it."""
    parameters = relying.request()
    code = relying.go(parameters).code
    tokens = relying.redeemed(code, nonce=parameters["nonce"], audience=suite.ISSUER)
    assert relying.told(tokens)["sub"] == relying.citizen


@pytest.mark.module("oidcc-3rd_party-init-login")
def test_an_initiate_login_uri_is_kept(relying: Relying) -> None:
    """What a client registers as initiate_login_uri is in the answer, and at its configuration endpoint."""
    address = "https://suite.example/start"
    client = relying.registered(initiate_login_uri=address)
    assert client.told["initiate_login_uri"] == address
    bearer = {"Authorization": f"Bearer {client.told['registration_access_token']}"}
    read = relying.web.get(client.told["registration_client_uri"], headers=bearer)
    assert read.status_code == 200
    assert read.headers["content-type"].startswith("application/json")
    assert read.json()["initiate_login_uri"] == address


@pytest.mark.module("oidcc-3rd_party-init-login-nohttps")
def test_an_initiate_login_uri_without_https(relying: Relying) -> None:
    """An initiate_login_uri that is not https is refused (OpenID Connect Registration 1.0, 2)."""
    with pytest.raises(suite.NotRegistered) as refused:
        relying.registered(initiate_login_uri="http://suite.example/start")
    assert refused.value.args[1]["error"] == "invalid_client_metadata"
