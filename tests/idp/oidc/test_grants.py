import json
import threading
from typing import Any

import pytest

from consent import agencies, grants
from core.events import SYSTEM
from tests.consent import country
from tests.idp.oidc.provider import CITIZEN, COMPANY, OTHER, PORTAL, PUBLIC, SUBSTANTIAL, Provider, answered

SCOPE = "grant_management_query grant_management_revoke"


def item(purpose: str, *names: str) -> str:
    """Return authorization_details for one purpose."""
    return json.dumps([{"type": "citizen_attributes", "purpose": purpose, "attributes": list(names)}])


def call(provider: Provider, method: str, grant_id: str, *, client: str = PORTAL, scope: str = SCOPE) -> Any:
    """Call the grant management endpoint with a token of the client's own."""
    answer = provider.token(client, grant_type="client_credentials", scope=scope)
    token = answer.json()["access_token"]
    return provider.web.request(method, f"/grants/{grant_id}", headers={"Authorization": f"Bearer {token}"})


def allowed(provider: Provider) -> None:
    """Let the citizen allow the sign-in and the relief, and sign them in."""
    provider.sign_in()
    provider.allow("given_name", "employer")
    provider.allow("given_name", "income_bracket", purpose="revenue-relief")


def state(provider: Provider, purpose: str = "revenue-sign-in") -> str:
    """Return the state of the citizen's newest decision on a purpose."""
    with provider.database.reading() as db:
        found = grants.latest(db, citizen=CITIZEN, purpose=purpose)
    assert found is not None
    return found.state


def test_a_grant_id_covers_what_was_agreed(provider: Provider) -> None:
    """The token response names the grant; asked about it, Erti says scopes, claims and details, and no citizen."""
    allowed(provider)
    token = provider.tokens(scope="openid profile purpose:revenue-relief")
    found = call(provider, "GET", token["grant_id"])
    assert found.status_code == 200, found.text
    body = found.json()
    assert body["scopes"] == [{"scope": "openid profile"}]
    assert body["claims"] == ["employer", "given_name"]
    assert {one["purpose"]: one["attributes"] for one in body["authorization_details"]} == {
        "revenue-sign-in": ["employer", "given_name"],
        "revenue-relief": ["given_name", "income_bracket"],
    }
    assert CITIZEN not in found.text
    again = provider.tokens(scope="openid profile")
    assert again["grant_id"] == token["grant_id"]
    one = call(provider, "GET", body["authorization_details"][0]["grant_id"])
    assert one.json()["authorization_details"] == [body["authorization_details"][0]]


def test_create_merge_and_replace(provider: Provider) -> None:
    """create begins a grant of its own, merge adds to it, replace leaves nothing but what is asked now."""
    allowed(provider)
    first = provider.tokens(scope="openid profile", grant_management_action="create")
    other = provider.tokens(scope="openid profile", grant_management_action="create")
    assert first["grant_id"] != other["grant_id"]
    merged = provider.tokens(
        scope="openid",
        grant_management_action="merge",
        grant_id=first["grant_id"],
        authorization_details=item("revenue-relief", "income_bracket"),
    )
    assert merged["grant_id"] == first["grant_id"]
    covered = call(provider, "GET", first["grant_id"]).json()["authorization_details"]
    assert {one["purpose"] for one in covered} == {"revenue-sign-in", "revenue-relief"}
    asked = provider.authorize(
        scope="openid",
        grant_management_action="replace",
        grant_id=first["grant_id"],
        authorization_details=item("revenue-relief", "income_bracket"),
    )
    page = provider.web.get(asked.headers["location"])
    assert "takes the place of it" in page.text
    assert "allow-income_bracket" in page.text
    assert "ask-given_name" not in page.text
    back = provider.send(page, decision="allow", attribute=["income_bracket"])
    code = answered(provider.web.get(back.headers["location"]))["code"]
    token = provider.redeem(code).json()
    assert token["grant_id"] == first["grant_id"]
    left = call(provider, "GET", first["grant_id"]).json()["authorization_details"]
    assert [(one["purpose"], one["attributes"]) for one in left] == [("revenue-relief", ["income_bracket"])]
    assert state(provider) == "ended-by-agency"
    assert provider.introspected(other["access_token"]) == {"active": False}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_management_action": "merge"}, "invalid_request"),
        ({"grant_management_action": "update", "grant_id": "g"}, "invalid_request"),
        ({"grant_management_action": "create", "grant_id": "g"}, "invalid_request"),
        ({"grant_id": "g"}, "invalid_request"),
        ({"grant_management_action": "replace", "grant_id": "g"}, "invalid_grant_id"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    provider: Provider, changes: dict[str, Any], error: str
) -> None:
    """Action and grant_id must fit together, and the grant must be there."""
    allowed(provider)
    assert answered(provider.authorize(**changes))["error"] == error


