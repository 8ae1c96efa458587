import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from consent.ledger import bundle, freezing, fsck, logs, policy
from core.database import Database
from tests.consent import secrecy
from tests.consent.country import CITIZEN
from tests.verifier import both
from verifier import erti_verify

Tamper = Callable[[dict[str, Any]], None]


def trusted(database: Database) -> erti_verify.Policy:
    """Return the trust policy."""
    origin = database.parts.settings.ledger_origin
    return erti_verify.read_policy(policy.text(database.parts, origin).encode())


@pytest.fixture
def told(house: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Give a house in which a citizen was told of two reads that were withheld, and reads others have been made since."""
    secrecy.settle(house)
    secrecy.work(house)
    for _ in range(2):
        secrecy.inquire(house)
    secrecy.an_hour_later(monkeypatch, house)
    secrecy.later(monkeypatch, house, days=secrecy.DAYS, minutes=1)
    secrecy.work(house)
    return house


def _sealed(found: dict[str, Any], place: int = 0) -> dict[str, Any]:
    entries: list[dict[str, Any]] = found["logs"][0]["entries"]
    return dict(entries[place]["sealed"])


def _leave_out(found: dict[str, Any]) -> None:
    del found["logs"][0]["entries"][0]["sealed"]


def _exchange(found: dict[str, Any]) -> None:
    one, other = found["logs"][0]["entries"]
    one["sealed"], other["sealed"] = other["sealed"], one["sealed"]


def _elsewhere(found: dict[str, Any]) -> None:
    found["logs"][0]["entries"][0]["sealed"]["proof"].pop()


def _own_checkpoint(found: dict[str, Any]) -> None:
    found["logs"][0]["entries"][0]["sealed"]["checkpoint"] = found["checkpoint"]


def _later_time(found: dict[str, Any]) -> None:
    opened = found["logs"][0]["entries"][0]["sealed"]["open"]
    opened["checkpoint"] = _sealed(found)["checkpoint"]


def _other_record(found: dict[str, Any]) -> None:
    opened = found["logs"][0]["entries"][0]["sealed"]["open"]
    leaf0 = found["logs"][0]["leaf0"]
    opened |= {"index": 0, "record": leaf0["record"], "proof": leaf0["proof"]}


def _no_growth(found: dict[str, Any]) -> None:
    found["logs"][0]["entries"][0]["sealed"]["open"]["extends"].reverse()
    found["logs"][0]["entries"][0]["sealed"]["open"]["extends"].pop()


FORGERIES: list[tuple[Tamper, str]] = [
    (_leave_out, "MISSING"),
    (_exchange, "ALTERED"),
    (_elsewhere, "ALTERED"),
    (_own_checkpoint, "ALTERED"),
    (_later_time, "UNKNOWN-KEY"),
    (_other_record, "ALTERED"),
    (_no_growth, "FORK"),
]


@pytest.mark.parametrize(("tamper", "verdict"), FORGERIES)
def test_a_proof_that_is_not_its_own_does_not_pass(told: Database, tamper: Tamper, verdict: str) -> None:
    """Left out, exchanged, of another place, log or time: each way to prove too little is told from the true one."""
    made = bundle.make(told, CITIZEN)
    assert erti_verify.verdict_of(erti_verify.read_bundle(made, trusted(told))) == ["VALID-COMPLETE"]
    found = json.loads(made)
    tamper(found)
    with pytest.raises(erti_verify.Rejected) as caught:
        erti_verify.read_bundle(rfc8785.dumps(found), trusted(told))
    assert caught.value.verdict == verdict, caught.value.reason


@pytest.mark.needs("node")
def test_the_browser_says_the_same(told: Database, tmp_path: Path) -> None:
    """The browser's check accepts what was withheld, and rejects each of these forgeries, with the same words."""
    origin, made = told.parts.settings.ledger_origin, bundle.make(told, CITIZEN)
    bundles = [made.decode()]
    for tamper, _verdict in FORGERIES:
        found = json.loads(made)
        tamper(found)
        bundles.append(rfc8785.dumps(found).decode())
    words = both.agree(bundles, policy.text(told.parts, origin).encode(), tmp_path)
    assert words == ["VALID-COMPLETE", *(verdict for _tamper, verdict in FORGERIES)]


def test_what_was_fixed_days_later_is_late(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A withheld entry that the open log fixed three days after it claims to have been made is LATE: it may be made up."""
    secrecy.settle(house)
    secrecy.inquire(house)
    secrecy.later(monkeypatch, house, days=3)
    secrecy.an_hour_later(monkeypatch, house)
    secrecy.later(monkeypatch, house, days=secrecy.DAYS)
    secrecy.work(house)
    with pytest.raises(erti_verify.Rejected, match="LATE"):
        secrecy.verified(house)


def test_the_number_of_others_is_not_told(told: Database) -> None:
    """Of an entry's number in the withheld chain, and of what came before it there, the bundle holds nothing."""
    found = json.loads(bundle.make(told, CITIZEN))
    for entry in found["logs"][0]["entries"]:
        read = json.loads(entry["record"])["data"]["read"]
        assert sorted(read) == ["actor", "at", "chain", "data", "event", "kind", "v"]


def test_a_history_goes_on_into_the_next_year(house: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """After both logs were frozen, what was withheld in the old year is told in the new one, and proved."""
    secrecy.settle(house)
    secrecy.inquire(house)
    secrecy.work(house)
    freezing.freeze(house, origin="ledger.test/next")
    freezing.freeze(house, origin="ledger.test/next/withheld", kind=logs.WITHHELD)
    secrecy.inquire(house)
    secrecy.an_hour_later(monkeypatch, house)
    secrecy.later(monkeypatch, house, days=secrecy.DAYS, minutes=1)
    secrecy.work(house)
    newest = erti_verify.read_policy(policy.text(house.parts, "ledger.test/next").encode())
    found = erti_verify.read_bundle(bundle.make(house, CITIZEN), newest)
    places = [secrecy.shown(one)["data"]["sealed"]["log"] for one in found.entries]
    assert places == [f"{house.parts.settings.ledger_origin}/withheld", "ledger.test/next/withheld"]
    assert erti_verify.verdict_of(found) == ["VALID-COMPLETE"]
    assert fsck.check(house) == []
