"""Receipts and consent records for agencies' systems."""

from typing import Any

import pytest

from consent import decisions
from consent.ledger import policy, signer
from core.events import Actor
from tests.consent import receipt_reader as reader
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import CITIZEN, Provider

READ = {"citizen_id": CITIZEN, "purpose": "revenue-relief", "attributes": ["given_name"], "request_id": "r-1"}


def get(provider: Provider, path: str, client: str = to.PORTAL) -> Any:
    """Get something with a token of the client's own."""
    return provider.web.get(path, headers={"Authorization": f"Bearer {provider.own_token(client)}"})


def proven(provider: Provider, signed: str) -> dict[str, Any]:
    """Return what a receipt says, its signature and its proof checked."""
    found = reader.claims(signed, provider.web.get("/jwks.json").json())
    reader.proven(
        found,
        policy.log_keys(provider.database.parts, provider.database.parts.settings.ledger_origin)[0].text(),
    )
    return found


def test_the_receipt_of_a_standing_read_gets_its_proof_later(provider: Provider) -> None:
    """The answer to a read carries a receipt at once; once a checkpoint covers it, the same entry's comes with a proof."""
    provider.allow("given_name", purpose="revenue-relief")
    answer = provider.read(READ).json()["receipt"]
    at_once = to.receipt(provider, answer["signed"])
    assert "tlog_proof" not in at_once
    signer.sign_if_due(provider.database)
    later = get(provider, f"/receipts/{answer['event']}")
    assert later.headers["cache-control"] == "no-store"
    found = proven(provider, later.json()["signed"])
    assert (found["index"], found["leaf_hash"]) == (at_once["index"], at_once["leaf_hash"])
    assert found["entry"]["data"]["request_id"] == "r-1"
    assert CITIZEN not in later.text


def test_userinfo_names_its_entry(provider: Provider) -> None:
    """A read at sign-in names its entry in a header, by which the agency gets its receipt; without a read there is none."""
    provider.allow("given_name")
    provider.sign_in()
    answer = provider.userinfo(provider.tokens(scope="openid profile")["access_token"])
    event = answer.headers["erti-entry"]
    assert event == provider.history()[-1]["event"]
    signer.sign_if_due(provider.database)
    assert (
        proven(provider, get(provider, f"/receipts/{event}").json()["signed"])["entry"]["kind"] == "disclosed"
    )
    bare = provider.userinfo(provider.tokens(scope="openid")["access_token"])
    assert "erti-entry" not in bare.headers


def test_the_receipts_of_a_grant(provider: Provider) -> None:
    """A client gets a receipt of each decision on its grant, the withdrawal too."""
    grant = provider.allow("given_name", "income_bracket", purpose="revenue-relief")
    provider.withdraw(grant)
    provider.history()
    signer.sign_if_due(provider.database)
    listed = get(provider, f"/grants/{grant.grant_id}/receipts").json()["receipts"]
    assert [proven(provider, one)["entry"]["kind"] for one in listed] == ["grant-given", "grant-withdrawn"]


def test_the_record_of_a_grant(provider: Provider) -> None:
    """A client gets its grant as JSON-LD, in which the citizen is called what the client calls them."""
    grant = provider.allow("given_name", purpose="revenue-relief")
    found = get(provider, f"/grants/{grant.grant_id}/record")
    assert found.headers["content-type"] == "application/ld+json"
    assert found.json()["dpv:hasDataSubject"]["dct:identifier"] == CITIZEN
    provider.sign_in()
    sub = to.claims_of(provider.tokens(to.COMPANY)["id_token"])["sub"]
    companys = provider.allow("given_name", purpose="mill-sign-in")
    theirs = get(provider, f"/grants/{companys.grant_id}/record", to.COMPANY)
    assert theirs.json()["dpv:hasDataSubject"]["dct:identifier"] == sub
    assert CITIZEN not in theirs.text


@pytest.mark.parametrize("path", ["/receipts/{event}", "/grants/{grant}/receipts", "/grants/{grant}/record"])
def test_nothing_is_told_about_anothers(provider: Provider, path: str) -> None:
    """Another agency, a client with other purposes and somebody without a token get nothing, existing or not."""
    grant = provider.allow("given_name", purpose="revenue-relief")
    event = provider.history()[-1]["event"]
    known = path.format(event=event, grant=grant.grant_id)
    unknown = path.format(event=event.translate(str.maketrans("0123456789", "1234567890")), grant="0" * 32)
    for client in (to.COMPANY, "api"):
        answers = [get(provider, one, client) for one in (known, unknown)]
        assert [answer.status_code for answer in answers] == [404, 404]
        told = [{**answer.json(), "reference": ""} for answer in answers]
        assert told[0] == told[1]
    assert provider.web.get(known).status_code == 401
    assert get(provider, known).status_code == 200


def test_a_no_names_its_entry(provider: Provider) -> None:
    """The answer to a request that the citizen declined names the entry, whose receipt says so and not whose it is."""
    provider.sign_in()
    page = provider.web.get(provider.authorize(scope="openid profile").headers["location"])
    declined = provider.send(page, decision="deny")
    answer = to.answered(provider.web.get(declined.headers["location"]))
    assert answer["error"] == "access_denied"
    signer.sign_if_due(provider.database)
    found = get(provider, f"/receipts/{answer['receipt']}")
    assert proven(provider, found.json()["signed"])["entry"]["kind"] == "grant-declined"
    assert answer["receipt"] == provider.history()[-1]["event"]
    assert CITIZEN not in found.text


def test_a_no_has_no_number(provider: Provider) -> None:
    """What a citizen declined stays nothing that an agency can look up by a grant's number."""
    with provider.database.writing() as db:
        grant = decisions.decline(
            db, citizen=CITIZEN, client_id=to.PORTAL, purpose="revenue-relief", lang="en",
            actor=Actor("citizen", CITIZEN),
        )  # fmt: skip
    assert get(provider, f"/grants/{grant.grant_id}/record").status_code == 404
