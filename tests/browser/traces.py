"""What stands in a citizen's history before a browser comes: looks by staff, long ago or lately, and a dispute about one."""

from datetime import datetime

import pytest

from consent import disputes, history
from consent.errors import EntryUnknown
from consent.events import StaffLooked
from core import clock
from core.database import Database
from core.events import Actor, record
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
