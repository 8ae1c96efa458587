import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select, update

from consent import agencies, decisions, disclosure, grants, purposes, tables
from consent.disclosure import NotReleased, Released, StaffAsk
from consent.errors import AskMalformed, RefusedTooOften
from consent.ledger.errors import LedgerBusy, RequestReused
from consent.ledger.tables import entry, head
from core import clock, limits
from core.database import Database
from core.events import SYSTEM
from tests.consent import country
from tests.consent.country import CITIZEN, DEAD, LAW, LOW, ME, SUBSTANTIAL, agency, allow, ask, purpose


def grant(database: Database, *names: str, **changes: Any) -> grants.Grant:
    """Let the citizen allow attributes, in a transaction of its own."""
    with database.writing() as db:
        return allow(db, *names, **changes)


def leaves(database: Database) -> int:
    """Return how many leaves the ledger has."""
    with database.reading() as db:
        return db.scalar(select(head.c.size).where(head.c.log == 1)) or 0


def test_a_granted_read_is_released_after_its_entry(open_door: Database) -> None:
    """The values come with their source and day, and the entry that stands for them is the ledger's newest."""
    given = grant(open_door, "given_name", "income_bracket")
    found = disclosure.release(open_door, ask("given_name", "income_bracket", case="R-1"))
    assert isinstance(found, Released)
    assert {name: (one.value, one.source, one.as_of) for name, one in found.values.items()} == {
        "given_name": ("Nino", "civil", "2026-01-31"),
        "income_bracket": ("B", "tax", "2025-12-31"),
    }
    with open_door.reading() as db:
        row = db.execute(select(entry).where(entry.c.leaf_index == found.receipt.index)).one()
    assert row.commitment == found.receipt.commitment
    assert (row.kind, row.agency, row.purpose, row.basis, row.outcome) == (
        "disclosed", "revenue", "revenue-sign-in", "consent", "released",
    )  # fmt: skip
    said = country.last(open_door)
    assert said["grant"] == given.grant_id
    assert said["case"] == "R-1"
    assert said["attributes"] == ["given_name", "income_bracket"]
    assert "Nino" not in str(country.history(open_door))


