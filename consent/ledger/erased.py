"""Whether everything that is gone was erased on the record, and nothing that was erased came back."""

import json
from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from consent.ledger import entries, logs
from consent.ledger.events import EntriesErased
from consent.ledger.shredding import DONE
from consent.ledger.tables import entry
from consent.ledger.tables import erasure as table
from core.events import waiting

_KNOWN = select(table.c.id).where(table.c.state == DONE)
_SILENT = select(entry.c.log, entry.c.leaf_index).where(
    entry.c.leaf_type == entries.COMMITMENT,
    entry.c.log.in_(logs.SHOWN),  # of what the law withholds `withheld_check` says it
    entry.c.opening.is_(None),
    entry.c.erasure.is_(None) | entry.c.erasure.not_in(_KNOWN),
)
_BACK = select(entry.c.log, entry.c.leaf_index).where(
    entry.c.erasure.is_not(None), entry.c.opening.is_not(None)
)
_COUNTS = (
    select(table.c.id, table.c.basis, table.c.entries, func.count(entry.c.leaf_index).label("found"))
    .outerjoin(entry, entry.c.erasure == table.c.id)
    .where(table.c.state == DONE, table.c.entries > 0)
    .group_by(table.c.id, table.c.basis, table.c.entries)
)
_PUBLIC = select(entry.c.payload).where(
    entry.c.leaf_type == entries.PUBLIC, entry.c.kind == EntriesErased.kind
)
_WAITING = select(waiting.c.sealed).where(waiting.c.public.is_(True), waiting.c.kind == EntriesErased.kind)


def unaccounted(db: Session) -> Iterator[tuple[str, str]]:
    """Yield where and what does not add up, of what is gone:

    (1) an entry without content belongs to an erasure that was carried out;
    (2) an entry that was erased has no content;
    (3) each erasure took as many entries as it says, and the public record of it says the same number and basis;
    (4) each public record of an erasure has its erasure here.
    """
    for row in db.execute(_SILENT):  # (1)
        yield f"entry {row.leaf_index} of log {row.log}", "its content is gone, and no erasure says so"
    for row in db.execute(_BACK):  # (2)
        yield f"entry {row.leaf_index} of log {row.log}", "it was erased, and its content is back"
    told = {}
    for content in [*db.scalars(_PUBLIC), *db.scalars(_WAITING)]:
        data = json.loads(content)["data"]
        told[data["erasure"]] = (data["entries"], data["basis"])
    for row in db.execute(_COUNTS):  # (3)
        where = f"erasure {row.id}"
        if row.found != row.entries:
            yield where, f"it says {row.entries} entries, and {row.found} are marked"
        if told.pop(row.id, None) != (row.entries, row.basis):
            yield where, "its public record says something else, or is not there"
    for lost in told:  # (4)
        yield f"erasure {lost}", "its public record is there, and it is not"
