"""What is there before a browser comes: looks by staff in a history, long ago or lately, a dispute about one, a child with a parent."""

from datetime import datetime

import pytest

from consent import disputes, history
from consent.errors import EntryUnknown
from consent.events import StaffLooked
from core import clock
from core.database import Database
from core.events import Actor, record
from registry_sync import people
from registry_sync.events import RepresentativeStated
from service.app import open_house
from tests.ports import within
from tests.service_process import Service

CLERK = "00000001"
INTEGRATED_SECONDS = 60


def _stands(database: Database, citizen: str, event_id: str) -> bool:
    with database.reading() as db:
        try:
            history.one(db, citizen, event_id)
        except EntryUnknown:
            return False
    return True


def look_by_staff(service: Service, citizen: str, *, at: datetime | None = None) -> str:
    """Somebody of the staff looked at a citizen, then or now; returns the event once it stands in the history."""
    event = StaffLooked(
        staff=CLERK, office="Hall Vashliani", reason="asked for help", attributes=("given_name",), request_id="r",
        outcome="released",
    )  # fmt: skip
    moment = at or clock.now()
    database = open_house(service.settings)
    with pytest.MonkeyPatch.context() as patch, database.writing() as db:
        patch.setattr(clock, "now", lambda: moment)
        event_id = record(db, event, actor=Actor("staff", CLERK), about=[citizen])
    assert within(INTEGRATED_SECONDS, lambda: _stands(database, citizen, event_id))
    database.close()
    return event_id


def dispute_a_look(service: Service, citizen: str) -> None:
    """The citizen does not recognise a look by staff, and says so."""
    event_id = look_by_staff(service, citizen)
    database = open_house(service.settings)
    with database.writing() as db:
        disputes.begin(db, citizen, event_id, text="Who was this?", actor=Actor("citizen", citizen))
    database.close()


def family(service: Service) -> tuple[str, str]:
    """A child of nine and a parent whom the civil register names; return both citizen IDs."""
    database = open_house(service.settings)
    with database.writing() as db:
        home = {"address": {"formatted": "12 Mill Street\nVashliani"}}
        born = f"{clock.now().year - 9}-01-01"
        child = people.enrol(db, {"name": "Luka Beridze", "birthdate": born, **home}, source="civil")
        parent = people.enrol(db, {"name": "Lali Beridze", "birthdate": "1990-05-01", **home}, source="civil")
        facts = {"citizen": child, "representative": parent, "source": "civil", "relation": "parent"}
        said = RepresentativeStated(**facts, as_of="2026-01-01")
        record(db, said, actor=Actor("registry", "civil"), about=[child])
    database.close()
    return child, parent
