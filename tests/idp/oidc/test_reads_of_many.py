"""Batches over HTTP, what is asked too, checkpoints, and which channel a read of UserInfo is."""

import json
from datetime import timedelta
from typing import Any

import pytest

from consent import entrusting
from consent.ledger import signer
from core import clock
from core.events import Actor
from tests.consent import country
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import CITIZEN, OTHER, Provider

PATH = "/attributes/read/batch"
BATCH = {
    "citizen_ids": [CITIZEN, OTHER, "0000000000000", "not an ID"],
    "purpose": "revenue-relief",
    "attributes": ["given_name"],
    "request_id": "b-1",
}


def test_a_batch_answers_for_each(provider: Provider) -> None:
    """Each citizen of a batch has their values and receipt, or the rule that refused, in the order asked."""
    provider.allow("given_name", "income_bracket", purpose="revenue-relief")
    answer = provider.read(BATCH, path=PATH)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    results = answer.json()["results"]
    assert [one["citizen_id"] for one in results] == BATCH["citizen_ids"]
    assert results[0]["attributes"]["given_name"]["value"] == "Nino"
    assert to.receipt(provider, results[0]["receipt"]["signed"])["request_id"] == "b-1/0"
    rules = [one["refused"]["rule"] for one in results[1:]]
    assert rules == ["no-grant", "citizen-unknown", "citizen-unknown"]


def test_a_repeated_batch_has_the_same_receipts(provider: Provider) -> None:
    """The same batch again is the same reads; another one under its request ID is refused for each."""
    provider.allow("given_name", "income_bracket", purpose="revenue-relief")
    first, again = (provider.read(BATCH, path=PATH).json()["results"][0]["receipt"] for _time in range(2))
    assert (first["event"], first["entry"]) == (again["event"], again["entry"])
    other = provider.read({**BATCH, "attributes": ["income_bracket"]}, path=PATH).json()["results"]
    assert other[0]["refused"]["rule"] == "request-reused"


@pytest.mark.parametrize(
    "changes",
    [
        {"citizen_ids": [f"{number:013}" for number in range(1001)]},
        {"citizen_ids": []},
        {"citizen_ids": [CITIZEN, CITIZEN]},
        {"request_id": "r" * 121},
        {"citizen_id": CITIZEN},
    ],
)
def test_a_batch_has_its_measure(provider: Provider, changes: dict[str, Any]) -> None:
    """More than a thousand, nobody, or somebody twice is refused at the edge, before anything is read."""
    refused = provider.read({**BATCH, **changes}, path=PATH)
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:erti:problem:body-not-understood")
    assert CITIZEN not in refused.text


def test_a_thousand_are_within_the_measure(provider: Provider) -> None:
    """A thousand citizens fit into one body, and the unknown among them cost one entry each at the agency."""
    body = {**BATCH, "citizen_ids": [f"{number:013}" for number in range(1000)]}
    answer = provider.read(body, path=PATH)
    assert answer.status_code == 200
    assert {one["refused"]["rule"] for one in answer.json()["results"]} <= {"no-grant", "citizen-unknown"}


def test_narrow_tells_what_was_left_out(provider: Provider) -> None:
    """An agency that may be narrowed gets the covered part, and is told what it did not get."""
    provider.allow("given_name", purpose="revenue-relief")
    body = {
        "citizen_id": CITIZEN,
        "purpose": "revenue-relief",
        "attributes": ["given_name", "income_bracket"],
        "narrow": True,
    }
    found = provider.read(body).json()
    assert set(found["attributes"]) == {"given_name"}
    assert found["withheld"] == ["income_bracket"]
    assert provider.history()[-1]["data"]["withheld"] == ["income_bracket"]


def test_answers_carry_the_newest_checkpoint(provider: Provider) -> None:
    """Each answer brings the checkpoint signed last, so that agencies can tell a fork later."""
    provider.allow("given_name", "income_bracket", purpose="revenue-relief")
    assert provider.database.parts.sequencer.drain()
    signer.sign_if_due(provider.database)
    note = provider.web.get("/ledger/checkpoint").text
    single = {"citizen_id": CITIZEN, "purpose": "revenue-relief", "attributes": ["given_name"]}
    assert provider.read(single).json()["checkpoint"] == note
    assert provider.read(BATCH, path=PATH).json()["checkpoint"] == note


