"""How old somebody is, as the registers say."""

from datetime import timedelta

from sqlalchemy import update

from core import clock
from core.database import Database
from registry_sync import people, tables
from registry_sync.wire.shapes import Identity


def years_ago(years: int, days: int = 0) -> str:
    """Return the birth date of somebody who is so many years and days old."""
    today = clock.now().date()
    return (today.replace(year=today.year - years, day=min(today.day, 28)) - timedelta(days=days)).isoformat()


def born(database: Database, citizen: str, day: str) -> None:
    """Let the registers say when somebody was born."""
    with database.writing() as db:
        identity = people.sealed(db, citizen, Identity(given="Luka", born=day))
        db.execute(
            update(tables.person).where(tables.person.c.citizen_id == citizen).values(identity=identity)
        )
