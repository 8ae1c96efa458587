"""Whom an event concerns, what it says, and that it is written with the change or not at all."""

from typing import Any

import pytest
from sqlalchemy import insert, select

from consent import decisions, endings
from core import clock
from core.database import Database
from core.events import SYSTEM, Actor, record
from idp import accounts
from idp.events import PasskeyCloneSuspected
from idp.signals import outbox as outboxes
from idp.signals.tables import outbox
from idp.tables import passkey
from registry_sync import erasure
from registry_sync.events import AttributesChanged, CitizenDied, DeathReversed, NameChanged
from tests.conftest import ISSUER
from tests.idp.oidc import provider as to
from tests.idp.oidc.provider import CITIZEN, Provider
from tests.idp.signals.receiver import Api, Receiver, checked, deliver, rested, said

SOMEBODY = Actor("registry", "civil")


@pytest.fixture
def told(provider: Provider, api: Api) -> Any:
    """Give the streams of two agencies, polled, and a way to fetch what each was told, checked and acknowledged."""
    streams = {client: Api(provider, client).made({})["stream_id"] for client in (to.PORTAL, to.COMPANY)}

    def fetch(client: str = to.PORTAL) -> list[dict[str, Any]]:
        sets = Api(provider, client).poll(streams[client])["sets"]
        Api(provider, client).poll(streams[client], ack=list(sets))
        return [checked(provider, token, audience=client) for token in sets.values()]

    return fetch


def announce(database: Database, event: Any) -> None:
    """Let a register's event happen."""
    with database.writing() as db:
        record(db, event, actor=SOMEBODY, about=[event.citizen])


def test_a_narrowed_permission_is_told_by_names(provider: Provider, told: Any) -> None:
    """A partial withdrawal says which attributes ended and which are left, and to the agency concerned alone."""
    grant = provider.allow("given_name", "employer")
    provider.withdraw(grant, "employer")
    (claims,) = told()
    kind, body = said(claims)
    assert kind == "consent-narrowed"
    assert claims["events"].keys() == {f"{ISSUER}/events/consent-narrowed"}
    del body["event_timestamp"]
    assert body == {
        "grant_id": grant.grant_id, "purpose": "revenue-sign-in",
        "attributes_ended": ["employer"], "attributes_left": ["given_name"],
    }  # fmt: skip
    assert told(to.COMPANY) == []


def test_a_new_decision_that_leaves_something_out_is_told(provider: Provider, told: Any) -> None:
    """Who decides again and allows less than before stops that much, and the agency's systems learn it."""
    provider.allow("given_name", "employer")
    assert told() == []
    provider.allow("given_name")
    provider.allow("given_name")
    (claims,) = told()
    kind, body = said(claims)
    assert (kind, body["attributes_left"]) == ("consent-narrowed", ["given_name"])
    assert body["attributes_ended"] == ["employer"]


def test_a_company_is_told_by_its_own_id(provider: Provider, told: Any) -> None:
    """A private company is told about the citizen by the ID that it knows; the citizen ID is not in the event."""
    provider.sign_in()
    grant = provider.allow("given_name", purpose="mill-sign-in")
    sub = to.claims_of(provider.tokens(to.COMPANY)["id_token"])["sub"]
    provider.withdraw(grant)
    (claims,) = told(to.COMPANY)
    assert claims["sub_id"] == {"format": "iss_sub", "iss": ISSUER, "sub": sub}
    assert CITIZEN not in str(claims)


def test_a_change_that_is_undone_tells_nothing(provider: Provider, told: Any) -> None:
    """The outbox row lives and dies with the withdrawal's own transaction."""
    grant = provider.allow("given_name")
    with pytest.raises(RuntimeError), provider.database.writing() as db:
        decisions.withdraw(db, grant, actor=Actor("citizen", CITIZEN))
        assert len(db.scalars(select(outbox.c.jti)).all()) == 1, "written already, before the commit"
        raise RuntimeError
    assert told() == []
    provider.withdraw(grant)
    assert len(told()) == 1


