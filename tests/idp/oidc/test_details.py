import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import grants, purposes
from consent.allowances import Allowance
from core import clock
from core.events import SYSTEM
from idp.oidc import details
from tests.consent import country
from tests.idp.oidc.provider import API, CITIZEN, COMPANY, PORTAL, Provider, answered

RELIEF = {"type": "citizen_attributes", "purpose": "revenue-relief", "attributes": ["employer"]}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda one: (
        st.lists(one, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "purpose", "attributes", "reads", "per", "every", "until", "x"]),
            one,
            max_size=5,
        )
    ),
    max_leaves=10,
)


def wish(*items: Any) -> str:
    """Return an authorization_details parameter."""
    return json.dumps(items)


@given(content=ANYTHING | st.lists(st.fixed_dictionaries({}, optional={
    "type": st.just("citizen_attributes"), "purpose": st.text(min_size=1, max_size=9), "reads": st.integers(-1, 9),
    "attributes": st.lists(st.text(max_size=5), max_size=3), "until": st.text(max_size=10) | st.dates().map(str),
    "per": st.fixed_dictionaries({"reads": st.integers(0, 3), "every": st.sampled_from(["day", "hour"])}),
}), max_size=3))  # fmt: skip
def test_no_content_surprises_the_parser(content: Any) -> None:
    """Whatever JSON stands in the parameter, it is read whole or refused with the parser's own error."""
    try:
        found = details.parse(json.dumps(content))
    except details.DetailsUnreadable:
        return
    assert len(found) == len(content)
    assert [one.purpose for one in found] == [item["purpose"] for item in content]
    assert {item["type"] for item in content} == {"citizen_attributes"}


@given(text=st.text(max_size=200))
def test_no_text_surprises_the_parser(text: str) -> None:
    """Whatever is no JSON list is refused with the parser's own error."""
    with pytest.raises(details.DetailsUnreadable):
        details.parse(f"{{{text}")


@pytest.mark.parametrize(
    "change",
    [
        {"type": "payment_initiation"},
        {"purpose": "revenue-sign-out"},
        {"purpose": "health-sign-in"},
        {"purpose": "revenue-assessment"},
        {"attributes": ["address"]},
        {"attributes": []},
        {"locations": ["https://portal.example"]},
        {"reads": 0},
        {"reads": 13},
        {"until": "2020-01-01"},
        {"per": {"reads": 1, "every": "second"}},
        {"per": {"reads": 9, "every": "day"}},
    ],
)
def test_what_is_not_understood_whole_is_refused(provider: Provider, change: dict[str, Any]) -> None:
    """An unknown type, purpose, attribute or field, or a limit that does not narrow, gets the standard's error."""
    with provider.database.writing() as db:
        limits = {"reads": 12, "per": {"reads": 2, "every": "day"}}
        purposes.publish(db, country.purpose("revenue-relief", limits=limits), actor=SYSTEM)
    provider.sign_in()
    answer = answered(provider.authorize(authorization_details=wish({**RELIEF, **change})))
    assert answer["error"] == "invalid_authorization_details"


def test_two_for_one_purpose_or_beside_its_scope_are_refused(provider: Provider) -> None:
    """One purpose is asked once: not by two objects, and not by a scope and an object."""
    provider.sign_in()
    for changes in (
        {"authorization_details": wish(RELIEF, RELIEF)},
        {"authorization_details": wish(RELIEF), "scope": "openid purpose:revenue-relief"},
        {"authorization_details": "not JSON"},
    ):
        assert answered(provider.authorize(**changes))["error"] == "invalid_authorization_details"
    assert answered(provider.authorize(COMPANY, authorization_details=wish(RELIEF)))["error"] == (
        "invalid_authorization_details"
    )


def test_details_are_asked_granted_and_echoed(provider: Provider) -> None:
    """The consent page shows the limits; token response, introspection and refresh say what was granted."""
    provider.sign_in()
    until = clock.now().date() + timedelta(days=30)
    item = {**RELIEF, "attributes": ["employer", "income_bracket"], "reads": 2, "until": until.isoformat()}
    asked = provider.authorize(
        scope="openid offline_access", prompt="consent", authorization_details=wish(item), resource=None
    )
    page = provider.web.get(
        provider.web.get(asked.headers["location"]).headers.get("location", asked.headers["location"])
    )
    if page.status_code != 200:
        page = provider.web.get(asked.headers["location"])
    assert "at most 2 times in all" in page.text
    assert "allow-employer" in page.text
    assert "given_name" not in page.text
    back = provider.send(page, decision="allow", attribute=["employer"])
    code = answered(provider.web.get(back.headers["location"]))["code"]
    token = provider.redeem(code).json()
    with provider.database.reading() as db:
        grant = grants.live(db, citizen=CITIZEN, purpose="revenue-relief")
    assert grant is not None
    assert grant.allowance == Allowance(reads=2, last=until)
    told = [
        {
            "type": "citizen_attributes",
            "purpose": "revenue-relief",
            "attributes": ["employer"],
            "grant_id": grant.grant_id,
            "expires_at": clock.wire(grant.expires_at),
            "reads": 2,
            "until": until.isoformat(),
        }
    ]
    assert token["authorization_details"] == told
    assert provider.introspected(token["access_token"])["authorization_details"] == told
    fresh = provider.token(grant_type="refresh_token", refresh_token=token["refresh_token"]).json()
    assert fresh["authorization_details"] == told
    assert fresh["grant_id"] == token["grant_id"]


def test_details_may_not_come_to_the_token_endpoint(provider: Provider) -> None:
    """A client that would narrow there is told that it cannot, instead of being ignored."""
    provider.sign_in()
    answer = provider.redeem(provider.code(), authorization_details=wish(RELIEF))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_authorization_details")


def test_what_is_agreed_is_not_asked_again_unless_it_is_more(provider: Provider) -> None:
    """A live permission covers narrower details; details that are wider than it are asked."""
    provider.sign_in()
    provider.allow("given_name", "employer", purpose="revenue-relief")
    assert "code" in answered(provider.authorize(authorization_details=wish({**RELIEF, "reads": 1})))
    with provider.database.writing() as db:
        purposes.publish(db, country.purpose("revenue-relief", retention_days=3), actor=SYSTEM)
    asked = provider.authorize(authorization_details=wish(RELIEF))
    assert asked.headers["location"].startswith("/consent")


def test_details_stand_in_no_jwt_for_others(provider: Provider) -> None:
    """A JWT for a resource carries no details; whoever serves the resource reads them by introspection."""
    provider.sign_in()
    provider.allow("given_name", "employer", purpose="revenue-relief")
    token = provider.tokens(PORTAL, authorization_details=wish(RELIEF), resource=API)
    assert token["authorization_details"][0]["attributes"] == ["employer"]
    told = provider.introspected(token["access_token"], "api")
    assert told["authorization_details"] == token["authorization_details"]
