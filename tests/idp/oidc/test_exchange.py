"""Token exchange: a service passes a citizen's sign-in on to the next, and cannot do more with it than it may."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from consent import importing
from consent.errors import FileRefused
from core import clock
from core.events import SYSTEM
from idp.oidc import clients, metadata, nonces, tables
from idp.oidc.exchange import ACCESS_TOKEN, MOST_ACTORS
from tests.conftest import ISSUER
from tests.consent import country
from tests.idp.oidc import provider as to
from tests.idp.oidc.proofs import Prover
from tests.idp.oidc.provider import CITIZEN, Provider, claims_of

NEXT = "https://records.health.example/"
ROW = [f"https://service{number}.example/" for number in range(MOST_ACTORS + 1)]


def service(name: str, serves: list[str], resources: list[str], **changes: Any) -> dict[str, Any]:
    """Return a service that is shown tokens, and may pass them on."""
    return {
        "client_id": name,
        "agency": "revenue",
        "client_secret": to.SECRET,
        "grant_types": ["client_credentials", metadata.EXCHANGE_GRANT],
        "serves": serves,
        "resources": resources,
        **changes,
    }


SERVICES = [
    service("api", [to.API], [NEXT, ROW[0], ISSUER]),
    service("records", [NEXT], [], agency="health"),
    *(service(f"s{n}", [ROW[n]], [ROW[n + 1]]) for n in range(MOST_ACTORS)),
]


@pytest.fixture
def row(provider: Provider) -> Provider:
    """Give the provider with services that call each other, and a citizen who is signed in."""
    with provider.database.writing() as db:
        clients.load(db, {"clients": SERVICES}, actor=SYSTEM)
    provider.sign_in()
    return provider


def shown(provider: Provider, client: str = to.PORTAL, **changes: Any) -> str:
    """Return the token with which the citizen's portal calls the first service."""
    given = provider.tokens(client, **{"resource": to.API, "scope": "openid profile", **changes})
    return str(given["access_token"])


def exchange(
    provider: Provider, token: str, client: str = "api", secret: str | None = to.SECRET, **form: Any
) -> Any:
    """Ask for a token for the next service."""
    wish = {
        "grant_type": metadata.EXCHANGE_GRANT,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "resource": NEXT,
        **form,
    }
    return provider.token(client, secret, **{name: one for name, one in wish.items() if one is not None})


def refusal(answer: Any) -> str:
    """Return the error of a refusal."""
    assert answer.status_code in (400, 401), answer.text
    return str(answer.json()["error"])


def test_a_service_passes_a_sign_in_on(row: Provider) -> None:
    """The next service gets a token about the same citizen, which names who passed it on, and so does the history."""
    row.allow("given_name")
    answer = exchange(row, shown(row), scope="profile").json()
    assert (answer["issued_token_type"], answer["token_type"]) == (ACCESS_TOKEN, "Bearer")
    claims = claims_of(answer["access_token"])
    assert (claims["sub"], claims["aud"], claims["client_id"]) == (CITIZEN, NEXT, "api")
    assert (claims["scope"], claims["act"]) == ("profile", {"sub": "api"})
    told = row.introspected(answer["access_token"], "records")
    assert (told["active"], told["act"], told["sub"]) == (True, {"sub": "api"}, CITIZEN)
    entry = row.history()[-1]
    assert entry["kind"] == "sign-in-passed-on"
    assert entry["data"] == {"agency": "revenue", "client": "api", "receiver": "health", "resource": NEXT}
    assert "refresh_token" not in answer
    assert "id_token" not in answer


def test_each_hand_is_named_and_four_are_too_many(row: Provider) -> None:
    """The chain of `act` grows with each exchange, with or without actor token, and ends at three (RFC 8693, 4.1)."""
    row.allow("given_name")
    token = exchange(row, shown(row), resource=ROW[0]).json()["access_token"]
    for number in range(MOST_ACTORS - 1):
        own = {"actor_token": row.own_token(f"s{number}"), "actor_token_type": ACCESS_TOKEN} if number else {}
        token = exchange(row, token, f"s{number}", resource=None, **own).json()["access_token"]
    assert claims_of(token)["act"] == {"sub": "s1", "act": {"sub": "s0", "act": {"sub": "api"}}}
    assert refusal(exchange(row, token, f"s{MOST_ACTORS - 1}", resource=None)) == "invalid_request"


