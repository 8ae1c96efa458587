"""Closes the log of a year for good, and starts the next one, which names it as it ended."""

from sqlalchemy import update

from consent.ledger import logs, map_roots, map_store, policy
from consent.ledger.batch import Batch
from consent.ledger.errors import BadOrigin, OriginTaken
from consent.ledger.logs import Log
from consent.ledger.note import BadNote
from consent.ledger.subjects import Labels
from consent.ledger.tables import head
from core import clock, events
from core.database import Database

KIND = "ledger-frozen"


def freeze(database: Database, *, origin: str, kind: str = logs.OPEN) -> Log:
    """End the log of a kind that grows and start the next with this origin; returns the new one.

    One transaction: a public record that names the next log and its keys, the root of the citizen map, and leaf 0
    of the next, which names origin, size and root of this. Chains begin anew there. What comes later, and
    what waits now, goes there too. The signer signs the old one once more and never again.
    Raises OriginTaken if a log of this origin is here already, BadOrigin if none can have it.
    """
    try:
        keys = [key.text() for key in policy.log_keys(database.parts, origin)]
    except BadNote as error:
        raise BadOrigin(detail=origin) from error
    with database.reading() as db:
        if origin in {log.origin for log in logs.every(db)}:
            raise OriginTaken(detail=origin)
        old = logs.current(db, kind)
    map_store.follow(database, old.number)
    with database.writing() as db:
        batch = Batch.begin(db, Labels(database.parts), kind)
        at = clock.wire(clock.now())
        body = {"v": 1, "event": events.new_id(), "kind": KIND, "at": at}
        batch.add_public({**body, "next": {"origin": origin, "log_keys": keys}}, {})
        map_roots.end(batch)
        ended = logs.current(db, kind)
        db.execute(update(head).where(head.c.log == ended.number).values(frozen=True))
        logs.begin(db, kind=kind, origin=origin, previous=ended)
        return logs.current(db, kind)
