"""Many citizens in one read, and reads that ask for more than is covered."""

from typing import Any

import pytest

from consent import decisions, disclosure
from consent.disclosure import NotReleased, Released
from consent.errors import AskMalformed, RefusedTooOften
from consent.events import StaffLooked
from consent.ledger.errors import LedgerBusy, RequestReused
from consent.ledger.sequencer import Disclosure
from core import limits
from core.database import Database
from core.events import Actor
from registry_sync import people
from tests.consent import country
from tests.consent.country import CITIZEN, DEAD, OTHER, SUBSTANTIAL, ask


def several(database: Database, count: int) -> list[str]:
    """Let some people be born who all allow their given name."""
    born = [people.new_citizen_id() for _number in range(count)]
    with database.writing() as db:
        for citizen in born:
            country.be_born(db, citizen)
            country.allow(db, "given_name", citizen=citizen)
    return born


def asks(citizens: list[str], request_id: str = "b", **changes: Any) -> list[disclosure.Ask]:
    """Return a batch about these citizens."""
    return [
        ask(citizen=citizen, request_id=f"{request_id}/{place}", **changes)
        for place, citizen in enumerate(citizens)
    ]


def test_many_are_read_at_once_each_with_their_own_answer(open_door: Database) -> None:
    """Whoever allowed is read with an entry of their own; whoever did not is refused by rule, and both have it in writing."""
    born = several(open_door, 3)
    with open_door.writing() as db:
        country.be_born(db, OTHER)
    wanted = [born[0], OTHER, "0000000000000", born[1], DEAD, born[2]]
    said = disclosure.release_all(open_door, asks(wanted))
    for place in (0, 3, 5):
        one = said[place]
        assert isinstance(one, Released)
        assert one.values["given_name"].value == "Nino"
        assert country.last(open_door, wanted[place])["request_id"] == f"b/{place}"
    rules = [one.rule for one in said if isinstance(one, NotReleased)]
    assert rules == ["no-grant", "no-grant", "no-grant"]
    assert country.last(open_door, OTHER)["rule"] == "no-grant"
    indexes = [one.receipt.index for one in said if isinstance(one, Released)]
    assert len(set(indexes)) == 3


def test_a_batch_by_law_tells_the_unknown_and_the_dead_apart(open_door: Database) -> None:
    """By law each is read for the case and official; nobody and the dead are refused by their own rules."""
    law = {"purpose": "revenue-assessment", "case": "A-1", "official": "o-1"}
    alive, unknown, dead = disclosure.release_all(
        open_door, asks([CITIZEN, "0000000000000", DEAD], attributes=("income_bracket",), **law)
    )
    assert isinstance(alive, Released)
    assert alive.values["income_bracket"].source == "tax"
    assert isinstance(unknown, NotReleased)
    assert isinstance(dead, NotReleased)
    assert (unknown.rule, dead.rule) == ("citizen-unknown", "citizen-deceased")
    said = country.last(open_door)
    assert (said["channel"], said["official"]) == ("law", "o-1")
    assert country.last(open_door, "agency:revenue")["rule"] == "citizen-unknown"


def test_a_repeated_batch_is_the_same_reads(open_door: Database) -> None:
    """The same batch again adds no entry; a citizen who decided anew in between is named, and not read."""
    born = several(open_door, 3)
    first, second = (disclosure.release_all(open_door, asks(born)) for _time in range(2))
    assert [one.receipt.index for one in first if isinstance(one, Released)] == [
        one.receipt.index for one in second if isinstance(one, Released)
    ]
    assert len([facts for facts in country.history(open_door, born[0]) if facts["kind"] == "disclosed"]) == 1
    with open_door.writing() as db:
        country.allow(db, "given_name", "employer", citizen=born[1])
    third = disclosure.release_all(open_door, asks(born))
    assert [type(one) for one in third] == [Released, RequestReused, Released]


def test_a_batch_is_of_one_kind_and_needs_the_ledger(open_door: Database) -> None:
    """Two purposes in one batch are turned away; without the ledger nobody is read; inside a write transaction it fails."""
    born = several(open_door, 2)
    with pytest.raises(AskMalformed):
        disclosure.release_all(
            open_door, [ask(citizen=born[0]), ask(citizen=born[1], purpose="health-sign-in")]
        )
    with pytest.raises(AskMalformed):
        disclosure.release_all(open_door, [ask(citizen=born[0], channel="sign-in", acr=SUBSTANTIAL)])
    with open_door.writing(), pytest.raises(RuntimeError):
        disclosure.release_all(open_door, asks(born))
    assert disclosure.release_all(open_door, []) == []
    open_door.parts.sequencer.stop()
    with pytest.raises(LedgerBusy):
        disclosure.release_all(open_door, asks(born))