def test_a_token_for_somebody_else_is_refused(row: Provider) -> None:
    """Audience confusion: a token for Erti, for another service, or another client's is nothing that a service can pass on."""
    row.allow("given_name")
    for_erti = shown(row, resource=ISSUER)
    for_api = shown(row)
    for token, client in ((for_erti, "api"), (for_api, "records"), (for_api, "s0")):
        assert refusal(exchange(row, token, client)) == ("invalid_request")
    laundered = exchange(row, for_api).json()["access_token"]
    assert refusal(exchange(row, laundered, "s0", resource=ROW[1])) == "invalid_request"


def test_the_resource_is_one_that_the_service_was_registered_for(row: Provider) -> None:
    """No other resource, no second one, no name of an audience, and never Erti itself, whose UserInfo would open."""
    row.allow("given_name")
    token = shown(row)
    for one in ("https://elsewhere.example/", ISSUER, [NEXT, ROW[0]], None, to.API):
        assert refusal(exchange(row, token, resource=one)) == "invalid_target"
    assert refusal(exchange(row, token, audience="records")) == "invalid_target"
    passed = exchange(row, token).json()["access_token"]
    assert row.userinfo(passed).status_code == 401


def test_neither_more_scope_nor_a_longer_life(row: Provider) -> None:
    """The scope can shrink and never grow, and the new token ends when the old one does."""
    row.allow("given_name")
    token = shown(row)
    assert refusal(exchange(row, token, scope="profile email")) == "invalid_scope"
    assert exchange(row, token).json()["scope"] == "openid profile"
    soon = clock.now() + timedelta(seconds=40)
    with row.database.writing() as db:
        db.execute(update(tables.access_token).values(expires_at=soon))
    answer = exchange(row, token).json()
    assert 35 <= answer["expires_in"] <= 40
    claims = claims_of(answer["access_token"])
    assert claims["exp"] <= clock.seconds(soon)
    with row.database.writing() as db:
        db.execute(update(tables.access_token).values(expires_at=clock.now()))
    assert refusal(exchange(row, token)) == "invalid_request"


def test_what_was_passed_on_ends_with_the_sign_in(row: Provider) -> None:
    """A withdrawal ends the tokens that were passed on as well, and nothing that ended can be exchanged."""
    grant = row.allow("given_name")
    token = shown(row)
    passed = exchange(row, token, resource=ROW[0]).json()["access_token"]
    assert row.introspected(passed, "s0")["active"]
    row.withdraw(grant)
    assert row.introspected(passed, "s0") == {"active": False}
    assert refusal(exchange(row, token)) == "invalid_request"
    assert refusal(exchange(row, passed, "s0", resource=ROW[1])) == "invalid_request"


@pytest.mark.parametrize("what", ["portal", "api", "agency"])
def test_whoever_is_switched_off_passes_nothing_on(row: Provider, what: str) -> None:
    """A client that is off, its agency, and the client whose sign-in it is have to be on."""
    token = shown(row, scope="openid")
    with row.database.writing() as db:
        if what == "agency":
            suspended = country.agency("revenue", state="suspended")
            importing.load(db, {"agencies": [suspended]}, actor=SYSTEM)
        else:
            clients.switch(db, what, active=False, actor=SYSTEM)
    # An agency is kept in the process for a second, as far as it only says who calls.
    expected = {"portal": {"invalid_request"}, "api": {"invalid_client"}}
    assert refusal(exchange(row, token)) in expected.get(what, {"invalid_request", "invalid_client"})


def test_nobody_acts_in_anothers_name(row: Provider) -> None:
    """An actor token is the client's own and live: neither another's, nor a citizen's, nor one of another type."""
    token = shown(row, scope="openid")
    for actor in (row.own_token("s0"), token, "made-up"):
        answer = exchange(row, token, actor_token=actor, actor_token_type=ACCESS_TOKEN)
        assert refusal(answer) == "invalid_request"
    assert refusal(exchange(row, token, actor_token=row.own_token("api"))) == "invalid_request"
    assert refusal(exchange(row, token, actor_token_type=ACCESS_TOKEN)) == "invalid_request"
    mine = exchange(row, token, actor_token=row.own_token("api"), actor_token_type=ACCESS_TOKEN)
    assert claims_of(mine.json()["access_token"])["act"] == {"sub": "api"}


