"""Quarantine: each bad record whole, with its reason, until somebody or something settles it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from core.database import Database
from core.events import Actor
from registry_sync import attributes, holding, people, quarantine, tables
from registry_sync.errors import PersonUnknown, RecordClosed, RecordUnknown
from registry_sync.quarantine import Quarantined
from registry_sync.sources import importing
from tests.registry_sync.conftest import Load, Send, announced, citizen, outcome, somebody, state, values

CLERK = Actor("staff", "clerk-1")
HEADER = (
    b"taxpayer_number,national_identifier,family_name,given_name,birth_date,income_bracket,tax_residency,"
    b"employer,tax_year"
)


def only(store: Database) -> Quarantined:
    """Return the one thing that waits."""
    with store.reading() as db:
        (held,), pages = quarantine.listing(db)
        assert (pages, quarantine.count(db)) == (1, 1)
    return held


@pytest.mark.parametrize(
    "line",
    [
        b'{"identifier":[{"identifier_type":"UIN",',
        b'\xff\xfe{"name": 1}\r',
        b"  [1, 2]",
        b'{"identifier": [], "name": {"given_name": "x"}, "unheard": "of"}',
    ],
)
def test_a_bad_line_is_kept_to_the_byte(store: Database, load: Load, line: bytes) -> None:
    """What is put aside is the line as it came, every byte of it."""
    load(somebody("1"), line)
    held = only(store)
    assert (held.line, held.source, held.form, held.state) == (2, "civil", "record", "open")
    with store.reading() as db:
        assert attributes.unmatched(db, held.id) == ("civil", line + b"\n")


def test_each_reason_has_words(store: Database, load: Load) -> None:
    """The list says in words what is wrong and where, and shows the record's form without its values."""
    load(somebody("1", birth_date="1988-02-30"))
    held = only(store)
    assert (held.reason, held.spot) == ("bad-date", "birth_date")
    assert str(held.words).endswith(".")
    with store.reading() as db:
        opened = quarantine.read(db, held.id)
    assert '"birth_date": "••••-••-••"' in opened.masked
    assert "Beridze" not in opened.masked


def test_the_list_has_pages(store: Database, load: Load) -> None:
    """Pages hold fifty each, in the order of the lines, and a page beyond the last is the last."""
    load(*(b"bad %d" % number for number in range(120)))
    with store.reading() as db:
        first, pages = quarantine.listing(db)
        last, _pages = quarantine.listing(db, "civil", 99)
        assert quarantine.listing(db, "tax") == ([], 1)
        assert quarantine.waiting(db) == {"civil": {"not-json": 120}}
    assert (len(first), len(last), pages) == (50, 20, 3)
    assert [held.line for held in first] == list(range(1, 51))


def duplicate(store: Database, load: Load) -> Quarantined:
    """Load a person and a record that may be a duplicate of them; return what waits."""
    load(somebody("1"), somebody("2", surname="Berizde", brn=None, email=["b@mail.example"]))
    return only(store)


def test_staff_say_it_is_the_same_person(store: Database, load: Load) -> None:
    """A possible duplicate that staff recognise joins the person, whose history says so."""
    held = duplicate(store, load)
    first = citizen(store)
    with store.reading() as db:
        assert quarantine.read(db, held.id).candidates == (first,)
    with store.writing() as db:
        placed = quarantine.retry(db, held.id, actor=CLERK, same_as=first)
    assert (placed.outcome, placed.citizen) == ("new", first)
    assert citizen(store, "2") == first
    assert values(store, "email") == {"email": "b@mail.example"}
    assert "record-matched" in announced(store, first)
    assert announced(store, "source:civil")[-1] == "record-matched"


def test_staff_say_they_are_two_people(store: Database, load: Load) -> None:
    """A possible duplicate that staff tell apart gets a citizen ID of its own."""
    held = duplicate(store, load)
    with store.writing() as db:
        placed = quarantine.retry(db, held.id, actor=CLERK, distinct=True)
    assert placed.how == "founded"
    assert citizen(store, "2") == placed.citizen != citizen(store)


def test_a_retry_without_a_decision_leaves_it_where_it_was(store: Database, load: Load) -> None:
    """Trying again without anything new to go on keeps the record in quarantine."""
    held = duplicate(store, load)
    with store.writing() as db:
        assert quarantine.retry(db, held.id, actor=CLERK).outcome == "quarantined"
    assert only(store).id == held.id


def test_what_is_settled_is_deleted_and_closed(store: Database, load: Load) -> None:
    """A settled record leaves no sealed copy, cannot be decided again, and is unchanged when it comes again."""
    held = duplicate(store, load)
    with store.writing() as db:
        quarantine.retry(db, held.id, actor=CLERK, distinct=True)
    with store.reading() as db:
        assert quarantine.count(db) == 0
        table = tables.quarantined_record
        assert db.execute(select(table.c.state, table.c.sealed)).one() == (holding.SETTLED, None)
        assert quarantine.read(db, held.id).masked == ""
        with pytest.raises(RecordUnknown):
            attributes.unmatched(db, held.id)
    with store.writing() as db, pytest.raises(RecordClosed):
        quarantine.retry(db, held.id, actor=CLERK)
    again = load(somebody("2", surname="Berizde", brn=None, email=["b@mail.example"]))
    assert (again.unchanged, again.quarantined) == (1, 0)


