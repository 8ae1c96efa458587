"""The FAPI 2.0 plans with grant management: a client's own grants, and nobody else's."""

from typing import Any

import pytest

from tests.certification.fapi import Fapi
from tests.certification.party import Party


def own_token(fapi: Fapi, party: Party) -> str:
    """Return a token with which a client reads and revokes grants."""
    scope = "grant_management_query grant_management_revoke"
    response = fapi.call_token(party, {"grant_type": "client_credentials", "scope": scope})
    assert response.status_code == 200, response.text
    return str(response.json()["access_token"])


def at(fapi: Fapi, party: Party, grant_id: str, method: str = "GET") -> Any:
    """Call the grant management endpoint as a client."""
    url = f"{fapi.metadata['grant_management_endpoint']}/{grant_id}"
    token = own_token(fapi, party)
    kind = "DPoP" if fapi.variant.dpop else "Bearer"
    headers = party.headers() | {"Authorization": f"{kind} {token}"}
    if fapi.variant.dpop:
        headers["DPoP"] = party.proof(method, url, token=token)
    return fapi.web.request(method, url, headers=headers)


def granted(fapi: Fapi, **changes: Any) -> dict[str, Any]:
    """Go through the flow with a grant to be made or changed."""
    asked = {"scope": "openid email", "grant_management_action": "create", **changes}
    tokens = fapi.signed_in(**asked)
    assert tokens["grant_id"]
    return tokens


@pytest.mark.module("fapi2-security-profile-final-grant-management-query-and-revoke")
def test_a_grant_is_read_and_revoked(fapi: Fapi) -> None:
    """A new grant can be read; revoked, it is gone and its tokens with it."""
    tokens = granted(fapi)
    read = at(fapi, fapi.me, tokens["grant_id"])
    assert read.status_code == 200
    assert "openid" in read.json()["scopes"][0]["scope"]
    assert at(fapi, fapi.me, tokens["grant_id"], "DELETE").status_code == 204
    assert at(fapi, fapi.me, tokens["grant_id"]).status_code in (404, 410)
    assert fapi.resource(tokens).status_code == 401


@pytest.mark.module(
    "fapi2-security-profile-final-grant-management-merge",
    "fapi2-security-profile-final-grant-management-replace",
)
@pytest.mark.parametrize("action", ["merge", "replace"])
def test_a_grant_changes_and_keeps_its_name(fapi: Fapi, action: str) -> None:
    """Merged or replaced, a grant keeps its ID, and holds the new scopes, with the old ones or without them."""
    first = granted(fapi)
    second = granted(
        fapi,
        grant_management_action=action,
        grant_id=first["grant_id"],
        scope="openid phone",
        prompt="consent",
    )
    assert second["grant_id"] == first["grant_id"]
    scopes = at(fapi, fapi.me, first["grant_id"]).json()["scopes"][0]["scope"].split()
    assert "phone" in scopes
    assert ("email" in scopes) is (action == "merge")


@pytest.mark.module("fapi2-security-profile-final-grant-management-ensure-invalid-grant-id-fails")
def test_a_request_for_a_grant_that_is_not_there(fapi: Fapi) -> None:
    """A request to change a grant that does not exist is refused with invalid_grant_id."""
    asked = fapi.asked(grant_management_action="merge", grant_id="no-such-grant")
    response = fapi.push(asked)
    if response.status_code == 201:
        answer = fapi.visit(response.json()["request_uri"], expect=asked)
        assert answer.error == "invalid_grant_id"
    else:
        assert fapi.refused_when_pushed(response, "invalid_grant_id")


@pytest.mark.module(
    "fapi2-security-profile-final-grant-management-ensure-query-nonexistent-grant-fails",
    "fapi2-security-profile-final-grant-management-ensure-wrong-client-cannot-query-grant",
    "fapi2-security-profile-final-grant-management-ensure-wrong-client-cannot-revoke-grant",
)
def test_nobody_elses_grant(fapi: Fapi) -> None:
    """A grant that does not exist, or is another client's, can be neither read nor revoked."""
    tokens = granted(fapi)
    assert at(fapi, fapi.me, "no-such-grant").status_code == 404
    for method in ("GET", "DELETE"):
        assert at(fapi, fapi.other, tokens["grant_id"], method).status_code in (403, 404)
    assert at(fapi, fapi.me, tokens["grant_id"]).status_code == 200