def test_a_new_value_is_told_to_who_may_read_it(provider: Provider, told: Any) -> None:
    """A change names the attributes that a live permission covers, no others and no values; without one nothing is told."""
    change = AttributesChanged(
        citizen=CITIZEN, source="civil", attributes=("given_name", "address", "employer"), cause="update"
    )
    announce(provider.database, change)
    assert told() == []
    grant = provider.allow("given_name", "employer")
    announce(provider.database, change)
    announce(provider.database, NameChanged(citizen=CITIZEN, source="civil", attributes=("given_name",)))
    announce(
        provider.database,
        AttributesChanged(citizen=CITIZEN, source="civil", attributes=("address",), cause="update"),
    )
    found = [said(claims) for claims in told()]
    assert [(kind, body["attributes"]) for kind, body in found] == [
        ("attribute-changed", ["employer", "given_name"]),
        ("attribute-changed", ["given_name"]),
    ]
    assert told(to.COMPANY) == []
    provider.withdraw(grant)
    assert [said(claims)[0] for claims in told()] == ["consent-ended"]
    announce(provider.database, change)
    assert told() == []


def test_a_session_that_ends_is_told_where_it_signed_in(provider: Provider, told: Any) -> None:
    """An ended session is told to the clients signed in from it, by the sid of their ID token (CAEP 1.0, 3.1)."""
    session = provider.sign_in()
    provider.allow("given_name")
    sid = to.claims_of(provider.tokens()["id_token"])["sid"]
    with provider.database.writing() as db:
        accounts.end_session(db, session, reason="signed-out", actor=Actor("citizen", CITIZEN))
    (claims,) = told()
    kind, body = said(claims)
    assert (kind, body["initiating_entity"]) == ("session-revoked", "user")
    assert claims["sub_id"]["format"] == "complex"
    assert claims["sub_id"]["user"]["sub"] == CITIZEN
    assert claims["sub_id"]["session"] == {"format": "opaque", "id": sid}
    assert told(to.COMPANY) == []


def account(database: Database) -> None:
    """Give the citizen an account."""
    with database.writing() as db:
        accounts.open_for_test(db, CITIZEN, "nino@example.org", language="en")


def test_a_death_locks_and_ends_without_a_word_about_it(provider: Provider, told: Any) -> None:
    """After a death the agency learns that the account is disabled and the permission over; not why."""
    account(provider.database)
    grant = provider.allow("given_name")
    announce(provider.database, CitizenDied(citizen=CITIZEN, source="civil"))
    events = told()
    assert [said(claims)[0] for claims in events] == ["account-disabled", "consent-ended"]
    assert said(events[1])[1]["grant_id"] == grant.grant_id
    assert said(events[1])[1]["reason"] == "ended"
    assert "dead" not in str(events)
    assert "dece" not in str(events)
    announce(provider.database, DeathReversed(citizen=CITIZEN, source="civil"))
    assert [said(claims)[0] for claims in told()] == ["account-enabled"]
    assert told(to.COMPANY) == []


def test_an_erased_citizen_is_told_as_purged(provider: Provider, told: Any) -> None:
    """When somebody is erased their account is purged for those who had to do with them (RISC 1.0, 2.2)."""
    account(provider.database)
    provider.allow("given_name")
    with provider.database.writing() as db:
        erasure.erase(db, CITIZEN, actor=SYSTEM)
    assert [said(claims)[0] for claims in told()] == ["account-purged", "consent-ended"]


def test_a_lock_is_told_to_who_has_a_live_sign_in(provider: Provider, told: Any) -> None:
    """Whoever holds a live sign-in of the citizen learns of a lock, though nothing was shared with it."""
    account(provider.database)
    provider.sign_in()
    provider.tokens(to.COMPANY)
    told(to.COMPANY)
    with provider.database.writing() as db:
        accounts.lock(db, CITIZEN, reason="staff", actor=SYSTEM)
    assert "account-disabled" in [said(claims)[0] for claims in told(to.COMPANY)]
    assert told() == []


def test_two_who_compare_notes_cannot_tell_that_it_is_the_same_citizen(provider: Provider, told: Any) -> None:
    """What a company is told of an event shares no number with what anybody else is told of it; of its own grant it does."""
    account(provider.database)
    provider.sign_in()
    provider.tokens(to.COMPANY)
    provider.allow("given_name")
    grant = provider.allow("given_name", purpose="mill-sign-in")
    with provider.database.writing() as db:
        accounts.lock(db, CITIZEN, reason="staff", actor=SYSTEM)
    both = [one for who in (to.COMPANY, to.PORTAL) for one in told(who) if said(one)[0] == "account-disabled"]
    assert [len({one[name] for one in both}) for name in ("jti", "txn")] == [2, 2]
    assert both[1]["txn"] in [entry["event"] for entry in provider.history()]
    provider.withdraw(grant)
    (claims,) = told(to.COMPANY)
    assert claims["txn"] == provider.history()[-1]["event"]


