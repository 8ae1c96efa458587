"""A private company cannot tell a death from a citizen who took a permission back."""

import json
from collections.abc import Iterator
from typing import Any

from consent.grants import Grant
from core.events import Actor, record
from idp import accounts
from idp.oidc.metadata import QUERY_SCOPE
from registry_sync.events import CitizenDied
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import CITIZEN, Provider
from tests.idp.signals.receiver import Api, checked, said

# What differs between any two events, receipts or records: numbers, times and places.
OWN = (
    "jti", "iat", "txn", "event_timestamp", "grant_id", "grant", "at", "event", "dct:date", "dct:created", "dct:valid", "expires_at",
    "@id", "reference", "dct:identifier", "dpv:hasIdentifier",
)  # fmt: skip


def test_a_company_cannot_tell_a_death_from_a_withdrawal(provider: Provider, api: Api) -> None:
    """Its event, the answers about the grant, its receipts and its record are the same, and no lock is told."""
    stream = Api(provider, to.COMPANY).made({})["stream_id"]
    with provider.database.writing() as db:
        accounts.open_for_test(db, CITIZEN, "nino", language="en")
    provider.sign_in()
    taken = provider.allow("given_name", purpose="mill-sign-in")
    known = to.claims_of(provider.tokens(to.COMPANY)["id_token"])["sub"]
    provider.withdraw(taken)
    (by_citizen,) = events(provider, stream)
    left = provider.allow("given_name", purpose="mill-sign-in")
    provider.tokens(to.COMPANY)
    with provider.database.writing() as db:
        died = CitizenDied(citizen=CITIZEN, source="civil")
        record(db, died, actor=Actor("registry", "civil"), about=[CITIZEN])
    by_death = events(provider, stream)
    assert {said(claims)[0] for claims in by_death} == {"consent-ended", "session-revoked"}
    (ended,) = (claims for claims in by_death if said(claims)[0] == "consent-ended")
    assert bare(by_citizen) == bare(ended)
    (over,) = (claims for claims in by_death if said(claims)[0] == "session-revoked")
    assert "initiating_entity" not in said(over)[1]
    assert papers(provider, taken) == papers(provider, left)
    assert not {"withdrawn", "deceased", "ConsentWithdrawn"} & set(words(papers(provider, taken)))
    law = {"citizen_id": known, "purpose": "mill-sign-in", "attributes": ["given_name"], "case": "A-1"}
    refused = provider.read({**law, "request_id": "r-1"}, client=to.COMPANY)
    assert "deceased" not in refused.text


def events(provider: Provider, stream: str) -> list[dict[str, Any]]:
    """Return what the company was told since it was asked last, checked and acknowledged."""
    company = Api(provider, to.COMPANY)
    sets = company.poll(stream)["sets"]
    company.poll(stream, ack=list(sets))
    return [checked(provider, token, audience=to.COMPANY) for token in sets.values()]


def papers(provider: Provider, grant: Grant) -> list[Any]:
    """Return what the company gets to see of a grant: its standing, receipts without their proofs, and its record."""
    provider.history()  # what was decided has its place in the ledger before anybody asks
    header = {"Authorization": f"Bearer {provider.own_token(to.COMPANY)}"}
    where = f"/grants/{grant.grant_id}"
    query = provider.token(to.COMPANY, grant_type="client_credentials", scope=QUERY_SCOPE).json()
    standing = provider.web.get(where, headers={"Authorization": f"Bearer {query['access_token']}"})
    assert standing.status_code == 404
    receipts = provider.web.get(f"{where}/receipts", headers=header).json()["receipts"]
    kept = provider.web.get(f"{where}/record", headers=header).json()
    told = [to.claims_of(one)["entry"] for one in receipts]
    return [bare(standing.json()), bare(told), bare(kept)]


def bare(found: Any) -> Any:
    """Return a document without what is its own in any case."""
    if isinstance(found, dict):
        return {name: bare(value) for name, value in found.items() if name not in OWN}
    return [bare(one) for one in found] if isinstance(found, list) else found


def words(found: Any) -> Iterator[str]:
    """Return the words of a document, each alone."""
    yield from json.dumps(found).replace('"', " ").replace(":", " ").split()
