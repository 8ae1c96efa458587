"""Standing reads and citizen IDs for agencies' systems."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.errors import BodyNotUnderstood
from idp.oidc.resources import bodies
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import CITIZEN, OTHER, Provider

READ = {
    "citizen_id": CITIZEN,
    "purpose": "revenue-relief",
    "attributes": ["given_name", "income_bracket"],
    "request_id": "r-1",
}
LAW = {
    **READ,
    "purpose": "revenue-assessment",
    "attributes": ["income_bracket"],
    "case": "T-2026/17",
    "official": "o-1",
}
RESOLVE = {
    "identifier_type": "UIN",
    "identifier_value": f"number of {CITIZEN}",
    "purpose": "revenue-assessment",
    "case": "T-2026/17",
    "official": "o-1",
    "request_id": "r-2",
}


def test_a_standing_read_by_consent(provider: Provider) -> None:
    """With a live grant an agency reads values with source and date, and gets the entry's receipt."""
    provider.allow("given_name", "income_bracket", purpose="revenue-relief")
    answer = provider.read(READ)
    assert answer.status_code == 200
    found = answer.json()
    assert found["attributes"]["given_name"] == {"value": "Nino", "source": "civil", "as_of": "2026-01-31"}
    entry = provider.history()[-1]
    assert entry["event"] == found["receipt"]["event"]
    assert (entry["data"]["channel"], entry["data"]["request_id"]) == ("standing", "r-1")
    assert answer.headers["cache-control"] == "no-store"


def test_the_same_request_again_is_the_same_read(provider: Provider) -> None:
    """A repeated request gets the first one's receipt and makes no second entry; with another body it clashes."""
    provider.allow("given_name", "income_bracket", purpose="revenue-relief")
    first = provider.read(READ).json()
    count = len(provider.history())
    again = provider.read(READ).json()
    signed = [answer["receipt"].pop("signed") for answer in (first, again)]
    assert again == first
    assert [to.receipt(provider, text)["jti"] for text in signed] == [first["receipt"]["event"]] * 2
    assert len(provider.history()) == count
    assert provider.read({**READ, "attributes": ["given_name"]}).status_code == 409


def test_a_read_by_law_needs_its_case_and_official(provider: Provider) -> None:
    """A purpose by law is read without consent, for a case and by an official, and the citizen finds the law in their history."""
    found = provider.read(LAW)
    assert found.json()["attributes"]["income_bracket"]["value"] == "B"
    data = provider.history()[-1]["data"]
    assert (data["law"], data["case"], data["channel"]) == ("Tax Code, 72(1)", "T-2026/17", "law")
    for missing in ("case", "official"):
        without = {name: value for name, value in LAW.items() if name != missing}
        refused = provider.read({**without, "request_id": "r-9"})
        assert (refused.status_code, refused.json()["rule"]) == (403, f"{missing}-missing")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, "no-grant"),
        ({"attributes": ["address"]}, "attribute-outside-purpose"),
        ({"purpose": "health-sign-in"}, "purpose-of-another-agency"),
        ({"purpose": "no-such-purpose"}, "purpose-unknown"),
        ({"citizen_id": "nobody"}, "citizen-unknown"),
        ({**LAW, "citizen_id": OTHER}, "citizen-unknown"),
    ],
)
def test_refusals_say_which_rule_refused(provider: Provider, changes: dict[str, Any], rule: str) -> None:
    """A refused read is a problem with the rule's name and a sentence, and releases nothing."""
    refused = provider.read({**READ, **changes})
    assert (refused.status_code, refused.json()["rule"]) == (403, rule)
    assert refused.headers["content-type"] == "application/problem+json"
    assert "Nino" not in refused.text


def test_a_purpose_the_client_was_not_registered_for(provider: Provider) -> None:
    """A client reads only for the purposes that it was registered for, and trying stands in the history."""
    refused = provider.read(READ, client="api")
    assert (refused.status_code, refused.json()["rule"]) == (403, "purpose-not-registered")
    assert provider.history()[-1]["data"]["rule"] == "purpose-not-registered"


def test_a_nul_in_a_body_is_refused(provider: Provider) -> None:
    """A text with NUL is a mistake of the caller, on both engines."""
    assert provider.read({**READ, "purpose": "a\x00b"}).status_code == 400