def test_a_copied_passkey_is_told(provider: Provider, told: Any) -> None:
    """A passkey that may be in two hands is told to those concerned, without saying which one (RISC 1.0, 2.7)."""
    account(provider.database)
    provider.allow("given_name")
    passkey_id = "a-passkey-of-the-citizen"
    add_passkey(provider.database, passkey_id)
    with provider.database.writing() as db:
        record(db, PasskeyCloneSuspected(passkey=passkey_id), actor=SYSTEM, about=[CITIZEN])
    (claims,) = told()
    assert said(claims)[0] == "credential-compromise"
    assert said(claims)[1]["credential_type"] == "passkey"
    assert passkey_id not in str(claims)


def add_passkey(database: Database, passkey_id: str) -> None:
    """Put a passkey's row into the citizen's account."""
    at = clock.now()
    values = {
        "id": passkey_id, "credential_id": b"c", "citizen_id": CITIZEN, "public_key": b"k", "sign_count": 7,
        "device_bound": True, "bound_acr": "urn:erti:loa:high", "name_sealed": b"n", "added_at": at, "used_at": at,
    }  # fmt: skip
    with database.writing() as db:
        db.execute(insert(passkey).values(values))


def test_an_expired_permission_is_told(provider: Provider, told: Any) -> None:
    """What ends by itself is told as well, with that reason."""
    grant = provider.allow("given_name")
    with provider.database.writing() as db:
        endings.end(db, grant, state="expired", reason="expired", actor=SYSTEM)
    assert said(told()[0])[1]["reason"] == "expired"


@pytest.mark.parametrize(
    ("reason", "state", "said_so"),
    [
        ("used-up", "used-up", "used-up"),
        ("agency", "ended-by-agency", "ended-by-agency"),
        ("invalidated", "invalidated", "invalidated"),
        ("deceased", "ended", "ended"),
    ],
)
def test_every_other_end_is_told(
    provider: Provider, told: Any, reason: str, state: str, said_so: str
) -> None:
    """However a permission ends, its agency is told, and no more of the reason than is its business."""
    grant = provider.allow("given_name")
    with provider.database.writing() as db:
        endings.end(db, grant, state=state, reason=reason, actor=SYSTEM)
    assert said(told()[0])[1]["reason"] == said_so


def test_streams_get_only_what_they_asked_for(provider: Provider, api: Api) -> None:
    """A stream that asked for one type of event gets no other."""
    stream_id = api.made({"events_requested": [f"{ISSUER}/events/consent-narrowed"]})["stream_id"]
    grant = provider.allow("given_name", "employer")
    provider.withdraw(grant, "employer")
    provider.withdraw(grant)
    sets = api.poll(stream_id)["sets"]
    assert [said(checked(provider, token))[0] for token in sets.values()] == ["consent-narrowed"]


def test_the_citizen_sees_when_the_agency_knew(provider: Provider, api: Api, receiver: Receiver) -> None:
    """The pages say that nobody takes notices, that one is on its way and how often it was tried, and when it arrived."""
    provider.sign_in()
    account(provider.database)
    grant = provider.allow("given_name")
    page = f"/my/sharing/{grant.grant_id}"
    assert 'id="told"' not in provider.web.get(page).text
    provider.withdraw(grant)
    assert "takes no notices" in provider.web.get(page).text
    api.pushed_to(receiver)
    grant = provider.allow("given_name")
    receiver.answers.append((503, b""))
    provider.withdraw(grant)
    page, after = f"/my/sharing/{grant.grant_id}", f"/my/sharing?stopped={grant.grant_id}"
    for where in (page, after):
        assert "has not confirmed yet" in provider.web.get(where).text
    deliver(provider.database)
    assert "tries so far: 1" in provider.web.get(page).text
    rested(provider.database)
    deliver(provider.database)
    for where in (page, after):
        assert "has received the notice" in provider.web.get(where).text
        assert "შეტყობინება მიიღო" in provider.web.get(where, headers={"accept-language": "ka"}).text


def test_figures_count_what_waits(provider: Provider, api: Api) -> None:
    """Operators see how many notices wait, and how old the oldest is."""
    api.made({})
    provider.withdraw(provider.allow("given_name"))
    with provider.database.reading() as db:
        found = outboxes.backlog(db)
    assert (found.waiting, found.refused, found.given_up) == (1, 0, 0)
    assert found.oldest_seconds > 0
