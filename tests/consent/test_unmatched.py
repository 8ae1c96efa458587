import pytest
from sqlalchemy import func, select

from consent import disclosure, unmatched
from consent.disclosure import UnmatchedAsk
from consent.errors import AskMalformed
from core.database import Database
from core.events import Actor
from registry_sync import holding
from registry_sync.errors import RecordUnknown
from registry_sync.events import RecordMatched
from registry_sync.holding import Contents, Held
from registry_sync.wire.shapes import Bad
from tests.consent import country
from tests.consent.country import CITIZEN

RAW = b'{"name": {"given_name": "Nino"}}'
REGISTRY = Actor("registry", "civil")


@pytest.fixture
def held(open_door: Database) -> str:
    """Give the ID of a record in quarantine."""
    with open_door.writing() as db:
        content = holding.fingerprint(db, RAW)
        bad = Bad("missing-identifier", "identifier")
        thing = Held(content, bad, Contents(RAW))
        numbers = holding.shelve(db, "civil", holding.RECORD, [thing], run="r")
    return numbers[content]


def ask(record: str, **changes: str) -> UnmatchedAsk:
    """Return what a member of staff asks."""
    facts = {"staff": "s-1", "office": "Registry desk", "reason": "Find the person", "record": record}
    return UnmatchedAsk(**{**facts, **changes})


def test_opening_a_record_is_on_the_sources_chain(open_door: Database, held: str) -> None:
    """The whole record is shown after the look is durable, under the name of who looked."""
    found = disclosure.unmatched(open_door, ask(held))
    assert (found.source, found.content) == ("civil", RAW)
    said = country.last(open_door, "source:civil")
    assert (said["kind"], said["staff"], said["reason"]) == ("record-unmasked", "s-1", "Find the person")
    assert country.history(open_door) == []


def test_the_look_joins_the_history_of_whose_it_is(open_door: Database, held: str) -> None:
    """Once the record is somebody's, they find who had opened it and when, once."""
    disclosure.unmatched(open_door, ask(held))
    event = RecordMatched(citizen=CITIZEN, source="civil", how="retry", record=held)
    for _time in range(2):
        with open_door.writing() as db:
            unmatched.tell(db, event, REGISTRY)
    (facts,) = country.history(open_door)
    assert facts["actor"] == {"kind": "staff", "id": "s-1"}
    assert facts["data"]["office"] == "Registry desk"
    assert facts["data"]["looked_at"]
    with open_door.reading() as db:
        assert db.scalar(select(func.count()).select_from(unmatched.look)) == 0


def test_a_match_without_a_record_tells_nothing(open_door: Database, held: str) -> None:
    """A record that never was in quarantine has no looks to tell."""
    disclosure.unmatched(open_door, ask(held))
    with open_door.writing() as db:
        unmatched.tell(db, RecordMatched(citizen=CITIZEN, source="civil", how="comparison"), REGISTRY)
    assert country.history(open_door) == []


def test_no_look_without_a_reason(open_door: Database, held: str) -> None:
    """Without office and reason, or for a record that is not there, nothing is opened."""
    for changes in ({"reason": " "}, {"office": ""}):
        with pytest.raises(AskMalformed):
            disclosure.unmatched(open_door, ask(held, **changes))
    with pytest.raises(RecordUnknown):
        disclosure.unmatched(open_door, ask("none"))
    with open_door.writing(), pytest.raises(RuntimeError):
        disclosure.unmatched(open_door, ask(held))
