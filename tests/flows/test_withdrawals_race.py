"""Withdrawals, a thousand on PostgreSQL, race with reads over four workers, while the agency's receiver is down."""

from __future__ import annotations

import base64
import itertools
import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from consent import decisions, grants
from consent.ledger import fsck, subjects
from core.database import Database
from core.events import SYSTEM, Actor
from idp.oidc import clients
from idp.signals import streams
from registry_sync import people
from service.app import open_house
from tests import ports, service_process
from tests.consent import country
from tests.idp.oidc.provider import claims_of
from tests.idp.signals.receiver import Receiver, said

ROUNDS = int(os.environ.get("ERTI_RACES", "1000"))  # fewer only while somebody works on this test
AT_ONCE, READERS, PATIENCE = 25, 4, 300
CLIENT, PURPOSE, SECRET = "race-portal", "revenue-sign-in", "a secret of forty characters and not fewer"
CITIZENS = [people.new_citizen_id() for _ in range(ROUNDS)]


@dataclass
class Agency:
    """Threads that read a group of citizens in batches, for as long as one of them allows it."""

    url: str
    token: str
    answered: dict[str, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def ask(self, web: httpx.Client, group: list[str]) -> list[str]:
        """Read them all once; those who are still to be asked: whoever is refused has withdrawn."""
        name, left = f"race-{next(self.numbers)}", list[str]()
        body = {"citizen_ids": group, "purpose": PURPOSE, "attributes": ["given_name"], "request_id": name}
        answer = web.post(f"{self.url}/attributes/read/batch", json=body)
        self.statuses[answer.status_code] += 1
        if answer.status_code != 200:
            return group
        for place, result in enumerate(answer.json()["results"]):
            if "attributes" in result:
                assert result["attributes"]["given_name"]["value"] == "Nino"
                self.answered[f"{name}/{place}"] = result["citizen_id"]
                left.append(result["citizen_id"])
            else:
                self.refused[result["refused"]["rule"]] += 1
        return left

    def run(self, group: list[str]) -> None:
        """Read until nobody of the group allows it any more."""
        with self.web() as web:
            while group:
                group = self.ask(web, group)

    def web(self) -> httpx.Client:
        """A connection of its own, which leads to any of the workers."""
        bearer = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(timeout=30, trust_env=False, verify=False, headers=bearer)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def town(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[service_process.Service]:
    """A founded house on each engine, with nobody serving yet."""
    issuer = f"http://localhost:{ports.free_port()}"
    if request.param == "sqlite":
        yield from _stopped(service_process.prepare(tmp_path, issuer=issuer, homes={}, people_count=20))
    else:
        with request.getfixturevalue("postgres").empty() as url:
            made = service_process.prepare(
                tmp_path, issuer=issuer, homes={}, people_count=20, database_url=url
            )
            yield from _stopped(made)


def _stopped(service: service_process.Service) -> Iterator[service_process.Service]:
    try:
        yield service
    finally:
        service.stop()


def found(database: Database, receiver: Receiver, citizens: list[str]) -> None:
    """An agency that is to be told, and citizens who allow it one attribute."""
    client: dict[str, Any] = {
        "client_id": CLIENT, "agency": "revenue", "client_secret": SECRET, "sign_in_purpose": PURPOSE,
        "redirect_uris": ["https://race.example/cb"],
        "grant_types": ["client_credentials", "authorization_code"],
        "signals": {"delivery": {"method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url}},
    }  # fmt: skip
    with database.writing() as db:
        clients.load(db, {"clients": [client]}, actor=SYSTEM)
        streams.load(db, {"clients": [client]}, actor=SYSTEM)
    for start in range(0, len(citizens), 100):
        with database.writing() as db:
            for citizen in citizens[start : start + 100]:
                country.be_born(db, citizen)
                country.allow(db, "given_name", "family_name", purpose=PURPOSE, citizen=citizen)
        assert database.parts.sequencer.drain(timeout=PATIENCE)


def race(database: Database, agency: Agency, group: list[str]) -> None:
    """While others read, the citizens of a group withdraw one after the other."""
    readers = [threading.Thread(target=agency.run, args=[group]) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    dice = random.Random(group[0])
    for citizen in group:
        threading.Event().wait(dice.uniform(0, 0.02))
        with database.writing() as db:
            held = grants.live(db, citizen=citizen, purpose=PURPOSE)
            assert held is not None
            decisions.withdraw(db, held, actor=Actor("citizen", citizen))
    for reader in readers:
        reader.join()


@pytest.mark.slow
def test_nothing_is_read_after_a_withdrawal(town: service_process.Service) -> None:
    """In every citizen's chain no release comes after the withdrawal, every answer has exactly its entry, and the
    agency's receiver, down all the while, hears of every end once it is back."""
    settings = town.settings.model_copy(update={"outbound_private_hosts": ("127.0.0.1",)})
    receiver, database = Receiver(), open_house(settings)
    citizens = (
        CITIZENS[: ROUNDS // 10] if database.is_sqlite else CITIZENS
    )  # one process writes there at a time
    found(database, receiver, citizens)
    erti, port = (sys.executable, "-m", "service"), town.issuer.rpartition(":")[2]
    more = {"ERTI_OUTBOUND_PRIVATE_HOSTS": '["127.0.0.1"]', "ERTI_RELEASE_DEADLINE_SECONDS": "10"}
    town.start(*erti, "serve", "--port", port, "--workers", "4", **more)
    town.start(*erti, "worker", **more)
    ports.wait_for(f"{town.issuer}/readyz")
    agency = Agency(town.issuer, _token(town.issuer))
    for start in range(0, len(citizens), AT_ONCE):
        race(database, agency, citizens[start : start + AT_ONCE])
    print(f"\n{len(agency.answered)} answered, {agency.refused}, {agency.statuses}")
    assert set(agency.statuses) <= {200, 503}, "whoever is not in time is told so, and asks again"
    assert len(agency.answered) > len(citizens) / 2
    assert agency.refused["grant-ended"] > 0, "no read met a withdrawal on its way"
    assert database.parts.sequencer.drain(timeout=PATIENCE)
    check(database, agency, citizens)
    receiver.start()
    try:
        told = ports.within(PATIENCE, lambda: len(_ended(receiver)) == len(citizens))
        assert told, f"{len(_ended(receiver))} of {len(citizens)} were told"
    finally:
        receiver.stop()
    assert fsck.check(database) == []
    database.close()


def check(database: Database, agency: Agency, citizens: list[str]) -> None:
    """Hold every citizen's chain to the order of things and to what was answered."""
    entries: Counter[tuple[str, str]] = Counter()
    with database.reading() as db:
        for citizen in citizens:
            over = False
            for entry in subjects.chain(db, citizen):
                facts = entry.facts or {}
                over |= facts["kind"] == "grant-withdrawn"
                if facts["data"].get("outcome") == "released":
                    assert not over, f"{citizen}: released after the withdrawal"
                    entries[citizen, facts["data"]["request_id"]] += 1
            assert over, "no withdrawal in the chain"
    lost = [name for name, citizen in agency.answered.items() if entries[citizen, name] != 1]
    assert lost == [], "answered without exactly one entry"
    assert max(entries.values()) == 1


def _ended(receiver: Receiver) -> set[str]:
    """The grants of whose end the receiver was told."""
    told = [said(claims_of(token)) for token in list(receiver.taken)]
    return {str(body["grant_id"]) for kind, body in told if kind == "consent-ended"}


def _token(url: str) -> str:
    basic = base64.b64encode(f"{CLIENT}:{SECRET.replace(' ', '+')}".encode()).decode()
    answer = httpx.post(
        f"{url}/token",
        data={"grant_type": "client_credentials", "scope": "attributes"},
        headers={"Authorization": f"Basic {basic}"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])
