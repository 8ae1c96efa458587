"""What a register's word does to somebody's account: a new name, a guardian, an age."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from consent import capacity, decisions, guardians, mandates
from consent.errors import DecidesOtherwise, TooYoung
from core import clock
from core.database import Database
from core.events import Actor, record
from idp import accounts
from idp.contacts import book
from idp.errors import AccountLocked
from idp.login import activation
from idp.login.devices import Visitor
from idp.tables import outbox
from registry_sync import people, tables
from registry_sync.events import CitizenDied, RepresentativeEnded, RepresentativeStated
from registry_sync.wire.shapes import Identity
from tests import factories, meanwhile
from tests.at_counter import SEEN
from tests.flows.register import message, sign_in

CIVIL = Actor("registry", "civil")
ALLOWED = {"given_name", "family_name"}


def open_account(database: Database, who: str) -> None:
    """Give somebody an account."""
    with database.writing() as db:
        handle = accounts.new_handle()
        accounts.activate(db, who, handle=handle, language="en", actor=Actor("citizen", who))


def allow(database: Database, who: str, *, by: str | None = None) -> Any:
    """Let somebody allow the revenue service to read two names; `by` a representative."""
    with database.writing() as db:
        return decisions.decide(
            db, citizen=who, client_id="revenue-portal", purpose="revenue-sign-in", allowed=ALLOWED, lang="en",
            actor=Actor("citizen", by or who),
        )  # fmt: skip


def told(database: Database, who: str) -> list[str]:
    """Which letters wait for somebody."""
    with database.reading() as db:
        return list(db.scalars(select(outbox.c.notice).where(outbox.c.citizen_id == who)))


def another(database: Database, born: str = "1960-01-01") -> str:
    """Somebody else."""
    with database.writing() as db:
        return people.enrol(db, {"given_name": "Lali", "birthdate": born}, source="civil")


def say(database: Database, event: Any) -> None:
    """Let the register say something."""
    with database.writing() as db:
        record(db, event, actor=CIVIL, about=[event.citizen])


def test_a_new_name_is_shown_once_and_read_at_once(
    client: TestClient,
    database: Database,
    citizen: str,
    register: Any,
) -> None:
    """The old and the new name stand on one's page until they were read; the letter names neither, and pages and agencies have the new one at once."""
    open_account(database, citizen)
    grant = allow(database, citizen)
    sign_in(client, database, citizen)
    before = client.get("/my", headers={"accept": "text/html"}).text
    assert 'id="name-changed"' not in before
    body = message(register, "name-change", {"name": {"given_name": "Tamar"}})
    answer = client.post(
        "/registry/events", content=body, headers={"content-type": "application/secevent+jwt"}
    )
    assert answer.headers["erti-outcome"] == "applied"
    assert "register-name" in told(database, citizen)
    with database.reading() as db:
        portal = factories.clients.find(db, "revenue-portal")
    bearer = {"Authorization": f"Bearer {factories.access_token(database, portal, citizen, grant.grant_id)}"}
    said = client.get("/userinfo", headers=bearer).json()
    assert said["given_name"] == "Tamar", said
    page = client.get("/my", headers={"accept": "text/html"}).text
    assert 'id="name-changed"' in page
    assert re.search(r"your name is Tamar \w+ now\. Before it was", page)
    with database.reading() as db:
        sealed = db.scalar(select(tables.former_name.c.sealed))
    assert b"Nino" not in sealed
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    assert client.post("/my/name/read", data={"csrf_token": token}).status_code == 303
    assert 'id="name-changed"' not in client.get("/my", headers={"accept": "text/html"}).text


@pytest.mark.parametrize("scope", ["decisions", "all"])
def test_a_guardian_decides_and_what_was_taken_comes_back(
    database: Database,
    client: TestClient,
    citizen: str,
    scope: str,
) -> None:
    """With a guardian somebody gives no permission on their own, keeps the account or has it rest, and has both back when the register takes it back."""
    open_account(database, citizen)
    guardian = another(database)
    facts = {"citizen": citizen, "source": "civil", "representative": guardian, "relation": "guardian"}
    say(database, RepresentativeStated(**facts, as_of="2026-01-01", scope=scope))
    with database.reading() as db:
        account = accounts.find(db, citizen)
    assert account
    assert account.state == ("locked" if scope == "all" else "active")
    assert ("guarded" in told(database, citizen)) == (scope == "all")
    with pytest.raises(DecidesOtherwise):
        allow(database, citizen)
    assert allow(database, citizen, by=guardian).is_live
    say(database, RepresentativeEnded(**facts, as_of="2026-02-01"))
    with database.reading() as db:
        account = accounts.find(db, citizen)
        assert capacity.bar(db, citizen) is None
    assert account
    assert account.state == "active"
    assert allow(database, citizen).is_live