def test_another_clients_grant_is_unknown(provider: Provider) -> None:
    """By merge, replace, query or revoke: another client's grant, of its agency or not, looks like none at all."""
    allowed(provider)
    provider.allow("given_name", purpose="mill-sign-in")
    mine = provider.tokens(scope="openid profile")["grant_id"]
    part = call(provider, "GET", mine).json()["authorization_details"][0]["grant_id"]
    for action in ("merge", "replace"):
        wanted = {"grant_management_action": action, "grant_id": mine, "scope": "openid profile"}
        assert answered(provider.authorize(COMPANY, **wanted))["error"] == "invalid_grant_id"
        public = answered(provider.authorize(PUBLIC, **wanted))
        assert public["error"] == "invalid_request"
    for client in (COMPANY, "api"):
        for grant_id in (mine, part, "0" * 32):
            for method in ("GET", "DELETE"):
                answer = call(provider, method, grant_id, client=client)
                assert answer.status_code == 404
                assert answer.json()["type"] == "urn:erti:problem:grant-not-found"
    assert state(provider) == "given"


def test_somebody_else_cannot_sign_in_to_a_grant(provider: Provider) -> None:
    """Who signs in must be the citizen whose grant it is; another one adds nothing to it and learns nothing."""
    allowed(provider)
    mine = provider.tokens(scope="openid profile")["grant_id"]
    with provider.database.writing() as db:
        country.be_born(db, OTHER)
        country.allow(db, "given_name", "employer", citizen=OTHER)
    provider.sign_in(OTHER)
    wanted = {"scope": "openid profile", "grant_management_action": "merge", "grant_id": mine}
    assert answered(provider.authorize(prompt="none", **wanted))["error"] == "login_required"
    asked = provider.authorize(**wanted)
    assert asked.headers["location"].startswith("/login")
    provider.sign_in(OTHER)
    interaction = asked.headers["location"].split("authorize%2F")[1].split("&")[0]
    answer = answered(provider.web.get(f"/authorize/{interaction}"))
    assert answer["error"] == "login_required"
    assert len(call(provider, "GET", mine).json()["authorization_details"]) == 1


def test_revoking_ends_decisions_and_tokens(provider: Provider) -> None:
    """DELETE ends every decision and token of the grant in one go, stands in the history, and may be repeated."""
    allowed(provider)
    token = provider.tokens(scope="openid profile purpose:revenue-relief")
    bare = provider.tokens(scope="openid", grant_management_action="merge", grant_id=token["grant_id"])
    assert call(provider, "DELETE", token["grant_id"]).status_code == 204
    assert (state(provider), state(provider, "revenue-relief")) == ("ended-by-agency", "ended-by-agency")
    for one in (token, bare):
        assert provider.introspected(one["access_token"]) == {"active": False}
    assert call(provider, "GET", token["grant_id"]).status_code == 404
    assert call(provider, "DELETE", token["grant_id"]).status_code == 204
    said = [
        (one["actor"], one["data"]["outcome"], one["data"]["reason"])
        for one in provider.history()
        if one["kind"] == "grant-ended"
    ]
    assert said == [({"kind": "client", "id": PORTAL}, "ended-by-agency", "agency")] * 2
    asked = provider.authorize(grant_management_action="merge", grant_id=token["grant_id"])
    assert answered(asked)["error"] == "invalid_grant_id"