def test_withdrawn_means_refused_at_the_next_read(provider: Provider) -> None:
    """The first read after a withdrawal is refused, and the refusal stands in the history."""
    grant = provider.allow("given_name", "income_bracket", purpose="revenue-relief")
    assert provider.read(READ).status_code == 200
    provider.withdraw(grant)
    assert provider.read({**READ, "request_id": "r-3"}).json()["rule"] == "no-grant"
    assert provider.history()[-1]["data"]["rule"] == "no-grant"


def test_resolve_gives_the_citizen_id_for_a_read_by_law(provider: Provider) -> None:
    """An identifier, a purpose by law and a case give the citizen ID, and an entry in the citizen's history."""
    found = provider.read(RESOLVE, path="/citizens/resolve")
    assert (found.status_code, found.json()["citizen_id"]) == (200, CITIZEN)
    assert provider.history()[-1]["kind"] == "citizen-resolved"


@pytest.mark.parametrize(
    "changes",
    [{"identifier_value": "of nobody"}, {"purpose": "revenue-relief"}, {"purpose": "health-sign-in"},
     {"purpose": "no-such-purpose"}, {"identifier_type": "passport"}],
)  # fmt: skip
def test_unknown_and_forbidden_look_alike(provider: Provider, changes: dict[str, str]) -> None:
    """Whether there is no such person or the agency may not ask, the answer is the same."""
    answers = [
        provider.read({**RESOLVE, **one}, path="/citizens/resolve")
        for one in ({"identifier_value": "of nobody else"}, changes)
    ]
    known, found = ({**answer.json(), "reference": ""} for answer in answers)
    assert found == known
    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize("path", ["/attributes/read", "/citizens/resolve"])
def test_only_a_token_of_the_clients_own_opens(provider: Provider, path: str) -> None:
    """Without a token, with a made-up one, or with a citizen's token these endpoints stay shut (RFC 6750)."""
    provider.sign_in()
    bare = provider.web.post(path, json=READ)
    assert bare.status_code == 401
    schemes = bare.headers["www-authenticate"]
    assert schemes.startswith("Bearer resource_metadata=")
    assert ", DPoP algs=" in schemes
    assert "error=" not in schemes, "no token was given at all"
    made_up = provider.web.post(path, json=READ, headers={"Authorization": "Bearer made-up"})
    assert made_up.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    citizens = provider.tokens()["access_token"]
    shut = provider.web.post(path, json=READ, headers={"Authorization": f"Bearer {citizens}"})
    assert shut.status_code == 403
    assert 'error="insufficient_scope"' in shut.headers["www-authenticate"]
    for_api = provider.token(grant_type="client_credentials", resource=to.API).json()["access_token"]
    assert (
        provider.web.post(path, json=READ, headers={"Authorization": f"Bearer {for_api}"}).status_code == 401
    )


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b"\xff", b"[" * 2000,
     {**READ, "unknown": 1}, {**READ, "attributes": []}, {**READ, "attributes": "name"},
     {**READ, "attributes": ["a"] * 101}, {**READ, "citizen_id": ""}, {**READ, "request_id": "x" * 200}],
)  # fmt: skip
def test_a_body_that_is_not_understood_is_a_problem(provider: Provider, body: Any) -> None:
    """A body of another shape is refused with the place of the mistake, and no value of it is repeated."""
    refused = provider.read(body)
    assert refused.status_code == 400
    assert refused.json()["type"] == "urn:erti:problem:body-not-understood"
    assert CITIZEN not in refused.text


def test_a_company_asks_by_its_own_id_and_no_other(provider: Provider) -> None:
    """A private company reaches a citizen by the `sub` it was given; the citizen ID opens nothing there."""
    provider.sign_in()
    sub = to.claims_of(provider.tokens(to.COMPANY)["id_token"])["sub"]
    provider.allow("given_name", purpose="mill-sign-in")
    body = {"purpose": "mill-sign-in", "attributes": ["given_name"]}
    found = provider.read({**body, "citizen_id": sub}, client=to.COMPANY)
    assert found.json()["attributes"]["given_name"]["value"] == "Nino"
    refused = provider.read({**body, "citizen_id": CITIZEN}, client=to.COMPANY)
    assert refused.json()["rule"] == "citizen-unknown"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*READ, "citizen_ids", "act", "narrow", "x"]), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_refused(content: bytes) -> None:
    """Whatever bytes come, a body is either read or refused in the one foreseen way."""
    kinds: tuple[Any, ...] = (bodies.Read, bodies.Batch, bodies.Resolve)
    for kind in kinds:
        try:
            found: object = bodies.read(content, kind)
        except BodyNotUnderstood as refused:
            found = refused.facts["mistake"]
        assert found