def test_what_no_register_holds_is_left_out(open_door: Database) -> None:
    """An attribute without a value is not made up, and still stands in the entry as asked for."""
    with open_door.writing() as db:
        spec = purpose("revenue-mail", attributes=[{"name": "email", "required": True}])
        purposes.publish(db, spec, actor=SYSTEM)
    grant(open_door, "email", purpose="revenue-mail")
    found = disclosure.release(open_door, ask("email", purpose="revenue-mail"))
    assert isinstance(found, Released)
    assert found.values == {}
    assert country.last(open_door)["attributes"] == ["email"]


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown agency": ({"agency": "nobody"}, "agency-not-active"),
    "an unknown purpose": ({"purpose": "none"}, "purpose-unknown"),
    "another agency's purpose": ({"purpose": "health-sign-in"}, "purpose-of-another-agency"),
    "an attribute beyond the purpose": (
        {"attributes": ("given_name", "address")},
        "attribute-outside-purpose",
    ),
    "a law without a case": ({"purpose": "revenue-assessment"}, "case-missing"),
    "a law without an official": ({"purpose": "revenue-assessment", "case": "A"}, "official-missing"),
    "an official of blanks": (
        {"purpose": "revenue-assessment", "case": "A", "official": " "},
        "official-missing",
    ),
    "a case of blanks": ({"purpose": "revenue-assessment", "case": "  "}, "case-missing"),
    "a weak sign-in": ({"channel": "sign-in", "acr": LOW}, "assurance-too-low"),
    "no known sign-in": ({"channel": "sign-in"}, "assurance-too-low"),
    "an attribute left off": ({"attributes": ("given_name", "employer")}, "attribute-not-agreed"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_the_door_says_which_rule_refused(open_door: Database, name: str) -> None:
    """A read that breaks a rule is refused by that rule's name, and the refusal joins the citizen's history."""
    changes, rule = REFUSALS[name]
    grant(open_door, "given_name")
    found = disclosure.release(open_door, ask(**changes))
    assert isinstance(found, NotReleased)
    assert found.rule == rule
    assert str(found.text)
    said = country.last(open_door)
    assert (said["kind"], said["outcome"], said["rule"]) == ("disclosed", "refused", rule)


def no_grant(_database: Database) -> None:
    """Nothing was ever allowed."""


def withdrawn(database: Database) -> None:
    """The citizen took everything back."""
    given = grant(database, "given_name")
    with database.writing() as db:
        decisions.withdraw(db, given, actor=ME)


def expired(database: Database) -> None:
    """The grant's time is over, and nobody noted it yet."""
    given = grant(database, "given_name")
    with database.writing() as db:
        column = tables.grant.c.grant_id == given.grant_id
        db.execute(update(tables.grant).where(column).values(expires_at=clock.now()))


def declined(database: Database) -> None:
    """The citizen said no."""
    with database.writing() as db:
        decisions.decline(
            db, citizen=CITIZEN, client_id="portal", purpose="revenue-sign-in", lang="en", actor=ME
        )


@pytest.mark.parametrize("before", [no_grant, withdrawn, expired, declined])
def test_without_a_live_grant_nothing_is_read(
    open_door: Database, before: Callable[[Database], None]
) -> None:
    """Never given, taken back, run out or refused: the door knows no grant."""
    before(open_door)
    found = disclosure.release(open_door, ask())
    assert isinstance(found, NotReleased)
    assert found.rule == "no-grant"


def test_a_suspended_agency_reads_nothing(open_door: Database) -> None:
    """Suspending an agency stops its reads, whatever its citizens allowed."""
    grant(open_door, "given_name")
    with open_door.writing() as db:
        agencies.put(db, agency(state="suspended"), actor=SYSTEM)
    found = disclosure.release(open_door, ask())
    assert isinstance(found, NotReleased)
    assert found.rule == "agency-not-active"


def test_a_withdrawn_attribute_is_not_read(open_door: Database) -> None:
    """After an attribute is taken back the others are still released, and it is not."""
    given = grant(open_door, "given_name", "employer")
    with open_door.writing() as db:
        decisions.withdraw(db, given, attributes={"employer"}, actor=ME)
    refused = disclosure.release(open_door, ask("given_name", "employer"))
    assert isinstance(refused, NotReleased)
    assert refused.rule == "attribute-not-agreed"
    assert isinstance(disclosure.release(open_door, ask("given_name")), Released)


def test_agreed_terms_hold_until_new_ones_are_agreed(open_door: Database) -> None:
    """A new version of a purpose neither ends the reads agreed to before nor adds to them."""
    grant(open_door, "given_name")
    longer = [*purpose()["attributes"], {"name": "address", "required": False}]
    with open_door.writing() as db:
        purposes.publish(db, purpose(attributes=longer), actor=SYSTEM)
    assert isinstance(disclosure.release(open_door, ask("given_name")), Released)
    assert country.last(open_door)["purpose_version"] == 1
    refused = disclosure.release(open_door, ask("address"))
    assert isinstance(refused, NotReleased)
    assert refused.rule == "attribute-not-agreed"


def test_a_law_needs_no_consent(open_door: Database) -> None:
    """A read by law names law, case and official in the history of a person who never signed in."""
    found = disclosure.release(
        open_door, ask(purpose="revenue-assessment", case="A-17", official="officer-7f")
    )
    assert isinstance(found, Released)
    said = country.last(open_door)
    assert (said["basis"], said["law"], said["channel"]) == ("law", "Tax Code, 72(1)", "law")
    assert (said["case"], said["official"]) == ("A-17", "officer-7f")


def test_an_unknown_citizen_is_refused_on_the_agencys_chain(open_door: Database) -> None:
    """A read by law about nobody is refused, and stands in the agency's own chain."""
    found = disclosure.release(
        open_door, ask(purpose="revenue-assessment", case="A-17", official="o-1", citizen="0000000000000")
    )
    assert isinstance(found, NotReleased)
    assert found.rule == "citizen-unknown"
    assert country.last(open_door, "agency:revenue")["rule"] == "citizen-unknown"


def test_a_history_holds_no_purpose_of_the_askers_invention(open_door: Database) -> None:
    """What an agency invents as a purpose or an attribute does not get into a citizen's history."""
    disclosure.release(open_door, ask("given_name", "He is a thief", purpose="He is a thief"))
    assert "thief" not in str(country.history(open_door))


def test_after_a_death_only_the_law_reads(open_door: Database) -> None:
    """Consent ends with a life; a law reads on only if its purpose says so."""
    with open_door.writing() as db:
        allow(db, "given_name", citizen=DEAD)
        estate = purpose("revenue-estate", basis={**LAW, "deceased": True})
        purposes.publish(db, estate, actor=SYSTEM)
    for purpose_id in ("revenue-sign-in", "revenue-assessment"):
        refused = disclosure.release(
            open_door, ask(citizen=DEAD, purpose=purpose_id, case="E-1", official="o-1")
        )
        assert isinstance(refused, NotReleased)
        assert refused.rule == "citizen-deceased"
    found = disclosure.release(
        open_door, ask(citizen=DEAD, purpose="revenue-estate", case="E-1", official="o-1")
    )
    assert isinstance(found, Released)


def test_a_company_is_not_told_of_a_death(open_door: Database) -> None:
    """A company that asks by law for somebody who died gets the answer that it gets for nobody."""
    with open_door.writing() as db:
        agencies.put(db, agency("mill", kind="private"), actor=SYSTEM)
        purposes.publish(db, purpose("mill-law", agency="mill", basis=dict(LAW), acr=LOW), actor=SYSTEM)
    wanted = {"agency": "mill", "purpose": "mill-law", "case": "M-1", "official": "o-1"}
    dead, nobody = (
        disclosure.release(open_door, ask("given_name", citizen=citizen, **wanted))
        for citizen in (DEAD, "0000000000000")
    )
    assert dead == nobody
    assert isinstance(dead, NotReleased)


def test_signing_in_reads_at_its_own_assurance(open_door: Database) -> None:
    """A sign-in that is strong enough reads; one without attributes needs no grant, and is on record."""
    grant(open_door, "given_name")
    strong = ask(channel="sign-in", acr=SUBSTANTIAL)
    assert isinstance(disclosure.release(open_door, strong), Released)
    bare = country.Ask(
        **{**vars(strong), "attributes": (), "request_id": "bare", "purpose": "revenue-sign-in"}
    )
    found = disclosure.release(open_door, bare)
    assert isinstance(found, Released)
    assert found.values == {}


def test_a_repeated_request_is_the_same_read(open_door: Database) -> None:
    """The same request again gets the first entry and adds none; for anything else its ID is spent, under a
    new grant too."""
    given = grant(open_door, "given_name")
    first = ask(request_id="r-1")
    one, two = disclosure.release(open_door, first), disclosure.release(open_door, first)
    assert isinstance(one, Released)
    assert isinstance(two, Released)
    assert one.receipt.index == two.receipt.index
    assert len([facts for facts in country.history(open_door) if facts["kind"] == "disclosed"]) == 1
    with pytest.raises(RequestReused):
        disclosure.release(open_door, ask(request_id="r-1", body_sha256=country.digest("other")))
    with open_door.writing() as db:
        country.be_born(db, country.OTHER)
        allow(db, "given_name", citizen=country.OTHER)
    with pytest.raises(RequestReused):
        disclosure.release(open_door, ask(request_id="r-1", citizen=country.OTHER))
    with open_door.writing() as db:
        decisions.withdraw(db, given, actor=ME)
    assert isinstance(disclosure.release(open_door, first), NotReleased)
    grant(open_door, "given_name")
    with pytest.raises(RequestReused):
        disclosure.release(open_door, first)  # it rests on another grant now


def test_release_inside_a_write_transaction_fails_at_once(open_door: Database) -> None:
    """The door does not wait for the ledger while its own thread holds the database."""
    grant(open_door, "given_name")
    open_door.parts.sequencer.drain()
    before = leaves(open_door)
    started = time.monotonic()
    with open_door.writing():
        with pytest.raises(RuntimeError):
            disclosure.release(open_door, ask())
        with pytest.raises(RuntimeError):
            disclosure.staff(open_door, look())
    assert time.monotonic() - started < 0.5
    assert leaves(open_door) == before


def test_without_the_ledger_nothing_is_released(open_door: Database) -> None:
    """If entries cannot be made durable in time, the answer is "busy" and no value goes out."""
    grant(open_door, "given_name")
    open_door.parts.sequencer.stop()
    with pytest.raises(LedgerBusy):
        disclosure.release(open_door, ask())
    open_door.parts.sequencer, running = None, open_door.parts.sequencer
    with pytest.raises(RuntimeError):
        disclosure.release(open_door, ask())
    open_door.parts.sequencer = running


def test_a_withdrawal_that_commits_first_stops_the_read(open_door: Database) -> None:
    """A read that was checked before a withdrawal committed, and not durable before it, is refused."""
    given = grant(open_door, "given_name")
    assert isinstance(disclosure.release(open_door, ask()), Released)
    checked, answers = threading.Event(), []

    def read() -> None:
        checked.set()
        answers.append(disclosure.release(open_door, ask(request_id="late")))

    with open_door.writing() as db:
        decisions.withdraw(db, given, actor=ME)
        reader = threading.Thread(target=read)
        reader.start()
        assert checked.wait(5)
        time.sleep(0.3)  # its own check has passed: it saw the grant, since nothing is committed yet
        assert not answers
    reader.join()
    assert isinstance(answers[0], NotReleased)
    assert answers[0].rule == "grant-ended"
    kinds = [(facts["kind"], facts["data"]["outcome"]) for facts in country.history(open_door)]
    assert kinds == [
        ("grant-given", "given"),
        ("disclosed", "released"),
        ("grant-withdrawn", "withdrawn"),
        ("disclosed", "refused"),
    ]


def test_nothing_is_read_after_a_withdrawal(open_door: Database) -> None:
    """While many read, a withdrawal commits: in the ledger no released read stands behind it."""
    given = grant(open_door, "given_name")
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            disclosure.release(open_door, ask())

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    time.sleep(0.5)
    with open_door.writing() as db:
        decisions.withdraw(db, given, actor=ME)
    time.sleep(0.3)
    stop.set()
    for reader in readers:
        reader.join()
    outcomes = [facts["data"]["outcome"] for facts in country.history(open_door)]
    assert "released" in outcomes
    assert "refused" in outcomes
    assert "released" not in outcomes[outcomes.index("withdrawn") :]


def test_what_cannot_be_judged_is_malformed(open_door: Database) -> None:
    """An ask without attributes, without a request ID, with a hash that is none, or endless, is turned away."""
    for changes in (
        {"attributes": ()},
        {"request_id": ""},
        {"request_id": "r" * 200},
        {"body_sha256": "abc"},
        {"case": "c" * 300},
        {"official": "a\nb"},
    ):
        with pytest.raises(AskMalformed):
            country.Ask(**{**vars(ask()), **changes})


def test_refusals_are_kept_up_to_a_measure(open_door: Database) -> None:
    """A client that is refused without end is slowed down instead of filling a citizen's history."""
    with open_door.writing() as db:
        for _time in range(disclosure.REFUSALS_A_MINUTE):
            limits.hit(db, "door.refused", "portal", most=10, per_seconds=60)
    with pytest.raises(RefusedTooOften) as caught:
        disclosure.release(open_door, ask())
    assert caught.value.retry_after > 0


def test_a_history_is_not_buried_under_refusals(open_door: Database) -> None:
    """About one citizen a client is refused only so often, alone or in batches; about others it may go on."""
    with open_door.writing() as db:
        most = disclosure.REFUSALS_OF_ONE_AN_HOUR
        limits.hit(db, "door.refused.one", f"portal {CITIZEN}", most=most, per_seconds=3600, times=most - 1)
    assert isinstance(disclosure.release(open_door, ask()), NotReleased)
    entries = len(country.history(open_door))
    with pytest.raises(RefusedTooOften):
        disclosure.release(open_door, ask())
    with pytest.raises(RefusedTooOften):
        disclosure.release_all(open_door, [ask()])
    assert len(country.history(open_door)) == entries
    assert isinstance(disclosure.release(open_door, ask(citizen=country.OTHER)), NotReleased)


def look(**changes: Any) -> StaffAsk:
    """Return what a member of staff asks."""
    facts = {"staff": "s-1", "office": "Help desk", "reason": "Ticket 5", "citizen": CITIZEN}
    return StaffAsk(**{**facts, "attributes": ("given_name",), **changes})


def test_staff_look_under_their_name(open_door: Database) -> None:
    """Who looked, from which office and why, is in the citizen's history before the value is shown."""
    found = disclosure.staff(open_door, look())
    assert isinstance(found, Released)
    assert found.values["given_name"].value == "Nino"
    facts = country.history(open_door)[-1]
    assert facts["actor"] == {"kind": "staff", "id": "s-1"}
    assert (facts["data"]["office"], facts["data"]["reason"]) == ("Help desk", "Ticket 5")
    for changes in ({"reason": " "}, {"office": ""}, {"attributes": ()}):
        with pytest.raises(AskMalformed):
            disclosure.staff(open_door, look(**changes))
    unknown = disclosure.staff(open_door, look(citizen="0000000000000"))
    assert isinstance(unknown, NotReleased)


def test_ones_own_values_need_no_entry(open_door: Database) -> None:
    """A citizen who reads their own data leaves no trace."""
    open_door.parts.sequencer.drain()
    before = leaves(open_door)
    with open_door.reading() as db:
        values = disclosure.own(db, CITIZEN, disclosure.CATALOGUE)
        assert set(values) == {"given_name", "address", "income_bracket", "employer"}
        assert db.scalar(select(func.count()).select_from(entry).where(entry.c.log == 1)) == before