def test_a_withdrawal_that_commits_first_leaves_one_out_of_a_batch(open_door: Database) -> None:
    """Whoever withdrew before the entry was made is refused; the others of the batch are read."""
    born = several(open_door, 2)
    with open_door.writing() as db:
        held = decisions.decide(
            db, citizen=born[1], client_id="portal", purpose="revenue-sign-in", allowed={"given_name"},
            lang="en", actor=Actor("citizen", born[1]),
        )  # fmt: skip
    before = open_door.parts.sequencer.submit_all

    def late(disclosures: Any) -> Any:
        with open_door.writing() as db:
            decisions.withdraw(db, held, actor=Actor("citizen", born[1]))
        return before(disclosures)

    open_door.parts.sequencer.submit_all = late
    first, second = disclosure.release_all(open_door, asks(born))
    assert isinstance(first, Released)
    assert isinstance(second, NotReleased)
    assert second.rule == "grant-ended"


def test_refusals_in_batches_have_a_measure_too(open_door: Database) -> None:
    """A client that fills histories with refused batches is slowed down."""
    with open_door.writing() as db:
        limits.hit(
            db, "door.refused.batch", "portal", most=10, per_seconds=60,
            times=disclosure.REFUSALS_IN_BATCHES_A_MINUTE,
        )  # fmt: skip
    with pytest.raises(RefusedTooOften):
        disclosure.release_all(open_door, asks([CITIZEN]))


def test_too_much_is_narrowed_where_that_is_wanted(open_door: Database) -> None:
    """With `narrow` the covered part is read; what else was asked for is told, and stands in the history."""
    with open_door.writing() as db:
        country.allow(db, "given_name")
    found = disclosure.release(open_door, ask("given_name", "employer", "address", "made_up", narrow=True))
    assert isinstance(found, Released)
    assert set(found.values) == {"given_name"}
    assert found.withheld == ("employer", "address", "made_up")
    said = country.last(open_door)
    assert (said["attributes"], said["withheld"]) == (["given_name"], ["employer", "address"])


def test_too_much_is_refused_otherwise_and_named(open_door: Database) -> None:
    """Without `narrow` nothing is read, and the history names what was asked for and what of it was not covered."""
    with open_door.writing() as db:
        country.allow(db, "given_name")
    assert isinstance(disclosure.release(open_door, ask("given_name", "employer")), NotReleased)
    said = country.last(open_door)
    assert (said["outcome"], said["attributes"], said["withheld"]) == (
        "refused", ["given_name", "employer"], ["employer"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("names", "rule"), [(("employer",), "attribute-not-agreed"), (("address",), "attribute-outside-purpose")]
)
def test_narrowed_to_nothing_is_refused(open_door: Database, names: tuple[str, ...], rule: str) -> None:
    """Where nothing that is asked for is covered, narrowing makes no read of it."""
    with open_door.writing() as db:
        country.allow(db, "given_name")
    found = disclosure.release(open_door, ask(*names, narrow=True))
    assert isinstance(found, NotReleased)
    assert found.rule == rule


def test_narrow_opens_nothing_without_a_grant(open_door: Database) -> None:
    """Who has no grant gets no part of anything, at a sign-in neither."""
    for changes in ({}, {"channel": "sign-in", "acr": SUBSTANTIAL}):
        found = disclosure.release(open_door, ask("given_name", narrow=True, **changes))
        assert isinstance(found, NotReleased)
        assert found.rule == "no-grant"


def test_each_channel_is_named(open_door: Database) -> None:
    """A read says truthfully how it came about: signed in, away, by an agency's system, or by law."""
    with open_door.writing() as db:
        country.allow(db, "given_name")
    law = {"purpose": "revenue-assessment", "case": "A-1", "official": "o-1"}
    for changes, channel in (
        ({}, "standing"),
        ({"channel": "sign-in", "acr": SUBSTANTIAL}, "sign-in"),
        ({"channel": "offline", "acr": SUBSTANTIAL}, "offline"),
        (law, "law"),
    ):
        assert isinstance(disclosure.release(open_door, ask("given_name", **changes)), Released)
        assert country.last(open_door)["channel"] == channel


def test_a_single_read_does_not_wait_for_a_thousand(open_door: Database) -> None:
    """A single read that comes while a thousand wait goes before those that are not yet taken, and all are made."""
    event = StaffLooked(
        staff="s-1", office="o", reason="r", attributes=("name",), request_id="r", outcome="released"
    )

    def look() -> Disclosure:
        return Disclosure(event=event, about=[CITIZEN], actor=Actor("staff", "s-1"))

    sequencer = open_door.parts.sequencer
    waiting = sequencer.submit_all([look() for _number in range(1000)])
    single = sequencer.submit(look()).wait(30)
    many = [ticket.wait(30) for ticket in waiting]
    assert single.index < many[-1].index
    assert len({one.index for one in many} | {single.index}) == 1001
