"""Ends a log with the root of its citizen map: every checkpoint is signed at a size whose last leaf is one."""

from consent.ledger import entries, map_store
from consent.ledger.batch import Batch
from consent.ledger.logs import Log
from consent.ledger.subjects import Labels
from core import clock
from core.database import Database


def write(database: Database, log: Log) -> int:
    """Add the map's root at the end of a log that grew since the last one; returns the index of the newest root.

    Nearly all the work is done before the head lock is taken. If the log is frozen meanwhile, the root goes into the
    one that follows it. Raises LedgerBusy if another process does the same.
    """
    with database.reading() as db:
        newest = map_store.state(db, log.number).root_index
    if newest is not None and newest + 1 == log.size:
        return newest
    map_store.follow(database, log.number)
    with database.writing() as db:
        return end(Batch.begin(db, Labels(database.parts), log.kind))


def end(batch: Batch) -> int:
    """Write a batch with the map's root as its last leaf; returns that leaf's index."""
    whole = map_store.apply(batch.db, batch.log, batch.frontier.size)
    at = clock.now()
    payload = entries.map_root(whole.hash, whole.count, clock.seconds(at))
    place = batch.add_map_root(payload, f"{at:%Y-%m}")
    batch.write()
    map_store.logged(batch.db, batch.log, place, batch.frontier.root())
    return place
