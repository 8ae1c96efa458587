"""What the provider says of itself, and whether it is true."""

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata

from idp.oidc import metadata
from keys import rotation
from tests.conftest import ISSUER
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import Provider, answered

LATER = ("backchannel_authentication_endpoint", "check_session_iframe")


def test_every_endpoint_named_is_there(provider: Provider) -> None:
    """Each address in the discovery document answers with something other than 404, and by GET or POST."""
    document = provider.web.get("/.well-known/openid-configuration").json()
    assert document["issuer"] == ISSUER
    for name, address in document.items():
        if name.endswith(("_endpoint", "_uri")):
            path = address.removeprefix(ISSUER)
            if name == "grant_management_endpoint":  # grants stand under it, each for whom it was issued to
                assert provider.web.get(f"{path}/none").status_code == 401
                continue
            statuses = {provider.web.get(path).status_code, provider.web.post(path).status_code}
            assert 404 not in statuses, name
            assert statuses != {405}, name


def test_what_is_advertised_is_valid_metadata(provider: Provider) -> None:
    """The document passes the validation of two independent readers of the standards, and holds nothing of later issues."""
    document = provider.web.get("/.well-known/openid-configuration").json()
    OpenIDProviderMetadata(document).validate()
    AuthorizationServerMetadata(document).validate()
    assert not set(LATER) & set(document)
    assert document["require_request_uri_registration"] is True
    assert provider.web.get("/.well-known/oauth-authorization-server").json() == document


def test_every_scope_and_method_named_works(provider: Provider) -> None:
    """Each advertised scope but the client's own can be asked for, each prompt and each way of answering too."""
    document = provider.web.get("/.well-known/openid-configuration").json()
    provider.sign_in()
    for scope in set(document["scopes_supported"]) - {"attributes", "openid"}:
        assert "error" not in provider.authorize(scope=f"openid {scope}").headers["location"], scope
    for prompt in set(document["prompt_values_supported"]) - {"none"}:
        assert "error" not in provider.authorize(prompt=prompt).headers.get("location", ""), prompt
    assert "code" in answered(provider.authorize(prompt="none"))
    assert document["grant_types_supported"] == list(metadata.GRANT_TYPES)


def test_keys_are_published_for_a_while(provider: Provider) -> None:
    """The key set holds a key for each advertised algorithm, nothing private, and may be kept for minutes."""
    answer = provider.web.get("/jwks.json")
    keys = answer.json()["keys"]
    assert {key["alg"] for key in keys} == set(rotation.ALGORITHMS)
    assert not any(set(key) & {"d", "p", "q", "k"} for key in keys)
    assert "max-age=" in answer.headers["cache-control"]
    assert answer.headers["access-control-allow-origin"] == "*"


def test_browser_programs_may_call_the_token_endpoint(provider: Provider) -> None:
    """A program in a browser gets leave to post to the endpoints that need no cookie, and to no other."""
    for path in ("/token", "/userinfo", "/revoke"):
        assert provider.web.options(path).headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in provider.authorize(to.PORTAL).headers