def test_what_the_citizen_left_off_is_named_at_sign_in(provider: Provider) -> None:
    """UserInfo gives what was allowed; what else was asked, by scope or claim, stands in the entry."""
    provider.sign_in()
    provider.allow("given_name")
    wish = {"userinfo": {"given_name": None, "income_bracket": None, "address": None}}
    with provider.database.writing() as db:
        country.allow(db, "given_name", citizen=CITIZEN)
    token = provider.tokens(claims=json.dumps(wish))["access_token"]
    assert provider.userinfo(token).json() == {"sub": CITIZEN, "given_name": "Nino"}
    said = provider.history()[-1]["data"]
    assert (said["channel"], said["attributes"]) == ("sign-in", ["given_name"])
    assert said["withheld"] == ["address", "income_bracket"]


def test_a_read_of_a_citizen_who_is_away_says_so(provider: Provider) -> None:
    """A token that came of a refresh token with offline access reads as `offline`; the one before it as `sign-in`."""
    provider.sign_in()
    provider.allow("given_name")
    wish = json.dumps({"userinfo": {"given_name": None}})
    asked = {
        "scope": "openid offline_access",
        "prompt": "consent",
        "claims": wish,
    }  # OpenID Connect Core 1.0, 11
    page = provider.web.get(provider.authorize(**asked).headers["location"])
    sent = provider.send(page, decision="allow")
    code = to.answered(provider.web.get(sent.headers["location"]))["code"]
    tokens = provider.redeem(code).json()
    provider.userinfo(tokens["access_token"])
    assert provider.history()[-1]["data"]["channel"] == "sign-in"
    fresh = provider.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
    assert provider.userinfo(fresh["access_token"]).json()["given_name"] == "Nino"
    assert provider.history()[-1]["data"]["channel"] == "offline"


def test_a_representative_is_named_as_in_a_token(provider: Provider) -> None:
    """With `act` a citizen's representative reads what that citizen allowed, while the mandate stands."""
    provider.allow("given_name", "income_bracket", purpose="revenue-relief")
    with provider.database.writing() as db:
        country.be_born(db, OTHER)
        made = entrusting.offer(
            db, giver=CITIZEN, holder=OTHER, agencies=["revenue"], purposes=[],
            until=clock.now() + timedelta(days=1), actor=Actor("citizen", CITIZEN),
        )  # fmt: skip
    body = {
        "citizen_id": CITIZEN,
        "act": {"sub": OTHER},
        "purpose": "revenue-relief",
        "attributes": ["given_name"],
    }
    assert provider.read(body).json()["rule"] == "mandate-missing"
    with provider.database.writing() as db:
        entrusting.accept(db, made.id, holder=OTHER, actor=Actor("citizen", OTHER))
    found = provider.read(body)
    assert found.json()["attributes"]["given_name"]["value"] == "Nino"
    assert provider.history(OTHER)[-1]["event"] == found.json()["receipt"]["event"]
    for nobody in ("0000000000000", "not an ID"):
        assert provider.read({**body, "act": {"sub": nobody}}).json()["rule"] == "mandate-missing"


def test_nobody_stops_the_ledger_by_naming_one_person_twice(provider: Provider) -> None:
    """A read of a citizen on behalf of the same citizen is refused, once in the history, and the next reads go on."""
    provider.allow("given_name", purpose="revenue-relief")
    one = {"citizen_id": CITIZEN, "purpose": "revenue-relief", "attributes": ["given_name"]}
    count = len(provider.history())
    refused = provider.read({**one, "act": {"sub": CITIZEN}})
    assert (refused.status_code, refused.json()["rule"]) == (403, "mandate-missing")
    assert [entry["data"]["outcome"] for entry in provider.history()[count:]] == ["refused"]
    assert provider.read(one).status_code == 200
