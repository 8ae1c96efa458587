"""Agencies and purposes out of a file: all of it or nothing, and every mistake with its place."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from consent import agencies, declarations, purposes
from consent.errors import FileRefused
from core.database import parts
from core.events import Actor
from core.language import _

SECTIONS = ("agencies", "purposes", "clients")


@dataclass(frozen=True)
class _Declared:
    agencies: list[dict[str, Any]]
    purposes: list[dict[str, Any]]


def load(db: Session, document: Mapping[str, Any], *, actor: Actor) -> dict[str, int]:
    """Take the agencies and purposes of a file into the caller's transaction; returns counts of what changed.

    The same file again changes nothing. Clients are left to `idp.oidc.clients`. Raises FileRefused with
    every mistake and its path, e.g. ``agencies[2].contact: must not be empty``, before anything is written.
    """
    reader = declarations.reader(parts(db).settings)
    declared = _declared(db, reader, document)
    if reader.mistakes:
        raise FileRefused(reader.mistakes)
    before_agencies = {agency.id: agency for agency in agencies.listing(db)}
    before_purposes = {purpose.id: purpose.version for purpose in purposes.listing(db)}
    put = [
        agencies.put(db, spec, actor=actor) != before_agencies.get(spec["id"]) for spec in declared.agencies
    ]
    published = [
        purposes.publish(db, spec, actor=actor).version != before_purposes.get(spec["id"])
        for spec in declared.purposes
    ]
    return {
        "agencies": sum(put),
        "purposes": sum(published),
        "unchanged": [*put, *published].count(False),
    }


def _declared(db: Session, reader: declarations.Reader, document: object) -> _Declared:
    if not isinstance(document, Mapping):
        reader.wrong("file", _("must hold agencies, purposes and clients"))
        return _Declared([], [])
    for section in document:
        if section not in SECTIONS:
            reader.wrong(str(section), _("is not a known section: agencies, purposes, clients"))
    declared = _Declared(
        [declarations.agency(reader, raw, path) for raw, path in _items(reader, document, "agencies")],
        [declarations.purpose(reader, raw, path) for raw, path in _items(reader, document, "purposes")],
    )
    _unique(reader, "agencies", declared.agencies)
    _unique(reader, "purposes", declared.purposes)
    known = {agency.id for agency in agencies.listing(db)} | {spec.get("id") for spec in declared.agencies}
    owners = {purpose.id: purpose.agency for purpose in purposes.listing(db)}
    for number, spec in enumerate(declared.purposes):
        _fits(reader, spec, f"purposes[{number}]", agencies_known=known, owners=owners)
    return declared


def _items(reader: declarations.Reader, document: Mapping[str, Any], section: str) -> list[tuple[Any, str]]:
    found = document.get(section)
    if found is None:
        return []
    if not isinstance(found, Sequence) or isinstance(found, str):
        reader.wrong(section, _("must be a list"))
        return []
    return [(raw, f"{section}[{number}]") for number, raw in enumerate(found)]


def _unique(reader: declarations.Reader, section: str, specs: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for number, spec in enumerate(specs):
        name = spec.get("id")
        if name and name in seen:
            reader.wrong(f"{section}[{number}].id", _("stands in the file twice"))
        seen.add(name or "")


def _fits(
    reader: declarations.Reader,
    spec: dict[str, Any],
    path: str,
    *,
    agencies_known: Collection[str | None],
    owners: Mapping[str, str],
) -> None:
    owner = spec.get("agency")
    if owner and owner not in agencies_known:
        reader.wrong(f"{path}.agency", _("is not an agency of this file, nor one that is known"))
    elif owner and owners.get(spec.get("id") or "", owner) != owner:
        reader.wrong(f"{path}.agency", _("belongs to another agency, and cannot move"))
