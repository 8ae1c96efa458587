"""Disputes for agencies' systems: taking them, and answering."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import disputes, history
from consent.events import CitizenResolved
from core.events import Actor, record
from idp.oidc.errors import BodyNotUnderstood
from idp.oidc.resources import bodies
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import CITIZEN, Provider

READ = {
    "citizen_id": CITIZEN, "purpose": "revenue-assessment", "attributes": ["given_name"],
    "request_id": "r-1", "case": "A-17", "official": "O-5",
}  # fmt: skip


def token(provider: Provider, client: str = to.PORTAL, scope: str = "disputes") -> str:
    """Return a token of a client's own for disputes."""
    return str(provider.token(client, grant_type="client_credentials", scope=scope).json()["access_token"])


def get(provider: Provider, path: str = "/disputes", **how: str) -> Any:
    """Ask for disputes."""
    return provider.web.get(path, headers={"Authorization": f"Bearer {token(provider, **how)}"})


def answer(provider: Provider, number: str, body: Any, **how: str) -> Any:
    """Answer a dispute."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token(provider, **how)}"}
    return provider.web.post(f"/disputes/{number}/answer", content=content, headers=headers)


@pytest.fixture
def disputed(provider: Provider) -> str:
    """Let the agency read by law and the citizen dispute it; return the dispute's number."""
    event = provider.read(READ).json()["receipt"]["event"]
    with provider.database.writing() as db:
        return disputes.begin(db, CITIZEN, event, text="Why?", actor=Actor("citizen", CITIZEN)).id


def test_from_the_list_to_the_answer(provider: Provider, disputed: str) -> None:
    """The agency reads what was written with its own record of the look, and its answer reaches the citizen."""
    listed = get(provider)
    assert listed.headers["cache-control"] == "no-store"
    (one,) = listed.json()["disputes"]
    assert (one["dispute"], one["state"], one["text"]) == (disputed, "open", "Why?")
    wanted = {
        "request_id": "r-1",
        "case": "A-17",
        "official": "O-5",
        "citizen_id": CITIZEN,
        "client": to.PORTAL,
    }
    assert wanted.items() <= one["look"].items()
    assert "Nino" not in listed.text
    given = answer(provider, disputed, {"category": "justified", "text": "Case A-17 is yours."})
    assert given.status_code == 200
    assert given.json()["answer"] == "Case A-17 is yours."
    assert get(provider).json() == {"disputes": []}
    assert [one["state"] for one in get(provider, "/disputes?state=answered").json()["disputes"]] == [
        "answered"
    ]
    kinds = [facts["kind"] for facts in provider.history()]
    assert kinds[-3:] == ["dispute-opened", "dispute-seen", "dispute-answered"]
    again = answer(provider, disputed, {"category": "mistake", "text": "No."})
    assert (again.status_code, again.json()["type"]) == (409, "urn:erti:problem:dispute-answered-already")


def test_other_agencies_find_nothing(provider: Provider, disputed: str) -> None:
    """Another agency's list is empty, and its answer is refused as if there were no such dispute."""
    assert get(provider, client=to.COMPANY).json() == {"disputes": []}
    body = {"category": "mistake", "text": "It was us."}
    wrong = answer(provider, disputed, body, client=to.COMPANY)
    unknown = answer(provider, "XXXXXXXXXX", body, client=to.COMPANY)
    assert wrong.status_code == unknown.status_code == 404
    assert wrong.json()["title"] == unknown.json()["title"] == "There is no such dispute."


def test_only_a_token_for_it_opens_it(provider: Provider, disputed: str) -> None:
    """Neither no token, nor one for reading attributes, nor a citizen's opens disputes."""
    assert provider.web.get("/disputes").status_code == 401
    assert get(provider, scope="attributes").status_code == 403
    provider.sign_in()
    provider.allow("given_name")
    session = provider.tokens(scope="openid profile disputes")["access_token"]
    refused = provider.web.get("/disputes", headers={"Authorization": f"Bearer {session}"})
    assert refused.status_code == 403
    assert provider.web.post(f"/disputes/{disputed}/answer", content=b"{}").status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", {}, {"category": "fine", "text": "x"}, {"category": "mistake", "text": ""},
     {"category": "mistake", "text": "x" * 4001}, {"category": "mistake", "text": "a\0b"},
     {"category": "mistake", "text": "x", "more": 1}, {"category": "mistake", "text": "  "}],
)  # fmt: skip
def test_an_answer_that_is_none_is_refused(provider: Provider, disputed: str, body: Any) -> None:
    """A body that is no answer is refused and leaves the dispute open."""
    assert answer(provider, disputed, body).status_code == 400
    assert [one["state"] for one in get(provider).json()["disputes"]] == ["open"]


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_refused(content: bytes) -> None:
    """Reading an answer never crashes."""
    with contextlib.suppress(BodyNotUnderstood):
        assert bodies.read(content, bodies.Answer).text


def test_a_state_that_is_none_is_refused(provider: Provider) -> None:
    """A list of an unknown state is a mistake of the asker; an unknown `after` begins anew."""
    assert get(provider, "/disputes?state=lost").status_code == 400
    assert get(provider, "/disputes?after=nothing").json() == {"disputes": []}


def test_a_company_hears_its_own_name_of_the_citizen(provider: Provider) -> None:
    """A private company is told its own identifier of the citizen, never the citizen ID."""
    provider.sign_in()
    provider.allow("given_name", purpose="mill-sign-in")
    known = provider.userinfo(provider.tokens(to.COMPANY, scope="openid profile")["access_token"]).json()[
        "sub"
    ]
    event = next(facts["event"] for facts in reversed(provider.history()) if facts["kind"] == "disclosed")
    with provider.database.writing() as db:
        disputes.begin(db, CITIZEN, event, text="", actor=Actor("citizen", CITIZEN))
    told = get(provider, client=to.COMPANY)
    assert told.json()["disputes"][0]["look"]["citizen_id"] == known
    assert CITIZEN not in told.text


def test_who_never_learned_the_citizen_id_does_not_now(provider: Provider) -> None:
    """An agency that looked for somebody and was refused is told its request, and not whom it would have found."""
    tried = CitizenResolved(
        agency="revenue", client=to.PORTAL, purpose=None, purpose_version=None, basis=None,
        identifier_type="UIN", case="A-18", official="O-5", request_id="r-9", outcome="refused",
    )  # fmt: skip
    with provider.database.writing() as db:
        event = record(db, tried, actor=Actor("client", to.PORTAL), about=[CITIZEN])
    history.settle(provider.database, CITIZEN)
    with provider.database.writing() as db:
        disputes.begin(db, CITIZEN, event, text="", actor=Actor("citizen", CITIZEN))
    told = get(provider)
    assert told.json()["disputes"][0]["look"]["request_id"] == "r-9"
    assert CITIZEN not in told.text
