"""Rich authorization requests (RFC 9396): what a client asks for a purpose, piece by piece, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from sqlalchemy.orm import Session

from consent import grants
from consent.allowances import MOST_READS, Allowance
from consent.grants import Grant
from core import clock

TYPE: Final = "citizen_attributes"
LONGEST = 8000
MOST = 20
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Count = Annotated[int, Meta(ge=1, le=MOST_READS)]


class _Per(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    reads: Count
    every: Literal["day", "week", "month", "year"]


class _Detail(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    type: Literal["citizen_attributes"]
    purpose: Name
    attributes: Annotated[list[Name], Meta(min_length=1, max_length=100)] | None = None
    reads: Count | None = None
    per: _Per | None = None
    until: date | None = None


# Made at import, by one thread (see `resources.bodies`).
_DECODER = msgspec.json.Decoder(Annotated[list[_Detail], Meta(min_length=1, max_length=MOST)])


class DetailsUnreadable(ValueError):
    """The parameter is not a list of objects of a known type with known fields (RFC 9396, section 5)."""


@dataclass(frozen=True)
class Detail:
    """One object of type ``citizen_attributes``. Without `attributes` it is about all of the purpose's."""

    purpose: str
    attributes: frozenset[str]
    limits: Allowance


def parse(text: str) -> tuple[Detail, ...]:
    """Read an `authorization_details` parameter; raises DetailsUnreadable, for what is unknown in it too."""
    if len(text) > LONGEST:
        raise DetailsUnreadable("too long")
    try:
        given: list[_Detail] = _DECODER.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DetailsUnreadable("not what RFC 9396 and this type describe") from error
    if len({one.purpose for one in given}) < len(given):
        raise DetailsUnreadable("a purpose is named twice")
    return tuple(
        Detail(
            one.purpose,
            frozenset(one.attributes or ()),
            Allowance(
                one.reads,
                one.per.reads if one.per else None,
                one.per.every if one.per else "",
                last=one.until,
            ),
        )
        for one in given
    )


def narrows(limits: Allowance, within: Allowance) -> bool:
    """Tell whether each limit that is named is a narrower one than the purpose's own, or the same."""
    both = within.narrowed(limits)
    named = limits.reads in (None, both.reads) and limits.last in (None, both.last)
    return named and both.fits(within) and (limits.last is None or limits.last >= clock.now().date())


def stored(asked: Sequence[tuple[str, frozenset[str]]]) -> list[dict[str, Any]]:
    """Return what is kept of the objects with an authorization: purpose and attributes."""
    return [{"purpose": purpose, "attributes": sorted(names)} for purpose, names in asked]


def granted(db: Session, citizen: str, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the objects as they are granted at this moment (RFC 9396, sections 7 and 9.2).

    Of each the attributes that the citizen allows now; one of which nothing is left is left out.
    """
    found = []
    for one in asked:
        grant = grants.live(db, citizen=citizen, purpose=one["purpose"])
        names = grant.attributes & set(one["attributes"]) if grant else frozenset()
        if grant is not None and names:
            found.append(described(grant, names))
    return found


def told(
    db: Session, citizen: str, asked: Sequence[Mapping[str, Any]], grant_id: str | None
) -> dict[str, Any]:
    """Return what a token response and introspection say beside scopes: details as granted, and the handle."""
    found: dict[str, Any] = {"authorization_details": granted(db, citizen, asked)} if asked else {}
    return found | ({"grant_id": grant_id} if grant_id else {})


def described(grant: Grant, names: frozenset[str]) -> dict[str, Any]:
    """Return a permission, or a part of it, as an object of this type, with its own grant ID and its limits."""
    return {
        "type": TYPE,
        "purpose": grant.purpose,
        "attributes": sorted(names),
        "grant_id": grant.grant_id,
        "expires_at": clock.wire(grant.expires_at),
        **grant.allowance.document(),
    }
