"""Limited permissions at sign-in, and on the citizen's pages."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from consent import grants, purposes, tables
from consent.grants import Grant
from core import clock
from core.events import SYSTEM
from idp.oidc.tables import access_token
from tests.consent import country
from tests.idp.oidc.provider import CITIZEN, Provider


def limited(provider: Provider, limits: dict[str, Any]) -> dict[str, Any]:
    """Limit the sign-in's purpose, let the citizen allow it, and go through a sign-in."""
    with provider.database.writing() as db:
        purposes.publish(db, country.purpose(limits=limits), actor=SYSTEM)
    provider.sign_in()
    provider.allow("given_name", "employer")
    return provider.tokens(scope="openid profile")


def now(provider: Provider) -> Grant:
    """Return the citizen's newest permission for the sign-in."""
    with provider.database.reading() as db:
        found = grants.latest(db, citizen=CITIZEN, purpose="revenue-sign-in")
    assert found is not None
    return found


def reads(provider: Provider) -> int:
    """Return how many releases stand in the history."""
    return sum(
        one["kind"] == "disclosed" and one["data"]["outcome"] == "released" for one in provider.history()
    )


def test_a_one_time_sign_in_tells_once(provider: Provider) -> None:
    """UserInfo answers once; then permission and tokens are over, and the next sign-in asks as used up."""
    token = limited(provider, {"once": True})["access_token"]
    assert provider.userinfo(token).json()["given_name"] == "Nino"
    assert now(provider).state == "used-up"
    assert provider.userinfo(token).status_code == 401
    assert provider.introspected(token) == {"active": False}
    assert reads(provider) == 1
    asked = provider.authorize(scope="openid profile")
    assert "is used up" in provider.web.get(asked.headers["location"]).text


def test_calls_within_five_minutes_are_one_read(provider: Provider) -> None:
    """A client that asks UserInfo again with the same token uses up nothing more, until five minutes have passed."""
    token = limited(provider, {"reads": 3})["access_token"]
    for _time in range(3):
        assert provider.userinfo(token).status_code == 200
    assert (now(provider).uses.used, reads(provider)) == (1, 1)
    with provider.database.writing() as db:
        db.execute(update(access_token).values(issued_at=clock.now() - timedelta(minutes=6)))
    assert provider.userinfo(token).status_code == 200
    assert (now(provider).uses.used, reads(provider)) == (2, 2)


def test_a_used_up_purpose_ends_the_tokens_that_rest_on_it(provider: Provider) -> None:
    """A standing read that is the last one ends what was issued under the permission, in the browser's tokens too."""
    token = limited(provider, {"once": True})["access_token"]
    body = {
        "citizen_id": CITIZEN,
        "purpose": "revenue-sign-in",
        "attributes": ["given_name"],
        "request_id": "r-1",
    }
    assert provider.read(body).status_code == 200
    assert provider.userinfo(token).status_code == 401
    again = provider.read(body)
    assert again.status_code == 200
    assert again.json()["attributes"]["given_name"]["value"] == "Nino"
    refused = provider.read({**body, "request_id": "r-2"})
    assert (refused.status_code, refused.json()["rule"]) == (403, "grant-used-up")


def test_a_batch_counts_each_citizens_reads(provider: Provider) -> None:
    """Batch reads are held to the same limits, and a repeated batch gets its answers again."""
    limited(provider, {"once": True})
    body = {
        "purpose": "revenue-sign-in",
        "attributes": ["given_name"],
        "citizen_ids": [CITIZEN],
        "request_id": "b-1",
    }
    first = provider.read(body, path="/attributes/read/batch")
    assert first.status_code == 200, first.text
    assert "Nino" in first.text
    assert now(provider).state == "used-up"
    assert "Nino" in provider.read(body, path="/attributes/read/batch").text
    other = provider.read({**body, "request_id": "b-2"}, path="/attributes/read/batch")
    assert "Nino" not in other.text
    assert "grant-used-up" in other.text


def test_the_citizen_sees_what_is_left_and_lets_it_go_on(provider: Provider) -> None:
    """Sharing, permission and withdrawal say the limits and the reads left; going on is one page and one button."""
    limited(provider, {"reads": 3, "per": {"reads": 1, "every": "month"}})
    grant = now(provider)
    body = {"citizen_id": CITIZEN, "purpose": "revenue-sign-in", "attributes": ["given_name"]}
    assert provider.read(body).status_code == 200
    for path in ("", f"/{grant.grant_id}"):
        page = provider.web.get(f"/my/sharing{path}").text
        assert "at most 3 times in all" in page
        assert "2 of 3 in all; 0 of 1 this month" in page
    assert "2 of 3 in all" in provider.web.get(f"/my/sharing/{grant.grant_id}/withdraw").text
    going = provider.web.get(f"/my/sharing/{grant.grant_id}/extend")
    assert "Come to any office." in going.text
    assert provider.send(going).status_code == 303
    after = now(provider)
    assert (after.state, after.uses.used, after.uses.in_window) == ("extended", 0, 1)
    with provider.database.writing() as db:
        purposes.publish(db, country.purpose(retention_days=9), actor=SYSTEM)
        db.execute(update(tables.grant).values(given_at=clock.now() - timedelta(days=400)))
    changed = provider.web.get(f"/my/sharing/{grant.grant_id}/extend")
    assert "extend-changed" in changed.text
    assert "extend-confirm" not in changed.text
    assert provider.send(going).status_code == 409
