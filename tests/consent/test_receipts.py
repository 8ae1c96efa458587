"""Receipts of decisions and reads: for the citizen with the opening, for the agency without."""

import base64
import json
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from joserfc.jwk import JWKRegistry
from sqlalchemy import select

from consent import decisions, disclosure, endings, grants, receipts
from consent.errors import ReceiptUnknown
from consent.ledger import entries, freezing, logs, policy, signer
from consent.ledger.tables import entry
from core.database import Database
from core.events import SYSTEM, Event, record
from keys import jwks, rotation, sealing
from tests.consent import receipt_reader as reader
from tests.consent.country import CITIZEN, ME, OTHER, allow, ask, history

MINE = {"agency": "revenue", "client": "portal", "purposes": ("revenue-sign-in",)}


@pytest.fixture
def kept(open_door: Database) -> Database:
    """Give a citizen who allowed, whose data was read, and who took a part and then all of it back."""
    with open_door.writing() as db:
        rotation.ensure(db)
        given = allow(db, "given_name", "income_bracket")
    disclosure.release(open_door, ask("given_name"))
    with open_door.writing() as db:
        left = decisions.withdraw(db, given, attributes=["income_bracket"], actor=ME)
        decisions.withdraw(db, left, actor=ME)
        decisions.decline(
            db, citizen=CITIZEN, client_id="portal", purpose="revenue-sign-in", lang="en", actor=ME
        )
    return open_door


def published(database: Database) -> dict[str, Any]:
    """Return the keys as /jwks.json gives them."""
    with database.reading() as db:
        return jwks.public(db)


def vkey(database: Database) -> str:
    """Return the log's Ed25519 key as the policy states it."""
    return policy.log_keys(database.parts, database.parts.settings.ledger_origin)[0].text()


def mine(database: Database, event_id: str, citizen: str = CITIZEN) -> dict[str, Any]:
    """Return what the citizen's receipt of an entry says, its signature checked."""
    with database.reading() as db:
        return reader.claims(receipts.for_citizen(db, event_id, citizen=citizen), published(database))


def agencys(database: Database, event_id: str, **who: Any) -> dict[str, Any]:
    """Return what the agency's receipt of an entry says, its signature checked."""
    with database.reading() as db:
        return reader.claims(receipts.for_agency(db, event_id, **(MINE | who)), published(database))


def test_every_entry_has_a_receipt_for_its_citizen(kept: Database) -> None:
    """For each entry the citizen gets record and nonce that open the commitment, and a proof that it stands in the log."""
    entries = history(kept)
    assert [one["kind"] for one in entries] == [
        "grant-given", "disclosed", "grant-withdrawn", "grant-withdrawn", "grant-declined",
    ]  # fmt: skip
    signer.sign_if_due(kept)
    for one in entries:
        found = mine(kept, one["event"])
        assert reader.opens(found)
        assert json.loads(found["record"]) == one
        assert (found["aud"], found["jti"]) == (CITIZEN, one["event"])
        assert reader.proven(found, vkey(kept)) > found["index"]


def test_a_receipt_is_there_before_the_checkpoint(kept: Database) -> None:
    """Until a checkpoint covers an entry its receipt opens it without a proof; afterwards the same one has it."""
    event = history(kept)[-1]["event"]
    before = mine(kept, event)
    assert "tlog_proof" not in before
    assert reader.opens(before)
    signer.sign_if_due(kept)
    after = mine(kept, event)
    assert after["index"] == before["index"]
    reader.proven(after, vkey(kept))


def test_a_receipt_of_another_tells_nothing(kept: Database) -> None:
    """Nobody gets a receipt of somebody else's entry, nor by a reference that is none."""
    event = history(kept)[0]["event"]
    for wrong, citizen in ((event, OTHER), (event.upper(), CITIZEN), ("", CITIZEN), ("a\x00b", CITIZEN)):
        with pytest.raises(ReceiptUnknown):
            mine(kept, wrong, citizen)


def test_an_agencys_receipt_says_what_it_knows(kept: Database) -> None:
    """For each decision and read of its own the agency gets what happened, proven, and nothing that leads to the citizen."""
    entries = history(kept)
    signer.sign_if_due(kept)
    for one in entries:
        found = agencys(kept, one["event"])
        assert found["entry"]["kind"] == one["kind"]
        assert found["entry"]["data"] == one["data"]
        assert found["aud"] == "portal"
        reader.proven(found, vkey(kept))
        assert CITIZEN not in json.dumps(found)
        assert one["chain"] not in json.dumps(found)
        assert not {"record", "nonce"} & found.keys()


def test_an_agency_gets_no_receipt_of_anothers(kept: Database) -> None:
    """Another agency, and a client with another purpose, get none; the client that read gets its own."""
    given, read, *_rest = (one["event"] for one in history(kept))
    for who in ({"agency": "health"}, {"purposes": ("revenue-assessment",), "client": "other"}):
        for event in (given, read):
            with pytest.raises(ReceiptUnknown):
                agencys(kept, event, **who)
    assert agencys(kept, read, purposes=("revenue-assessment",))["entry"]["kind"] == "disclosed"


def test_what_staff_looked_at_is_no_agencys(kept: Database) -> None:
    """A look by staff has a receipt for the citizen and none for an agency."""
    look = disclosure.StaffAsk(
        staff="s1", office="Hall 3", reason="A call", citizen=CITIZEN, attributes=("given_name",)
    )
    found = disclosure.staff(kept, look)
    assert isinstance(found, disclosure.Released)
    assert reader.opens(mine(kept, found.receipt.event_id))
    with pytest.raises(ReceiptUnknown):
        agencys(kept, found.receipt.event_id)


