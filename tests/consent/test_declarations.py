import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from consent import agencies, declarations, importing, purposes, tables
from consent.errors import FileRefused
from core.database import Database
from core.events import SYSTEM, waiting
from tests.consent.country import LAW, agency, document, purpose

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(value: Any, so_far: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every node below a value."""
    if isinstance(value, dict):
        return [p for key, one in value.items() for p in [(*so_far, key), *paths(one, (*so_far, key))]]
    if isinstance(value, list):
        return [
            p for number, one in enumerate(value) for p in [(*so_far, number), *paths(one, (*so_far, number))]
        ]
    return []


def put_in(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy of a value with another node at a path."""
    changed = copy.deepcopy(value)
    spot = changed
    for step in path[:-1]:
        spot = spot[step]
    spot[path[-1]] = new
    return changed


def mistakes_of(database: Database, content: Any) -> list[str]:
    """Return the paths that an import complains about."""
    with pytest.raises(FileRefused) as caught, database.writing() as db:
        importing.load(db, content, actor=SYSTEM)
    return [mistake.path for mistake in caught.value.mistakes]


def test_a_file_is_taken_once(database: Database) -> None:
    """The same file again changes nothing and records nothing."""
    with database.writing() as db:
        assert importing.load(db, document(), actor=SYSTEM) == {"agencies": 2, "purposes": 3, "unchanged": 0}
    with database.writing() as db:
        before = db.scalar(select(func.count()).select_from(waiting))
        assert importing.load(db, document(), actor=SYSTEM) == {"agencies": 0, "purposes": 0, "unchanged": 5}
        assert db.scalar(select(func.count()).select_from(waiting)) == before


def test_a_changed_text_is_a_new_version_and_the_old_one_stays(database: Database) -> None:
    """A purpose is never edited: its versions stand beside each other, each with its own hash."""
    changed = purpose(retention_days=30)
    with database.writing() as db:
        importing.load(db, document(), actor=SYSTEM)
        old = purposes.current(db, "revenue-sign-in")
        new = purposes.publish(db, changed, actor=SYSTEM)
        assert (old.version, new.version) == (1, 2)
        assert purposes.read(db, "revenue-sign-in", 1) == old
        assert purposes.current(db, "revenue-sign-in") == new
        assert old.sha256 != new.sha256
        assert old.text_sha256("en") != new.text_sha256("en") != new.text_sha256("ka")
        assert [one.version for one in purposes.versions(db, "revenue-sign-in")] == [2, 1]
        assert [one.id for one in purposes.listing(db, agency="revenue")] == [
            "revenue-assessment",
            "revenue-sign-in",
        ]


@pytest.mark.parametrize(
    ("path", "new", "complaint"),
    [
        (("agencies", 1, "contact"), "", "agencies[1].contact"),
        (("agencies", 1, "names"), {"en": "Only English"}, "agencies[1].names.ka"),
        (("agencies", 0, "kind"), "secret", "agencies[0].kind"),
        (("agencies", 0, "colour"), "red", "agencies[0].colour"),
        (("agencies", 1, "id"), "revenue", "agencies[1].id"),
        (("purposes", 0, "agency"), "nobody", "purposes[0].agency"),
        (("purposes", 0, "attributes", 2, "name"), "shoe_size", "purposes[0].attributes[2].name"),
        (("purposes", 0, "attributes", 2, "name"), "given_name", "purposes[0].attributes[2].name"),
        (("purposes", 0, "attributes", 1, "required"), "no", "purposes[0].attributes[1].required"),
        (("purposes", 0, "attributes"), [], "purposes[0].attributes"),
        (("purposes", 1, "texts", "ka", "why"), " ", "purposes[1].texts.ka.why"),
        (("purposes", 1, "texts"), {"en": {}}, "purposes[1].texts.ka"),
        (("purposes", 2, "basis"), {**LAW, "url": "ftp://x"}, "purposes[2].basis.url"),
        (("purposes", 2, "basis"), {"kind": "because"}, "purposes[2].basis.kind"),
        (("purposes", 2, "valid_days"), 0, "purposes[2].valid_days"),
        (("purposes", 2, "retention_days"), True, "purposes[2].retention_days"),
        (("purposes", 2, "acr"), "high", "purposes[2].acr"),
        (("purpose",), [], "purpose"),
        (("purposes",), "all", "purposes"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(
    database: Database, path: tuple[Any, ...], new: Any, complaint: str
) -> None:
    """An import that is refused names the path of the mistake, and takes nothing of the file."""
    assert complaint in mistakes_of(database, put_in(document(), path, new))
    with database.reading() as db:
        assert agencies.listing(db) == []
        assert purposes.listing(db) == []


def test_every_mistake_is_named_at_once(database: Database) -> None:
    """A file with three mistakes is told all three."""
    content = document()
    content["agencies"][0]["contact"] = ""
    content["purposes"][0]["acr"] = "none"
    content["purposes"][2]["texts"]["en"]["title"] = 7
    assert mistakes_of(database, content) == [
        "agencies[0].contact",
        "purposes[0].acr",
        "purposes[2].texts.en.title",
    ]


def test_a_purpose_does_not_move_to_another_agency(database: Database) -> None:
    """Consent was given to one agency, so a purpose cannot be taken over by another."""
    with database.writing() as db:
        importing.load(db, document(), actor=SYSTEM)
    moved = purpose(agency="health")
    assert mistakes_of(database, {"purposes": [moved]}) == ["purposes[0].agency"]
    with pytest.raises(FileRefused), database.writing() as db:
        purposes.publish(db, moved, actor=SYSTEM)


def test_what_is_published_fits_into_a_leaf(database: Database) -> None:
    """A purpose whose texts would not fit into the ledger's public record is refused."""
    long = purpose()
    long["texts"] |= {
        f"{letter}{letter}": {"title": "t", "why": "ჰ" * 4000, "refused": "r"} for letter in "abcdef"
    }
    assert mistakes_of(database, {"agencies": [agency()], "purposes": [long]}) == ["purposes[0]"]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), new=ANYTHING)
def test_no_content_surprises_the_reader(data: st.DataObject, new: Any) -> None:
    """Whatever stands anywhere in a declaration, reading it ends in a stored form or in named mistakes."""
    good = document()
    path = data.draw(st.sampled_from([p for p in paths(good) if len(p) > 2]))
    section, number = path[0], path[1]
    changed = put_in(good, path, new)
    reader = declarations.Reader(("en", "ka"))
    read = declarations.agency if section == "agencies" else declarations.purpose
    declared = read(reader, changed[section][number], f"{section}[{number}]")
    if reader.mistakes:
        assert all(mistake.path.startswith(f"{section}[{number}]") for mistake in reader.mistakes)
        assert all(str(mistake.says) for mistake in reader.mistakes)
    else:
        again = declarations.Reader(("en", "ka"))
        assert read(again, declared, f"{section}[{number}]") == declared
        assert not again.mistakes


def test_every_stored_purpose_reads_back_as_declared(database: Database) -> None:
    """What is stored is what was declared, down to the order of the attributes."""
    with database.writing() as db:
        importing.load(db, document(), actor=SYSTEM)
        stored = db.execute(select(tables.purpose).where(tables.purpose.c.id == "revenue-assessment")).one()
        assert stored.declaration == purpose("revenue-assessment", basis=dict(LAW), acr="urn:erti:loa:low")
        law = purposes.current(db, "revenue-assessment")
    assert law.by_law
    assert law.law == "Tax Code, 72(1)"
    assert law.names == ("given_name", "income_bracket", "employer")
    assert law.required == {"given_name"}


def test_a_word_where_none_is_known_is_a_mistake() -> None:
    """A word out of a list that is empty for now is noted as a mistake, whatever it is."""
    reader = declarations.Reader(("en",))
    assert reader.one_of("RS256", "client.alg", ()) == ""
    assert [one.path for one in reader.mistakes] == ["client.alg"]
