"""The civil registry: person records in the DCI/SPDCI shape, one JSON object a line."""

from collections.abc import Sequence
from typing import Any

import msgspec

from core import clock
from registry_sync.wire.shapes import (
    BIRTH_NUMBER,
    NATIONAL,
    Address,
    Bad,
    Identifier,
    Identity,
    Name,
    Person,
    Record,
    Unreadable,
    number,
    partial_date,
    precedes,
    shaped,
    text,
)

NAME = "civil"
FOUNDS_PEOPLE = True  # a record of this register can make somebody known here
FIELDS = frozenset(
    name for shape in (Person, Name, Address, Identifier) for name in shape.__struct_fields__
) | {"UIN", "BRN"}


# Made at import, by one thread: two that first meet a Struct at once crash msgspec 0.22 and the process with it.
_PERSON = msgspec.json.Decoder(Person)


def read(content: bytes, header: Sequence[str] = ()) -> Record | Bad:
    """Read one line; never raises, whatever the bytes."""
    try:
        return record(shaped(content, _PERSON))
    except Unreadable as error:
        return error.bad


def record(person: Person) -> Record:
    """Turn a person of the register's shape into a record; raises Unreadable."""
    identifiers = _identifiers(person)
    found = dict(reversed(identifiers))
    if NATIONAL not in found:
        raise Unreadable("missing-identifier", "identifier")
    who = identity(person, Identity(birth_number=found.get(BIRTH_NUMBER, "")))
    died = partial_date(person.death_date, "death_date")
    if died and who.born and precedes(died, who.born):
        raise Unreadable("death-before-birth", "death_date")
    as_of = partial_date(person.last_updated, "last_updated") or clock.now().date().isoformat()
    values = {"national_identifier": found[NATIONAL], **name_values(who), **facts(person)}
    return Record(NAME, found[NATIONAL], identifiers, who, as_of, values, died)


def _identifiers(person: Person) -> tuple[tuple[str, str], ...]:
    pairs = [
        (number(item.identifier_type, "identifier_type"), number(item.identifier_value, "identifier_value"))
        for item in person.identifier or ()
    ]
    if any(len(kind) > 32 for kind, _value in pairs):
        raise Unreadable("bad-identifier", "identifier_type")
    return tuple((kind, value) for kind, value in pairs if kind and value)


def identity(person: Person, known: Identity) -> Identity:
    """Return `known` with what the record says over it; raises Unreadable if that leaves no name.

    A name is replaced as a whole: who gives up a second name no longer has one.
    """
    name = person.name or Name(known.given, known.second, known.family, known.maiden, None, known.suffix)
    who = Identity(
        given=text(name.given_name, "given_name"),
        second=text(name.second_name, "second_name"),
        family=text(name.surname, "surname"),
        maiden=text(name.maiden_name, "maiden_name"),
        suffix=text(name.suffix, "suffix"),
        sex=text(person.sex, "sex", 20).lower() or known.sex,
        born=partial_date(person.birth_date, "birth_date") or known.born,
        birth_place=text(person.birth_place, "birth_place") or known.birth_place,
        home=text(person.household_identifier, "household_identifier") or known.home,
        birth_number=known.birth_number,
    )
    if not who.given and not who.family:
        raise Unreadable("missing-name", "name")
    return who


def overlaid(person: Person, known: Identity) -> Identity:
    """Return `known` with what a message says over it; parts of a name that it leaves out stay."""
    if person.name is None:
        return identity(person, known)
    before = {
        "given_name": known.given,
        "second_name": known.second,
        "surname": known.family,
        "maiden_name": known.maiden,
        "suffix": known.suffix,
    }
    said = {part: text for part in before if (text := getattr(person.name, part)) is not None}
    return identity(msgspec.structs.replace(person, name=Name(**(before | said))), known)


def name_values(who: Identity) -> dict[str, Any]:
    """Return the attributes that make up a name; `name` is the whole of it, in the order it is spoken."""
    whole = " ".join(part for part in (who.given, who.second, who.family, who.suffix) if part)
    parts = {
        "given_name": who.given,
        "middle_name": who.second,
        "family_name": who.family,
        "name": whole,
    }
    return {key: value for key, value in parts.items() if value}


def facts(person: Person) -> dict[str, Any]:
    """Return the attributes beside the name that a record states; raises Unreadable."""
    stated: dict[str, Any] = {
        "birthdate": partial_date(person.birth_date, "birth_date"),
        "gender": text(person.sex, "sex", 20).lower(),
        "birth_place": text(person.birth_place, "birth_place"),
        "marital_status": text(person.marital_status, "marital_status"),
        "address": _address(person.address[0]) if person.address else "",
        "phone_number": text(person.phone_number[0], "phone_number") if person.phone_number else "",
        "email": text(person.email[0], "email") if person.email else "",
        "household_size": person.household_size,
    }
    if person.household_size is not None and not 0 < person.household_size < 10_000:
        raise Unreadable("wrong-shape", "household_size")
    return {key: value for key, value in stated.items() if value}


def _address(written: Address) -> dict[str, str]:
    """Return an address as OpenID Connect Core 1.0, section 5.1.1, writes one."""
    lines = [text(written.address_line1, "address_line1"), text(written.address_line2, "address_line2")]
    street = "\n".join(line for line in lines if line)
    town, code = text(written.locality, "locality"), text(written.postal_code, "postal_code", 20)
    country = text(written.country_code, "country_code", 20)
    region = text(written.region_code, "region_code", 40)
    place = " ".join(part for part in (code, town) if part)
    parts = {
        "formatted": "\n".join(part for part in (street, place, country) if part),
        "street_address": street,
        "locality": town,
        "region": region,
        "postal_code": code,
        "country": country,
    }
    return {key: value for key, value in parts.items() if value}
