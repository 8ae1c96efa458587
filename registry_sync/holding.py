"""Quarantine's shelf: what cannot be applied is put aside whole, sealed, with the reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import clock
from core.events import new_id
from keys import blind, sealing
from registry_sync.tables import quarantined_record as table
from registry_sync.wire.shapes import Bad

SCOPE = "quarantine"
OPEN, SETTLED, DISMISSED = "open", "settled", "dismissed"
RECORD, MESSAGE = "record", "message"
_ENCODE = msgspec.json.Encoder()
_SETTLE = (
    update(table)
    .where(table.c.source == bindparam("held_source"), table.c.content == bindparam("held_content"))
    .where(table.c.state == OPEN)
    .values(state=SETTLED, sealed=None)
)
_STATES = select(table.c.content, table.c.state).where(
    table.c.source == bindparam("source"), table.c.content.in_(bindparam("contents", expanding=True))
)


def _shelve(dialect: Any) -> Any:
    # A record that was settled once and is bad again, goes back on the shelf; a dismissed one stays dismissed.
    fresh = dialect.insert(table)
    given = fresh.excluded
    return fresh.on_conflict_do_update(
        index_elements=["source", "content"],
        set_={
            "state": OPEN, "sealed": given.sealed, "reason": given.reason, "spot": given.spot, "at": given.at,
            "line": given.line, "run": given.run, "identifier": given.identifier,
        },
        where=table.c.state == SETTLED,
    )  # fmt: skip


_SHELVE = {"sqlite": _shelve(sqlite), "postgresql": _shelve(postgresql)}


class Contents(msgspec.Struct, frozen=True):
    """What is sealed: the record's bytes, the header it stood under, and who it might be about."""

    raw: bytes
    header: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()


# Made at import, by one thread: two that first meet a Struct at once crash msgspec 0.22 and the process with it.
_DECODE = msgspec.json.Decoder(Contents)


@dataclass(frozen=True, slots=True)
class Held:
    """One thing to put aside. `content` is its blind hash, `identifier` the blind index it waits for."""

    content: bytes
    bad: Bad
    contents: Contents
    line: int = 0
    identifier: bytes | None = None


def owner(source: str) -> str:
    """Return under whose key a source's quarantine is sealed; also the name of its chain in the ledger."""
    return f"source:{source}"


def fingerprint(db: Session, raw: bytes, part: int = 0) -> bytes:
    """Return the blind hash by which a record's exact content is known again.

    `part` is where it ends in its file, if it is only part of a record: parts may look alike.
    """
    return blind.index(db, "registry_sync.content", raw.decode("latin-1") + (f"\n@{part}" if part else ""))


def shelve(db: Session, source: str, form: str, things: Sequence[Held], *, run: str) -> dict[bytes, str]:
    """Put things aside, each once however often it comes; return their numbers by content."""
    if not things:
        return {}
    at, numbers = clock.now(), {thing.content: new_id() for thing in things}
    chain = owner(source)
    db.execute(
        _SHELVE[db.get_bind().dialect.name],
        [
            {
                "id": numbers[thing.content],
                "source": source,
                "form": form,
                "content": thing.content,
                "state": OPEN,
                "reason": thing.bad.reason,
                "spot": thing.bad.spot[:64],
                "line": thing.line,
                "run": run,
                "identifier": thing.identifier,
                "sealed": sealing.seal(db, chain, SCOPE, _ENCODE.encode(thing.contents), aad=thing.content),
                "size": len(thing.contents.raw),
                "at": at,
            }
            for thing in {thing.content: thing for thing in reversed(things)}.values()
        ],
    )
    return numbers


def states(db: Session, source: str, contents: Iterable[bytes]) -> dict[bytes, str]:
    """Return the state of those of some contents that are or were in quarantine."""
    rows = db.execute(_STATES, {"source": source, "contents": list(contents)})
    return {row.content: row.state for row in rows}


def settle(db: Session, source: str, contents: Sequence[bytes]) -> None:
    """Take contents off the shelf because they are applied now; their sealed copy is deleted."""
    if contents:
        db.execute(_SETTLE, [{"held_source": source, "held_content": content} for content in contents])


def opened(db: Session, source: str, content: bytes, sealed: bytes) -> Contents:
    """Open what was put aside."""
    plain = sealing.unseal(db, owner(source), SCOPE, sealed, aad=content)
    return _DECODE.decode(plain)


def masked(raw: bytes, known: frozenset[str]) -> str:
    """Return a record with every letter and digit covered, save the names of fields.

    So one sees what is wrong with its form, without reading about anybody.
    """
    shown, word = [], ""
    for character in raw.decode("utf-8", "replace") + "\n":
        if character.isalnum() or character == "_":
            word += character
            continue
        shown.append(word if word in known else "•" * len(word))
        shown.append(character if character.isprintable() or character in "\n\t" else "\ufffd")
        word = ""
    return "".join(shown).rstrip("\n")
