import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from consent import disclosure, evidence, history, receipts, withholding
from consent.disclosure import NotReleased, Released, ResolveAsk
from consent.errors import ReceiptUnknown
from consent.ledger import batch, fsck, logs, withheld_again
from consent.ledger.disclosures import Disclosure, Integrated, Item
from consent.ledger.subjects import Labels
from consent.ledger.tables import entry, fixed, withheld
from core import clock
from core.database import Database
from core.events import SYSTEM, waiting
from keys import jwks
from registry_sync.events import CitizenErased
from tests.consent import country, receipt_reader, secrecy
from tests.consent.country import CITIZEN, OTHER
from verifier import erti_verify


@pytest.fixture
def nation(house: Database) -> Database:
    """Give a country with two citizens, in which one agency may withhold the reads of an inquiry."""
    secrecy.settle(house)
    secrecy.work(house)
    return house


def test_a_withheld_read_is_in_its_own_log(nation: Database) -> None:
    """The agency gets the values and a receipt, the entry stands in the withheld log, and the open one is as before."""
    before = country.history(nation)
    found = secrecy.inquire(nation)
    assert {name: value.value for name, value in found.values.items()} == {
        "given_name": "Nino",
        "employer": "The Mill",
    }
    assert found.receipt.log == logs.FIRST_WITHHELD
    assert country.history(nation) == before
    (row,) = secrecy.withheld_rows(nation)
    assert (row.leaf_index, row.agency, row.purpose) == (found.receipt.index, "revenue", "revenue-inquiry")
    assert fsck.check(nation) == []


def test_a_repeated_request_is_the_same_read(nation: Database) -> None:
    """The same request ID leads to the same withheld entry, as with any other read."""
    asked = secrecy.inquiry()
    first, second = disclosure.release(nation, asked), disclosure.release(nation, asked)
    assert isinstance(first, Released)
    assert isinstance(second, Released)
    assert second.receipt.index == first.receipt.index
    assert len(secrecy.withheld_rows(nation)) == 1


def test_a_refused_read_does_not_give_it_away(nation: Database) -> None:
    """A read that is refused under such a purpose, one or many, is withheld as well."""
    before = country.history(nation)
    assert isinstance(disclosure.release(nation, secrecy.inquiry("address")), NotReleased)
    many = [secrecy.inquiry(case=""), secrecy.inquiry()]
    answers = disclosure.release_all(nation, many)
    assert [type(one) for one in answers] == [NotReleased, Released]
    assert country.history(nation) == before
    assert [row.outcome for row in secrecy.withheld_rows(nation)] == ["refused", "refused", "released"]


def test_finding_somebody_for_an_inquiry_does_not_give_it_away(nation: Database) -> None:
    """A citizen ID that is looked up under such a purpose is told later, found or refused."""
    before = country.history(nation)
    asked = ResolveAsk(
        agency="revenue",
        client="portal",
        purpose="revenue-inquiry",
        identifier_type="UIN",
        identifier=f"number of {CITIZEN}",
        case="I-7",
        official="officer-7f",
        request_id="r-1",
        body_sha256=country.digest(),
    )
    assert disclosure.resolve(nation, asked) == CITIZEN
    assert country.history(nation) == before
    assert [row.kind for row in secrecy.withheld_rows(nation)] == ["citizen-resolved"]


@pytest.mark.parametrize("channel", ["sign-in", "behalf"])
def test_nobody_sits_beside_it(nation: Database, channel: Any) -> None:
    """A purpose whose reads are withheld is of no use where the citizen or somebody for them is there."""
    changes: dict[str, Any] = {"channel": channel, "acr": country.HIGH}
    if channel == "behalf":
        changes["representative"] = OTHER
    found = disclosure.release(nation, secrecy.inquiry(**changes))
    assert isinstance(found, NotReleased)
    assert found.rule == "withheld-not-alone"
    assert [row.outcome for row in secrecy.withheld_rows(nation)] == ["refused"]


def test_what_waits_about_the_citizen_is_left_alone(nation: Database) -> None:
    """A withheld read takes nothing that waits about its citizen into the ledger: that could be seen."""
    nation.parts.sequencer.stop()
    item = Item.of(
        Disclosure(
            event=CitizenErased(citizen=CITIZEN),
            about=[CITIZEN],
            actor=SYSTEM,
            disclose_after=clock.now() + timedelta(days=1),
        )
    )
    with nation.writing() as db:
        country.allow(db, "given_name")
    with nation.writing() as db:
        (placed,) = batch.integrate(db, Labels(nation.parts), [item], evidence.stands)
    assert isinstance(placed, Integrated)
    with nation.reading() as db:
        assert [row.kind for row in db.execute(select(waiting))] == ["grant-given"]


def test_only_its_agency_has_a_receipt(nation: Database) -> None:
    """The agency can fetch the receipt of its withheld read, without a proof; the citizen cannot."""
    found = secrecy.inquire(nation)
    secrecy.work(nation)
    event_id = found.receipt.event_id
    with nation.reading() as db:
        signed = receipts.for_agency(
            db, event_id, agency="revenue", client="portal", purposes=["revenue-inquiry"]
        )
        with pytest.raises(ReceiptUnknown):
            receipts.for_citizen(db, event_id, citizen=CITIZEN)
        with pytest.raises(ReceiptUnknown):
            receipts.for_agency(db, event_id, agency="health", client="other", purposes=["revenue-inquiry"])
    with nation.reading() as db:
        claims = receipt_reader.claims(signed, jwks.historical(db))
    assert claims["entry"]["data"]["case"] == "I-7"
    assert "tlog_proof" not in claims