@pytest.mark.parametrize("event", [RepresentativeStated, RepresentativeEnded])
def test_a_registers_word_waits_for_whoever_holds_the_account(
    database: Database, citizen: str, event: Any
) -> None:
    """A register's word about a ward comes after what holds the ward's account and then the mandates: neither stops the other."""
    open_account(database, citizen)
    facts = {"citizen": citizen, "source": "civil", "representative": another(database)}
    facts |= {"relation": "guardian", "as_of": "2026-01-01"}
    say(database, RepresentativeStated(**facts, scope="all"))
    word = event(**facts) if event is RepresentativeEnded else event(**facts, scope="decisions")
    with database.writing() as db:
        accounts.hold(db, citizen)
        said = meanwhile.begun(lambda: say(database, word))
        assert mandates.of_ground(db, "guardian", giver=citizen)
    said.result(timeout=30)
    with database.reading() as db:
        account = accounts.find(db, citizen)
    assert account
    assert account.state == "active"


@pytest.mark.parametrize("before", ["no account", "a letter", "a closed account"])
def test_a_ward_in_everything_opens_no_account(
    database: Database,
    client: TestClient,
    citizen: str,
    before: str,
) -> None:
    """A guardian who acts in everything bars the way in that was not there yet, was printed already, or was closed; it opens when that ends."""
    with database.writing() as db:
        code = activation.make_code(db, citizen, seen=SEEN, actor=CIVIL)
    if before == "a closed account":
        open_account(database, citizen)
        with database.writing() as db:
            accounts.close(db, citizen, actor=CIVIL)
    facts = {
        "citizen": citizen,
        "source": "civil",
        "representative": another(database),
        "relation": "guardian",
    }
    say(database, RepresentativeStated(**facts, as_of="2026-01-01", scope="all"))
    with pytest.raises(AccountLocked), database.writing() as db:
        if before == "a letter":
            accounts.activate(db, citizen, handle=accounts.new_handle(), language="en", actor=CIVIL)
        else:
            activation.make_code(db, citizen, seen=SEEN, actor=CIVIL)
    assert not told(database, citizen) or before == "a closed account"
    say(database, CitizenDied(citizen=facts["representative"], source="civil"))
    with pytest.raises(AccountLocked), database.writing() as db:
        activation.make_code(db, citizen, seen=SEEN, actor=CIVIL)
    say(database, RepresentativeEnded(**facts, as_of="2026-02-01"))
    visitor = Visitor("b" * 32, "", "203.0.113.9", "")
    with database.writing() as db:
        code = activation.make_code(db, citizen, seen=SEEN, actor=CIVIL)
        assert isinstance(activation.begin(db, citizen, code, visitor, return_to="/my"), activation.Started)
        account = accounts.activate(db, citizen, handle=accounts.new_handle(), language="en", actor=CIVIL)
    assert (account.state, account.locks) == ("active", ())
    assert account.proofing == ("counter-again" if before == "a closed account" else "counter")


def test_the_young_decide_from_their_birthday_on(
    database: Database,
    client: TestClient,
    citizen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Below the age a parent allows and the child cannot; on the birthday the right of the parent ends, the child is told, and decides."""
    parent = another(database)
    at = clock.now()
    born = (at - timedelta(days=300)).date()
    born = born.replace(year=born.year - 15)
    with database.writing() as db:
        identity = people.sealed(db, citizen, Identity(given="Luka", born=born.isoformat()))
        mine = tables.person.c.citizen_id == citizen
        db.execute(update(tables.person).where(mine).values(identity=identity))
    facts = {"citizen": citizen, "source": "civil", "representative": parent, "relation": "parent"}
    say(database, RepresentativeStated(**facts, as_of="2026-01-01"))
    open_account(database, parent)
    with database.writing() as db:
        book.add(db, parent, "parent@example.org", actor=Actor("citizen", parent))
    open_account(database, citizen)
    assert "child-activated" in told(database, parent), "the parent hears that the child can sign in"
    sign_in(client, database, parent)
    assert (
        f"{people.grouped(citizen)}, for whom you act by law" in client.get("/my/history?kind=account").text
    )
    with pytest.raises(TooYoung):
        allow(database, citizen)
    assert allow(database, citizen, by=parent).is_live
    with database.reading() as db:
        grown = guardians.comes_of_age(db, citizen)
    assert grown
    monkeypatch.setattr(clock, "now", lambda: grown + timedelta(seconds=1))
    with database.writing() as db:
        assert mandates.expire(db, citizen) == 1
    assert "of-age" in told(database, citizen)
    with database.reading() as db:
        assert not mandates.of_ground(db, "parent", giver=citizen)
        assert capacity.bar(db, citizen) is None
    assert allow(database, citizen).is_live