def test_one_decision_can_be_revoked_alone(provider: Provider) -> None:
    """By the ID that a detail carries one purpose ends, and the grant goes on with the rest."""
    allowed(provider)
    token = provider.tokens(scope="openid profile purpose:revenue-relief")
    parts = call(provider, "GET", token["grant_id"]).json()["authorization_details"]
    relief = next(one["grant_id"] for one in parts if one["purpose"] == "revenue-relief")
    assert call(provider, "DELETE", relief).status_code == 204
    assert call(provider, "DELETE", relief).status_code == 204
    assert (state(provider), state(provider, "revenue-relief")) == ("given", "ended-by-agency")
    left = call(provider, "GET", token["grant_id"]).json()["authorization_details"]
    assert [one["purpose"] for one in left] == ["revenue-sign-in"]


def test_the_endpoint_wants_the_right_token(provider: Provider) -> None:
    """Without a token 401; without the scope, or with a citizen's token, 403; of a suspended agency, 401."""
    allowed(provider)
    token = provider.tokens(scope="openid profile")
    grant_id = token["grant_id"]
    assert provider.web.get(f"/grants/{grant_id}").status_code == 401
    assert call(provider, "DELETE", grant_id, scope="grant_management_query").status_code == 403
    assert call(provider, "GET", grant_id, scope="attributes").status_code == 403
    bearer = {"Authorization": f"Bearer {token['access_token']}"}
    assert provider.web.get(f"/grants/{grant_id}", headers=bearer).status_code == 403
    own = provider.token(grant_type="client_credentials", scope=SCOPE).json()["access_token"]
    with provider.database.writing() as db:
        agencies.put(db, country.agency("revenue", state="suspended"), actor=SYSTEM)
    gone = provider.web.delete(f"/grants/{grant_id}", headers={"Authorization": f"Bearer {own}"})
    assert gone.status_code == 401


def test_what_the_citizen_withdrew_is_gone_from_the_grant(provider: Provider) -> None:
    """A grant shows what counts now: withdrawn, it is empty, and what is given anew stands in it again by a new ID."""
    allowed(provider)
    token = provider.tokens(scope="openid profile")
    with provider.database.reading() as db:
        given = grants.live(db, citizen=CITIZEN, purpose="revenue-sign-in")
    assert given is not None
    provider.withdraw(given)
    assert call(provider, "GET", token["grant_id"]).json()["authorization_details"] == []
    provider.sign_in(acr=SUBSTANTIAL)
    provider.allow("given_name")
    assert call(provider, "GET", token["grant_id"]).json()["claims"] == []
    assert provider.tokens(scope="openid profile")["grant_id"] == token["grant_id"]
    assert call(provider, "GET", token["grant_id"]).json()["claims"] == ["given_name"]


def test_sign_ins_and_revocations_at_once(provider: Provider) -> None:
    """While a grant is revoked, a sign-in either ends with it or begins another one; no token outlives it."""
    allowed(provider)
    token = provider.tokens(scope="openid profile")
    gone = threading.Thread(target=call, args=(provider, "DELETE", token["grant_id"]))
    gone.start()
    answer = provider.authorize(scope="openid profile")
    gone.join()
    location = answer.headers["location"]
    if "code=" in location:
        fresh = provider.redeem(answered(answer)["code"])
        alive = fresh.status_code == 200 and provider.introspected(fresh.json()["access_token"])["active"]
        assert not alive or fresh.json()["grant_id"] != token["grant_id"]
    assert state(provider) == "ended-by-agency"