def test_it_is_told_when_it_is_due(nation: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a day earlier, then once, with what was read, and with proof that it stood there at the time."""
    secrecy.inquire(nation)
    month = secrecy.withheld_rows(nation)[0].month
    secrecy.an_hour_later(monkeypatch, nation)
    secrecy.later(monkeypatch, nation, days=secrecy.DAYS - 1)
    secrecy.work(nation)
    assert secrecy.verified(nation).entries == []
    secrecy.later(monkeypatch, nation, days=1, minutes=1)
    secrecy.work(nation)
    secrecy.work(nation)
    found = secrecy.verified(nation)
    (told,) = found.entries
    said = secrecy.shown(told)
    assert said["kind"] == "withheld-revealed"
    assert said["data"]["read"]["data"]["attributes"] == ["given_name", "employer"]
    assert said["data"]["read"]["at"][:7] == month
    assert "seq" not in said["data"]["read"]
    assert told.withheld
    assert told.withheld.proved - told.withheld.at < 7200
    assert not told.withheld.late
    assert erti_verify.verdict_of(found) == ["VALID-COMPLETE"]
    assert "recorded at" in erti_verify.report(found, erti_verify.Policy("f", (), b""))
    assert fsck.check(nation) == []


def test_the_history_page_tells_it_in_words(nation: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once told it stands in the history as what it was, with the day it happened and the law that kept it back."""
    secrecy.inquire(nation)
    secrecy.an_hour_later(monkeypatch, nation)
    secrecy.later(monkeypatch, nation, days=secrecy.DAYS, minutes=1)
    secrecy.work(nation)
    with nation.reading() as db:
        ((one,), _pages) = history.entries(db, CITIZEN)
    assert one.said.title.startswith("Told only now: Office of revenue read given name")
    assert ("By the law", "Code of Inquiry, 9") in one.said.details
    assert ("Case", "I-7") in one.said.details
    assert one.group == "reads"


def test_told_too_late_says_so(nation: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told later than the law says is told, and the verdict names it; the auditor's check does too."""
    secrecy.inquire(nation)
    secrecy.an_hour_later(monkeypatch, nation)
    secrecy.later(monkeypatch, nation, days=secrecy.DAYS + 3)
    secrecy.work(nation)
    assert erti_verify.verdict_of(secrecy.verified(nation)) == ["VALID-COMPLETE", "LATE 1"]
    assert any("revealed at" in finding.says for finding in fsck.check(nation))


def test_the_withheld_log_is_fixed_in_a_fixed_rhythm(
    nation: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash of its checkpoint joins the open log each hour, whether the log grew or not, and tells nothing else."""
    with nation.reading() as db:
        assert len(db.execute(select(fixed)).all()) == 1
    for grows in (False, True, False):
        if grows:
            secrecy.inquire(nation)
        assert withholding.fix(nation) == 0
        secrecy.later(monkeypatch, nation, hours=1)
        assert withholding.fix(nation) == 1
        nation.parts.sequencer.drain()
    with nation.reading() as db:
        rows = db.scalars(select(entry.c.payload).where(entry.c.kind == "withheld-checkpoint")).all()
    said = [json.loads(payload or b"") for payload in rows]
    assert [sorted(one["data"]) for one in said] == [["sha256"]] * 4
    assert len({len(payload or b"") for payload in rows}) == 1
    assert len({one["data"]["sha256"] for one in said}) == 4


def test_it_is_counted_for_the_country(nation: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Months later it is published how many there were by agency, never fewer than the least, and once."""
    for _ in range(12):
        secrecy.inquire(nation)
    secrecy.work(nation)
    assert withholding.count(nation) == []
    secrecy.later(monkeypatch, nation, days=130)
    secrecy.work(nation)
    with nation.reading() as db:
        months = withholding.published(db)
    assert [(one.at_most, one.counts) for one in months][-1] == (12, (("revenue", 12),))
    assert withholding.count(nation) == []
    assert all(one.counts == (("revenue", 10),) for one in months[:-1])
    found = secrecy.verified(nation, OTHER)
    assert found.count
    assert found.count["month"] == months[0].month
    assert "at most" in erti_verify.country(found)


def test_what_a_backup_lacks_is_made_again(nation: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the rows beside the logs are lost, they come back from sealed records and kept checkpoints."""
    secrecy.inquire(nation)
    secrecy.an_hour_later(monkeypatch, nation)
    secrecy.later(monkeypatch, nation, days=secrecy.DAYS, minutes=1)
    secrecy.work(nation)
    secrecy.inquire(nation)
    secrecy.an_hour_later(monkeypatch, nation)
    with nation.writing() as db:
        before = [tuple(row)[:3] for row in db.execute(select(withheld))]
        db.execute(delete(withheld))
        db.execute(delete(fixed))
    assert len(before) == 2
    assert fsck.check(nation) != []
    withheld_again.restore(nation)
    secrecy.work(nation)
    assert fsck.check(nation) == []
    with nation.reading() as db:
        rows = db.execute(select(withheld).order_by(withheld.c.leaf_index)).all()
    assert [row.revealed_at is not None for row in rows] == [True, False]
    secrecy.later(monkeypatch, nation, days=secrecy.DAYS, minutes=1)
    secrecy.work(nation)
    assert len(country.history(nation)) == 2


def test_somebody_unknown_cannot_be_tipped_off(nation: Database) -> None:
    """A read of somebody unknown is refused into the agency's own chain, where there is nobody to tip off."""
    found = disclosure.release(nation, secrecy.inquiry(citizen="ZZZZZZZZZZZZZ"))
    assert isinstance(found, NotReleased)
    assert secrecy.withheld_rows(nation) == []
