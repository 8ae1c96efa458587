"""The `claims` parameter."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc import claims
from idp.oidc.claims import Claims, ClaimsUnreadable, Wish

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_the_standards_own_example() -> None:
    """The example of OpenID Connect Core 5.5 is read as it is meant."""
    text = """{"userinfo": {"given_name": {"essential": true}, "nickname": null,
        "http://example.info/claims/groups": null},
        "id_token": {"auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]}}}"""
    found = claims.parse(text)
    assert found.userinfo["given_name"] == Wish(essential=True)
    assert found.userinfo["nickname"] == Wish()
    assert found.id_token["acr"] == Wish(values=("urn:mace:incommon:iap:silver",))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '"a"', "{", '{"userinfo": []}', '{"userinfo": {"a": 1}}', '{"id_token": {"a": []}}',
     '{"userinfo": {"a": {"essential": "yes"}}}', '{"userinfo": {"a": {"values": "x"}}}', "[" * 5000, "{" * 9000,
     json.dumps({"userinfo": {f"c{n}": None for n in range(101)}})],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    """What is not the standard's shape, too deep or too much, is refused and breaks nothing."""
    with pytest.raises(ClaimsUnreadable):
        claims.parse(text)


@given(st.text(max_size=200) | JSON.map(json.dumps))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever text comes, it is either read or refused in the one foreseen way."""
    try:
        found = claims.parse(text)
    except ClaimsUnreadable:
        return
    assert all(isinstance(wish, Wish) for wish in (*found.userinfo.values(), *found.id_token.values()))


def test_scopes_and_claims_add_up() -> None:
    """What scopes ask for and what is asked one by one come together."""
    asked = claims.attributes(("openid", "address"), Claims(userinfo={"income_bracket": Wish()}))
    assert asked == {"address", "income_bracket"}
