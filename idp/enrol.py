"""Test citizens: somebody with every claim a test needs, and a password only. Impossible in production."""

from typing import Any

from sqlalchemy.orm import Session

from core import language
from core.database import parts
from core.events import Actor, record
from idp import accounts
from idp.errors import NoTestCitizens
from idp.events import TestCitizenEnrolled
from idp.login import password as passwords
from registry_sync import people


def enrol(db: Session, username: str, password: str, claims: dict[str, Any], *, actor: Actor) -> str:
    """Make a test citizen with standard OpenID claims who signs in with a password; return the citizen ID.

    `claims` become attributes of the source "enrolment". The password may be any, since none of this
    leaves a test. Raises NoTestCitizens in production, NameUnfit and NameTaken.
    """
    house = parts(db)
    if house.settings.mode == "production":
        raise NoTestCitizens
    citizen_id = people.enrol(db, claims, source="enrolment")
    record(db, TestCitizenEnrolled(citizen=citizen_id), actor=actor, about=[citizen_id])
    accounts.open_for_test(db, citizen_id, username, language=language.current())
    passwords.put(db, citizen_id, passwords.prepare(house, password), actor=actor)
    return citizen_id
