"""Under which key an opening or a waiting event is sealed, and how that is written in front of it."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from consent.ledger.tables import generation
from core import clock
from core.database import among, texts
from keys import sealing
from keys.errors import BadSeal

LEDGER, WITHHELD = "ledger", "withheld"
# A citizen's year has one key until entries of it are erased; then the next generation seals. In front of what is sealed
# stands "2026", or "2026:3:" from the first erasure on; "w" before it for what the law withholds, which has keys of its own.
_FRONT: Final = re.compile(rb"(w?)(\d{4})(?::([1-9]\d{0,14}):)?")
_FIND = {
    engine: select(generation).where(named) for engine, named in among(generation.c.chain, "chains").items()
}
_INSERT: dict[str, sqlite.Insert | postgresql.Insert] = {
    "sqlite": sqlite.insert(generation),
    "postgresql": postgresql.insert(generation),
}
_NEXT = {
    name: statement.values(number=1)
    .on_conflict_do_update(index_elements=["chain"], set_={"number": generation.c.number + 1})
    .returning(generation.c.number)
    for name, statement in _INSERT.items()
}


def is_office(chain: str) -> bool:
    """Tell whether a chain is an office's, an agency's or a source's, and not a citizen's."""
    return ":" in chain


def scope(year: int | str, number: int = 0, *, kind: str = LEDGER) -> str:
    """Return the name of a chain's key for a year, of a generation."""
    return f"{kind}:{year}:{number}" if number else f"{kind}:{year}"


def generations(db: Session, chains: Iterable[str]) -> Mapping[str, int]:
    """Return the generations of chains; one that is not in it has had nothing erased, and is at 0.

    Whoever seals openings asks for this under the head lock: erasing takes that lock before it moves on.
    """
    return {
        row.chain: row.number
        for row in db.execute(_FIND[db.get_bind().dialect.name], {"chains": texts(db, chains)})
    }


def next_generation(db: Session, chain: str) -> int:
    """Let a chain's openings be sealed under new keys from now on; return the generation. Under the head lock only."""
    return int(db.execute(_NEXT[db.get_bind().dialect.name], {"chain": chain}).scalar_one())


def ready(db: Session, chains: Iterable[str], year: int) -> Mapping[str, int]:
    """Have the keys of many chains for a year at hand, made where there are none; return the chains' generations."""
    names = list(chains)
    found = generations(db, names)
    sealing.ready(db, [name for name in names if name not in found], scope(year))
    for name, number in found.items():
        sealing.ready(db, [name], scope(year, number))
    return found


def seal(db: Session, chain: str, key: str, plain: bytes, *, aad: bytes = b"") -> bytes:
    """Seal under a chain's key of a scope, with the scope written in front."""
    return _front(key) + sealing.seal(db, chain, key, plain, aad=aad)


@lru_cache(maxsize=256)
def _front(key: str) -> bytes:
    kind, _sep, rest = key.partition(":")
    year, _sep, number = rest.partition(":")
    return (("w" if kind == WITHHELD else "") + year + (f":{number}:" if number else "")).encode()


def unseal(db: Session, chain: str, sealed: bytes, *, aad: bytes = b"") -> bytes:
    """Undo `seal`. Raises keys.errors.Shredded if the key is destroyed, BadSeal if anything was altered."""
    key, rest = split(sealed)
    return sealing.unseal(db, chain, key, rest, aad=aad)


def split(sealed: bytes) -> tuple[str, bytes]:
    """Return the scope that stands in front, and what is sealed under it. Raises BadSeal."""
    front = _FRONT.match(sealed)
    if front is None:
        raise BadSeal(detail="no year in front")
    kind = WITHHELD if front[1] else LEDGER
    return scope(front[2].decode(), int(front[3] or 0), kind=kind), sealed[front.end() :]


def front(sealed: bytes) -> bytes:
    """Return what stands in front of a sealed opening, unchecked: everything before the seal's version."""
    return sealed.partition(sealing.VERSION)[0]


def scope_of(front: bytes) -> str | None:
    """Return the scope that a `front` names; None if it is none."""
    try:
        key, rest = split(front)
    except BadSeal:
        return None
    return None if rest else key


def seal_event(db: Session, chain: str, plain: bytes) -> bytes:
    """Seal a waiting event under the chain's newest key of this year, which stays until this write transaction ends.

    A key that this process still remembers may be destroyed by now, and the event would be lost: so it is asked for.
    Chains of offices, agencies and sources are never erased, so theirs need not be.
    """
    if is_office(chain):
        return seal(db, chain, scope(clock.now().year), plain)
    return seal(db, chain, sealing.hold(db, chain, scope(clock.now().year)), plain)
