"""Whether everything that is gone was erased on the record, and nothing that was erased came back."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from consent.ledger import logs
from consent.ledger.events import EntriesErased
from consent.ledger.logs import Log
from consent.ledger.shredding import DONE
from consent.ledger.tables import erasure as table
from core.events import waiting

_DONE = select(table.c.id, table.c.basis, table.c.entries).where(table.c.state == DONE).order_by(table.c.id)
_WAITING = select(waiting.c.sealed).where(waiting.c.public.is_(True), waiting.c.kind == EntriesErased.kind)


@dataclass
class Gone:
    """What of some entries was erased, or says so."""

    silent: dict[str | None, list[int]] = field(
        default_factory=dict
    )  # without content, by what is said to have erased them
    back: list[int] = field(default_factory=list)  # erased, and with content
    marked: Counter[str] = field(default_factory=Counter)  # how many entries an erasure is said to have taken
    public: list[bytes] = field(default_factory=list)  # records of erasures


class Seen:
    """What `fsck` saw of it, range by range."""

    def __init__(self, db: Session) -> None:
        self._done = {row.id: row for row in db.execute(_DONE)}
        self._silent: list[tuple[str, str]] = []
        self._back: list[tuple[str, str]] = []
        self._marked = Counter[str]()
        self._public: list[bytes] = []

    def add(self, log: Log, gone: Gone) -> None:
        """Take in what was seen in one range of a log."""
        self._marked.update(gone.marked)
        self._public += gone.public
        self._back += [(_where(log, index), "it was erased, and its content is back") for index in gone.back]
        if log.kind == logs.OPEN:  # of what the law withholds `withheld_check` says it
            unknown = [of for by, of in gone.silent.items() if by not in self._done]
            self._silent += [
                (_where(log, index), "its content is gone, and no erasure says so")
                for index in sorted(index for of in unknown for index in of)
            ]

    def unaccounted(self, db: Session) -> Iterator[tuple[str, str]]:
        """Yield where and what does not add up, of what is gone:

        (1) an entry without content belongs to an erasure that was carried out;
        (2) an entry that was erased has no content;
        (3) each erasure took as many entries as it says, and the public record of it says the same number and basis;
        (4) each public record of an erasure has its erasure here.
        """
        yield from self._silent  # (1)
        yield from self._back  # (2)
        told = {}
        for content in [*self._public, *db.scalars(_WAITING)]:
            data = json.loads(content)["data"]
            told[data["erasure"]] = (data["entries"], data["basis"])
        for row in self._done.values():  # (3)
            if (row.entries or 0) <= 0:
                continue
            where, found = f"erasure {row.id}", self._marked[row.id]
            if found != row.entries:
                yield where, f"it says {row.entries} entries, and {found} are marked"
            if told.pop(row.id, None) != (row.entries, row.basis):
                yield where, "its public record says something else, or is not there"
        for lost in told:  # (4)
            yield f"erasure {lost}", "its public record is there, and it is not"


def _where(log: Log, index: int) -> str:
    return f"entry {index} of log {log.number}"