@dataclass(frozen=True, kw_only=True)
class Complained(Event):
    """A citizen said something about an agency and one of its purposes, which is not the agency's to know."""

    kind: ClassVar[str] = "complained"
    agency: str = "revenue"
    client: str = "portal"
    purpose: str = "revenue-sign-in"


def test_what_merely_names_an_agency_is_not_its_own(kept: Database) -> None:
    """An entry of another kind, though it names agency, client and purpose, has a receipt for the citizen alone."""
    with kept.writing() as db:
        event = record(db, Complained(), actor=ME, about=[CITIZEN])
    history(kept)
    assert reader.opens(mine(kept, event))
    with pytest.raises(ReceiptUnknown):
        agencys(kept, event)


def test_why_a_permission_ended_is_not_told(open_door: Database) -> None:
    """When a citizen dies the agency's receipt says that the permission ended and not why; the citizen's chain does."""
    with open_door.writing() as db:
        rotation.ensure(db)
        allow(db, "given_name")
        endings.end_all(db, CITIZEN, reason="deceased", actor=SYSTEM)
    ended = history(open_door)[-1]
    assert ended["data"]["reason"] == "deceased"
    assert "deceased" not in json.dumps(agencys(open_door, ended["event"]))


def test_the_decisions_on_a_grant(kept: Database) -> None:
    """A grant's receipts are those of its decisions, oldest first, and of no other grant or read."""
    history(kept)
    with kept.writing() as db:
        again = allow(db, "given_name")
    wanted = [
        one["event"] for one in history(kept) if one["data"].get("grant") and one["kind"] != "disclosed"
    ]
    with kept.reading() as db:
        first = next(one for one in grants.of(db, CITIZEN) if one.state == "withdrawn")
        both = [receipts.of_grant(db, one, client="portal") for one in (first, again)]
    found = [[reader.claims(one, published(kept))["jti"] for one in listed] for listed in both]
    assert [len(listed) for listed in found] == [3, 1]
    assert [event for listed in found for event in listed] == wanted


def test_a_receipt_of_an_earlier_year(kept: Database) -> None:
    """Once a year's log is frozen its entries' receipts are proven by its last checkpoint, the next year's by the next's."""
    before = [one["event"] for one in history(kept)]
    signer.sign_if_due(kept)
    following = freezing.freeze(kept, origin="ledger.erti.example/2027").origin
    with kept.writing() as db:
        again = allow(db, "given_name")
        decisions.withdraw(db, again, actor=ME)
    history(kept)
    signer.sign_if_due(kept)
    for origin, events in (("ledger.erti.example/2026", before), (following, of_year(kept, following))):
        key = policy.log_keys(kept.parts, origin)[0].text()
        for event in events:
            for found in (mine(kept, event), agencys(kept, event)):
                assert found["log"] == origin
                reader.proven(found, key)
    with kept.reading() as db:
        listed = receipts.of_grant(db, again, client="portal")
    assert [reader.claims(one, published(kept))["jti"] for one in listed] == of_year(kept, following)


def of_year(database: Database, origin: str) -> list[str]:
    """Return the events of the citizen's chain in the log of this origin, oldest first."""
    with database.reading() as db:
        log = next(one for one in logs.listing(db) if one.origin == origin)
        mine = (entry.c.log == log.number, entry.c.event_id.is_not(None), entry.c.label.is_not(None))
        return list(db.scalars(select(entry.c.event_id).where(*mine).order_by(entry.c.leaf_index)))


def test_an_erased_entry_still_has_its_place(kept: Database) -> None:
    """With the citizen's keys destroyed a receipt proves that something stands there, and says that it is erased."""
    read = history(kept)[1]["event"]
    signer.sign_if_due(kept)
    with kept.writing() as db:
        sealing.shred(db, CITIZEN)
    for found in (mine(kept, read), agencys(kept, read)):
        assert found["erased"] is True
        assert not {"record", "nonce", "entry"} & found.keys()
        reader.proven(found, vkey(kept))


def test_a_receipt_outlives_its_key(kept: Database) -> None:
    """After its key was retired a receipt is still checked, by the historical keys that the log names by thumbprint."""
    event = history(kept)[0]["event"]
    signer.sign_if_due(kept)
    with kept.reading() as db:
        old = receipts.for_citizen(db, event, citizen=CITIZEN)
    kid = json.loads(base64.urlsafe_b64decode(old.split(".")[0] + "=="))["kid"]
    with kept.writing() as db:
        rotation.revoke(db, kid, actor=SYSTEM)
    assert kid not in [key["kid"] for key in published(kept)["keys"]]
    with kept.reading() as db:
        historical = jwks.historical(db)
    retired = next(key for key in historical["keys"] if key["kid"] == kid)
    assert retired["exp"] >= retired["iat"]
    assert not {"d", "p", "q"} & retired.keys()
    reader.proven(reader.claims(old, historical), vkey(kept))
    kept.parts.sequencer.drain(None)
    with kept.reading() as db:
        logged = [json.loads(row) for row in public_records(db)]
    states = [
        one["data"] for one in logged if one["kind"] == "signing-key-changed" and one["data"]["kid"] == kid
    ]
    assert [one["state"] for one in states] == ["active", "retiring", "retired"]
    assert {one["thumbprint"] for one in states} == {JWKRegistry.import_key(retired).thumbprint()}


def public_records(db: Any) -> list[bytes]:
    """Return the payloads of all public leaves, oldest first."""
    return [
        row["payload"]
        for row in db.execute(entry.select().order_by(entry.c.leaf_index)).mappings()
        if row["leaf_type"] == entries.PUBLIC
    ]
