"""A purpose whose reads the law withholds, and the work of a worker, for tests."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from consent import disclosure, withholding
from consent.disclosure import Ask, Released
from consent.ledger import bundle, logs, policy, signer
from consent.ledger.tables import entry
from core import clock
from core.database import Database
from tests.consent import country
from tests.consent.country import CITIZEN, LAW
from verifier import erti_verify

DAYS = 30
SECRECY = {
    "days": DAYS,
    "act": "Code of Inquiry",
    "article": "9",
    "url": "https://laws.example/inquiry#9",
}
INQUIRY: dict[str, Any] = {"basis": {**LAW, "withhold": SECRECY}, "acr": country.LOW}


def settle(database: Database, *citizens: str) -> None:
    """Let two citizens live in a country whose revenue agency may withhold the reads of an inquiry."""
    with database.writing() as db:
        country.found(db)
        country.publish(db, country.purpose("revenue-inquiry", **INQUIRY))
        for citizen in citizens or (CITIZEN, country.OTHER):
            country.be_born(db, citizen)


def inquiry(*names: str, **changes: Any) -> Ask:
    """Return what the revenue system asks of the door in an inquiry."""
    facts = {"purpose": "revenue-inquiry", "case": "I-7", "official": "officer-7f", "channel": "law"}
    return country.ask(*(names or ("given_name", "employer")), **(facts | changes))


def inquire(database: Database, *names: str, **changes: Any) -> Released:
    """Read in an inquiry."""
    found = disclosure.release(database, inquiry(*names, **changes))
    assert isinstance(found, Released)
    return found


def work(database: Database) -> None:
    """Do what a worker does until everything is in the ledger, fixed, told and signed."""
    for step in (withholding.tend, signer.sign_if_due) * 3:
        assert database.parts.sequencer.drain()
        step(database)
    assert database.parts.sequencer.drain()
    signer.sign_if_due(database)


def later(monkeypatch: pytest.MonkeyPatch, database: Database, **by: float) -> None:
    """Let time pass, and the worker go on working after it."""
    then: Callable[[], Any] = clock.now
    monkeypatch.setattr(clock, "now", lambda: then() + timedelta(**by))
    signer.sign_if_due(database)


def an_hour_later(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    """Let so much time pass that what was withheld just now is fixed in the open log."""
    work(database)
    later(monkeypatch, database, hours=1, seconds=1)
    work(database)


def verified(database: Database, citizen: str = CITIZEN) -> erti_verify.History:
    """Return what the citizen's verifier finds proved."""
    origin = database.parts.settings.ledger_origin
    trusted = erti_verify.read_policy(policy.text(database.parts, origin).encode())
    return erti_verify.read_bundle(bundle.make(database, citizen), trusted)


def withheld_rows(database: Database) -> list[Any]:
    """Return the entries of the log of what is withheld."""
    with database.reading() as db:
        number = logs.current(db, logs.WITHHELD).number
        query = select(entry).where(entry.c.log == number, entry.c.label.is_not(None))
        return list(db.execute(query.order_by(entry.c.leaf_index)))


def shown(one: erti_verify.Entry) -> dict[str, Any]:
    """Return what an entry of a verified history says."""
    record = dataclasses.asdict(one)["record"]
    assert record
    return dict(record)