@pytest.mark.parametrize(
    "form",
    [
        {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"subject_token_type": None},
        {"subject_token": None},
        {"subject_token": "made-up"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
    ],
)
def test_only_our_own_access_tokens(row: Provider, form: dict[str, Any]) -> None:
    """No other kind of token goes in or comes out (RFC 8693, 2.2.2: invalid_request)."""
    assert refusal(exchange(row, shown(row, scope="openid"), **form)) == "invalid_request"


def test_neither_id_token_nor_refresh_token_nor_a_clients_own_is_a_subject(row: Provider) -> None:
    """What is not a citizen's access token does not become one by being called so."""
    given = row.tokens(resource=to.API)
    for token in (given["id_token"], given["refresh_token"], row.own_token("api")):
        assert refusal(exchange(row, token)) == "invalid_request"


def test_only_clients_that_registered_for_it(row: Provider) -> None:
    """Others get unauthorized_client; a public client proves nothing, so it gets invalid_client."""
    token = shown(row, scope="openid")
    assert refusal(exchange(row, token, to.PORTAL)) == "unauthorized_client"
    assert refusal(exchange(row, token, to.PUBLIC, None)) == "invalid_client"
    assert refusal(exchange(row, token, "api", "wrong")) == "invalid_client"


@pytest.mark.parametrize(
    "changes",
    [
        {"token_endpoint_auth_method": "none", "client_secret": None},
        {"agency": "mill", "subject_type": "pairwise"},
    ],
)
def test_neither_public_clients_nor_companies_register_for_it(row: Provider, changes: dict[str, Any]) -> None:
    """Token exchange is for agencies' own services, which can keep a secret."""
    declared = {**service("more", [], [NEXT]), **changes}
    declared["grant_types"] = [metadata.EXCHANGE_GRANT]
    with pytest.raises(FileRefused) as refused, row.database.writing() as db:
        clients.load(db, {"clients": [declared]}, actor=SYSTEM)
    assert any("clients[0].grant_types" in str(one) for one in refused.value.mistakes)


def test_a_companys_name_for_a_citizen_does_not_become_another(row: Provider) -> None:
    """A service that a company's client calls would learn the citizen ID by an exchange, so there is none."""
    with row.database.writing() as db:
        shop = next(one for one in to.CLIENTS if one["client_id"] == to.COMPANY)
        clients.load(db, {"clients": [{**shop, "resources": [to.API]}]}, actor=SYSTEM)
    token = shown(row, to.COMPANY, scope="openid")
    assert refusal(exchange(row, token)) == "invalid_request"


def test_a_bound_token_needs_its_key_and_becomes_a_bound_one(row: Provider) -> None:
    """Its own client shows the key; a service that was called binds the new token to a key of its own, or gets none."""
    with row.database.writing() as db:
        portal = next(one for one in to.CLIENTS if one["client_id"] == to.PORTAL)
        own = {"grant_types": [*portal["grant_types"], metadata.EXCHANGE_GRANT], "resources": [to.API, NEXT]}
        clients.load(db, {"clients": [{**portal, **own}]}, actor=SYSTEM)
    key, other = Prover(), Prover()
    key.nonce = other.nonce = nonces.current(row.database.parts)
    code = row.code(resource=to.API)
    form = {"grant_type": "authorization_code", "redirect_uri": to.CALLBACK, "code_verifier": to.VERIFIER}
    token = proven(row, key, to.PORTAL, code=code, **form).json()["access_token"]
    assert refusal(exchange(row, token)) == "invalid_request"
    assert refusal(exchange(row, token, to.PORTAL)) == "invalid_request"
    wish = {"grant_type": metadata.EXCHANGE_GRANT, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
    wish["resource"] = NEXT
    assert refusal(proven(row, other, to.PORTAL, **wish)) == "invalid_request"
    for client, holder in (("api", other), (to.PORTAL, key)):
        answer = proven(row, holder, client, **wish).json()
        assert answer["token_type"] == "DPoP"
        assert claims_of(answer["access_token"])["cnf"] == {"jkt": holder.jkt}


def proven(provider: Provider, prover: Prover, client: str, **form: str) -> Any:
    """Post to the token endpoint with a proof."""
    headers = {
        "Authorization": to.basic(client, to.SECRET),
        "DPoP": prover.proof("POST", f"{ISSUER}/token"),
    }
    return provider.web.post("/token", data=form, headers=headers)