def test_what_is_dismissed_does_not_come_back(store: Database, load: Load) -> None:
    """A dismissed record is passed over when its file comes again, and the source's chain says who decided."""
    load(b"rubbish")
    held = only(store)
    with store.writing() as db:
        quarantine.dismiss(db, held.id, actor=CLERK)
    with store.writing() as db, pytest.raises(RecordClosed):
        quarantine.dismiss(db, held.id, actor=CLERK)
    again = load(b"rubbish", somebody("1"))
    assert (again.quarantined, again.unchanged, again.new) == (0, 1, 1)
    with store.reading() as db:
        assert quarantine.count(db) == 0
        assert [one.id for one in quarantine.listing(db, state=holding.DISMISSED)[0]] == [held.id]
    assert "record-dismissed" in announced(store, "source:civil")


def test_a_bad_record_is_on_the_shelf_once(store: Database, load: Load) -> None:
    """The same bad line in one file twice, and in a second file, is one thing in quarantine."""
    assert load(b"rubbish", b"rubbish").quarantined == 2
    assert load(somebody("1"), b"rubbish").quarantined == 1
    assert only(store).line == 1


def test_a_settled_record_that_is_bad_again_is_open_again(store: Database, load: Load) -> None:
    """A record that once could be settled and later cannot goes back into quarantine; it is not lost."""
    row = b"T1,1,Beridze,Nino,1988-04-17,low,resident,Bakery,2024"
    assert load(HEADER, row, source="tax").quarantined == 1
    assert load(somebody("1")).settled == 1
    with store.writing() as db:
        for table in ("source_record", "attribute_document", "person_identifier", "person_block", "person"):
            db.execute(getattr(tables, table).delete())
    assert load(HEADER, row, b"", source="tax").quarantined == 1
    assert only(store).reason == "unknown-person"


def test_nobody_can_be_made_up(store: Database, load: Load) -> None:
    """Staff cannot give a record to a citizen ID that nobody has, nor decide about what is not there."""
    held = duplicate(store, load)
    with store.writing() as db, pytest.raises(PersonUnknown):
        quarantine.retry(db, held.id, actor=CLERK, same_as=people.new_citizen_id())
    with store.writing() as db, pytest.raises(RecordUnknown):
        quarantine.retry(db, "none", actor=CLERK)
    with store.reading() as db, pytest.raises(RecordUnknown):
        quarantine.read(db, "none")


def test_a_message_can_be_given_to_a_person(store: Database, send: Send, load: Load) -> None:
    """A death under a number nobody has is applied to whom staff say it is about."""
    load(somebody("1"))
    assert outcome(send("death", uin="999")) == "quarantined"
    with store.writing() as db:
        placed = quarantine.retry(db, only(store).id, actor=CLERK, same_as=citizen(store))
    assert placed.outcome == "changed"
    assert state(store) == "deceased"
    assert {"citizen-died", "record-matched"} <= set(announced(store, citizen(store)))


def test_what_waited_for_somebody_is_applied_in_its_order(store: Database, send: Send, load: Load) -> None:
    """Messages that waited for a person are applied after the next import, the older ones not over newer ones."""
    for surname, toe in (("Second", -20), ("First", -30), ("Third", -10)):
        assert outcome(send("name-change", name={"surname": surname}, toe=toe)) == "quarantined"
    assert load(somebody("1")).settled == 3
    assert values(store, "family_name") == {"family_name": "Third"}


def test_a_line_beyond_all_bounds_is_kept(store: Database, tmp_path: Any, load: Callable[..., Any]) -> None:
    """A line longer than any record may be is put aside in parts, and the lines around it are loaded."""
    file = tmp_path / "long"
    long = b'"' + b"x" * 2_500_000 + b'"'
    good = [json.dumps(somebody(uin)).encode() for uin in "12"]
    file.write_bytes(b"\n".join([good[0], long, good[1]]))
    counts = importing.import_file(store, file, source="civil")
    assert (counts.read, counts.people) == (counts.quarantined + 2, 2)
    with store.reading() as db:
        held, _pages = quarantine.listing(db)
        parts = [attributes.unmatched(db, one.id)[1] for one in held]
    assert {one.reason for one in held} == {"too-long"}
    assert sum(len(part) for part in parts) == len(long) + 1
    assert importing.import_file(store, file, source="civil").quarantined == len(held)
    with store.reading() as db:
        assert quarantine.count(db) == len(held)
