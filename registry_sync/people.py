"""Who there is: citizen IDs, and the people they belong to."""

import itertools
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Session
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_37_36

from core import clock
from keys import blind, sealing
from keys.errors import Shredded
from registry_sync import attributes, matching
from registry_sync.attributes import SCOPE
from registry_sync.catalogue import CATALOGUE
from registry_sync.tables import former_name, person, person_identifier
from registry_sync.wire.shapes import NATIONAL, Identity

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O or U
RANDOM_CHARACTERS = 12
IDENTITY = b"identity"
LIVING, DECEASED, ERASED = "living", "deceased", "erased"
_VALUES = {character: value for value, character in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_MISREAD = str.maketrans("OIL", "011", " -\u00a0\u2010\u2011\u2013")
_FIND = select(person).where(person.c.citizen_id == bindparam("citizen"))
_FIND_MANY = select(person.c.citizen_id, person.c.state, person.c.matched_at).where(
    person.c.citizen_id.in_(bindparam("citizens", expanding=True))
)
AT_ONCE = 500
_BY_IDENTIFIER = select(person_identifier.c.citizen_id).where(person_identifier.c.blind == bindparam("blind"))
_ENCODE = msgspec.json.Encoder()
_DECODE = msgspec.json.Decoder(Identity)


@dataclass(frozen=True)
class Person:
    """Somebody with a citizen ID. `state` is living or deceased; `born` may be a year, or a year and month."""

    citizen_id: str
    state: str
    born: str | None
    matched_at: datetime


def new_citizen_id() -> str:
    """Return a new citizen ID: 12 random characters of Crockford's base 32 and a check character.

    The check character is ISO 7064 Mod 37,36, which finds every wrong character. It would miss a few
    swaps of neighbours, and may be a letter that is easily misread; IDs of either kind are not given out.
    """
    while True:
        body = "".join(ALPHABET[byte & 31] for byte in secrets.token_bytes(RANDOM_CHARACTERS))
        citizen_id = body + mod_37_36.calc_check_digit(body)
        if citizen_id[-1] in ALPHABET and not _swap_goes_unseen(citizen_id):
            return citizen_id


def compact(text: str) -> str | None:
    """Return a citizen ID as stored from how a person wrote it, or None if it is none.

    Blanks, hyphens and lower case are fine, and O, I and L are read as 0, 1 and 1.
    """
    if len(text) > 64 or not text.isprintable():
        return None
    tidy = text.upper().translate(_MISREAD)
    return tidy if is_citizen_id(tidy) else None


def is_citizen_id(text: str) -> bool:
    """Tell whether a text is a citizen ID as stored: 13 characters of which the last one checks the rest."""
    if len(text) != RANDOM_CHARACTERS + 1 or not set(text) <= set(ALPHABET):
        return False
    try:
        return bool(mod_37_36.validate(text))
    except ValidationError:
        return False


def grouped(citizen_id: str) -> str:
    """Return a citizen ID as printed, in groups: ``K7QD-2M9X-WT4B-B``."""
    return "-".join(citizen_id[start : start + 4] for start in range(0, len(citizen_id), 4))


def find(db: Session, citizen_id: str) -> Person | None:
    """Return the person with a citizen ID, or None, also if they were erased. `born` is None where unknown."""
    row = db.execute(_FIND, {"citizen": citizen_id}).first()
    if row is None or row.state == ERASED:
        return None
    try:
        born = opened(db, citizen_id, row.identity).born
    except Shredded:
        born = ""
    return Person(citizen_id, row.state, born or None, row.matched_at)


def several(db: Session, citizen_ids: Iterable[str]) -> dict[str, Person]:
    """Return those of many people who are known, by citizen ID, with few queries; their `born` is not opened."""
    wanted = list(dict.fromkeys(citizen_ids))
    found: dict[str, Person] = {}
    for start in range(0, len(wanted), AT_ONCE):
        for row in db.execute(_FIND_MANY, {"citizens": wanted[start : start + AT_ONCE]}):
            if row.state != ERASED:
                found[row.citizen_id] = Person(row.citizen_id, row.state, None, row.matched_at)
    return found


def known(db: Session, citizen_ids: Iterable[str]) -> set[str]:
    """Return those of many citizen IDs that were ever given to somebody, the erased included."""
    wanted = list(dict.fromkeys(citizen_ids))
    return {
        row.citizen_id
        for start in range(0, len(wanted), AT_ONCE)
        for row in db.execute(_FIND_MANY, {"citizens": wanted[start : start + AT_ONCE]})
    }


def by_identifier(db: Session, identifier_type: str, value: str) -> str | None:
    """Return the citizen ID of whoever has an identifier (e.g. type ``UIN``), or None."""
    found: str | None = db.execute(
        _BY_IDENTIFIER, {"blind": identifier(db, identifier_type, value)}
    ).scalar_one_or_none()
    return found


def enrol(db: Session, claims: Mapping[str, Any], *, source: str) -> str:
    """Make somebody known from stated claims, outside any register, and return the new citizen ID.

    Claims that the catalogue does not know are left out. Raises IdentifierTaken for a
    `national_identifier` that somebody else has.
    """
    at, citizen_id = clock.now(), new_citizen_id()
    values = {name: value for name, value in claims.items() if name in CATALOGUE and value not in (None, "")}

    def word(name: str) -> str:
        return str(values.get(name, ""))

    who = Identity(
        given=word("given_name"),
        second=word("middle_name"),
        family=word("family_name"),
        sex=word("gender"),
        born=word("birthdate"),
    )
    today = at.date().isoformat()
    db.execute(
        insert(person).values(
            citizen_id=citizen_id,
            state=LIVING,
            state_as_of=today,
            numbered=False,
            identity=sealed(db, citizen_id, who),
            matched_at=at,
            changed_at=at,
        )
    )
    if number := word("national_identifier"):
        blind_number = identifier(db, NATIONAL, number)
        db.execute(insert(person_identifier).values(blind=blind_number, kind=NATIONAL, citizen_id=citizen_id))
    matching.keep(db, [(block, citizen_id) for block in matching.blocks(db, who)])
    attributes.put(db, citizen_id, source, values, as_of=today)
    return citizen_id


def read_of_name(db: Session, citizen_id: str) -> None:
    """Forget the name that a register replaced, once its owner has read of the change."""
    db.execute(delete(former_name).where(former_name.c.citizen_id == citizen_id))


def identifier(db: Session, identifier_type: str, value: str) -> bytes:
    """Return the blind index of an identifier, whatever blanks and case it is written with."""
    kind = "".join(identifier_type.split()).upper()
    return blind.index(db, f"registry_sync.identifier.{kind[:32]}", "".join(value.split()).upper())


def sealed(db: Session, citizen_id: str, who: Identity) -> bytes:
    """Seal an identity under its citizen's key."""
    return sealing.seal(db, citizen_id, SCOPE, _ENCODE.encode(who), aad=IDENTITY)


def opened(db: Session, citizen_id: str, content: bytes) -> Identity:
    """Undo `sealed`; raises Shredded if the citizen's key was destroyed."""
    return _DECODE.decode(sealing.unseal(db, citizen_id, SCOPE, content, aad=IDENTITY))


def _swap_goes_unseen(citizen_id: str) -> bool:
    state = 18
    for first, second in itertools.pairwise(citizen_id):
        straight = _step(_step(state, first), second)
        if first != second and straight == _step(_step(state, second), first):
            return True
        state = _step(state, first)
    return False


def _step(state: int, character: str) -> int:
    return ((state or 36) * 2 % 37 + _VALUES[character]) % 36
