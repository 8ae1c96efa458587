"""Loading registers: counts that add up, one person one ID, and nothing lost or doubled by a kill."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from core.database import Database
from registry_sync import attributes, people, quarantine, tables
from registry_sync.errors import FileUnusable, SourceUnknown
from registry_sync.sources import importing
from registry_sync.sources.importing import Counts
from service.demo.country import Truth
from tests.registry_sync.conftest import Load, announced, somebody

Land = tuple[Path, Truth]

CHILD = """
import sys, time
from pathlib import Path
from core.settings import Settings
from registry_sync.sources import importing
from tests.registry_sync.ground import open_store
url, data, file = sys.argv[1:4]
store = open_store(Settings(database_url=url, data_dir=Path(data)))
importing.import_file(store, Path(file), source="civil", batch=40,
                      progress=lambda done, total: print(done, total, flush=True))
"""


def adds_up(counts: Counts) -> bool:
    """Tell whether every record that was read is accounted for exactly once."""
    parts = counts.new + counts.changed + counts.unchanged + counts.repeated + counts.quarantined
    return counts.read == parts


def rows(store: Database, table: str) -> int:
    """Return how many rows a table has."""
    with store.reading() as db:
        return db.execute(select(func.count()).select_from(getattr(tables, table))).scalar_one()


def value(store: Database, uin: str, name: str) -> object:
    """Return one attribute of whoever has a national identifier."""
    with store.reading() as db:
        citizen = people.by_identifier(db, "UIN", uin)
        assert citizen is not None
        found = attributes.read(db, citizen, [name])
        return found[name].value if name in found else None


def test_a_country_is_loaded_as_its_truth_says(store: Database, land: Land) -> None:
    """Counts, living and dead, quarantine by reason: all agree with what the generator wrote."""
    folder, truth = land
    civil = importing.import_file(store, folder / "civil.jsonl", source="civil")
    assert adds_up(civil)
    assert civil.read == truth.civil_lines
    assert civil.new == civil.people == truth.people
    assert civil.changed == len(truth.civil_repeated_changed)
    assert civil.repeated == len(truth.civil_repeated_same)
    assert civil.quarantined == sum(truth.civil_broken.values()) + len(truth.civil_second_identifiers)
    with store.reading() as db:
        number = func.count().label("number")
        counted = db.execute(select(tables.person.c.state, number).group_by(tables.person.c.state))
        states: dict[str, int] = {one.state: one.number for one in counted}
        waiting = quarantine.waiting(db)["civil"]
    assert states == {"living": truth.living, "deceased": truth.deceased}
    assert waiting.pop("possible-duplicate") == len(truth.civil_second_identifiers)
    assert sum(waiting.values()) == sum(truth.civil_broken.values())
    tax = importing.import_file(store, folder / "tax.csv", source="tax")
    assert adds_up(tax)
    assert tax.read == truth.tax_rows
    assert tax.quarantined == len(truth.tax_broken_rows) + len(truth.tax_unknown)
    assert tax.merged == len(truth.tax_without_identifier)
    assert tax.matched == truth.tax_known - tax.merged
    assert tax.people == 0
    assert announced(store, "source:civil") == announced(store, "source:tax") == ["import-finished"]


def test_tax_rows_reach_whom_they_are_about(store: Database, land: Land) -> None:
    """Every good tax row, even without identifier, ends with the person that the truth names."""
    folder, truth = land
    for source, name in (("civil", "civil.jsonl"), ("tax", "tax.csv")):
        importing.import_file(store, folder / name, source=source)
    content = (folder / "tax.csv").read_bytes().decode("utf-8", "replace")
    with store.reading() as db:
        for number, row in enumerate(csv.DictReader(content.splitlines()), 1):
            if number in truth.tax_broken_rows or row["taxpayer_number"] in truth.tax_unknown:
                continue
            uin = row["national_identifier"] or truth.tax_without_identifier[row["taxpayer_number"]]
            citizen = people.by_identifier(db, "UIN", uin)
            assert citizen
            found = attributes.read(db, citizen, ["employer", "income_bracket", "tax_year"])
            assert {name: found[name].value for name in found} == {name: row[name] for name in found}
            assert {one.as_of for one in found.values()} == {"2025-12-31"}


def test_loading_again_changes_nothing(store: Database, land: Land) -> None:
    """A second import of both files finds everything unchanged, and no table grows but the runs."""
    folder, _truth = land
    names = ("person", "person_identifier", "person_block", "attribute_document", "source_record",
             "quarantined_record")  # fmt: skip
    for source, name in (("civil", "civil.jsonl"), ("tax", "tax.csv")):
        first = importing.import_file(store, folder / name, source=source)
        before = [rows(store, table) for table in names]
        again = importing.import_file(store, folder / name, source=source)
        assert adds_up(again)
        assert (again.new, again.changed, again.people) == (0, 0, 0)
        assert again.quarantined == first.quarantined
        assert [rows(store, table) for table in names] == before


def test_the_order_of_the_registers_does_not_matter(store: Database, land: Land) -> None:
    """Tax rows that came before their people wait, and are settled when the civil registry is loaded."""
    folder, truth = land
    early = importing.import_file(store, folder / "tax.csv", source="tax")
    assert (early.new, early.quarantined) == (0, truth.tax_rows)
    civil = importing.import_file(store, folder / "civil.jsonl", source="civil")
    assert civil.settled == truth.tax_known - len(truth.tax_without_identifier)
    late = importing.import_file(store, folder / "tax.csv", source="tax")
    assert (late.new, late.merged) == (len(truth.tax_without_identifier),) * 2
    with store.reading() as db:
        assert quarantine.waiting(db)["tax"]["unknown-person"] == len(truth.tax_unknown)


@pytest.mark.slow
def test_killed_anywhere_it_ends_complete(store: Database, land: Land, tmp_path: Path) -> None:
    """Killed with SIGKILL at random moments and run again, an import ends as if nothing had happened."""
    folder, truth = land
    seed = Random().randrange(10**6)
    print("seed", seed)
    rng, file, killed = Random(seed), folder / "civil.jsonl", 0
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, store.url, str(store.parts.settings.data_dir), str(file)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert child.stdout
        child.stdout.readline()
        for _ in range(rng.randrange(1, 6)):
            child.stdout.readline()
        try:
            child.wait(rng.random() * 0.02)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            killed += 1
        child.wait()
        child.stdout.close()
    assert killed >= 2
    counts = importing.import_file(store, file, source="civil", batch=40)
    assert adds_up(counts)
    assert (counts.read, counts.new, counts.people) == (truth.civil_lines, truth.people, truth.people)
    assert counts.changed == len(truth.civil_repeated_changed)
    assert counts.repeated == len(truth.civil_repeated_same)
    assert rows(store, "person") == rows(store, "attribute_document") == truth.people
    assert rows(store, "quarantined_record") == counts.quarantined
    assert announced(store, "source:civil") == ["import-finished"]


def test_a_record_again_with_news_changes_one_person(store: Database, load: Load) -> None:
    """A newer record of the same identifier changes the person, and their own chain says what changed."""
    load(somebody("1", address=[{"locality": "Kvisheti"}]))
    counts = load(somebody("1", address=[{"locality": "Brotseula"}], last_updated="2024-06-01"))
    assert (counts.changed, counts.new) == (1, 0)
    assert value(store, "1", "address") == {"formatted": "Brotseula", "locality": "Brotseula"}
    with store.reading() as db:
        citizen = people.by_identifier(db, "UIN", "1")
    assert announced(store, citizen) == ["attributes-changed"]


def test_an_older_record_changes_nothing(store: Database, load: Load) -> None:
    """A record older than the one held is counted as a repeat, in one file and across two."""
    new, old = somebody("1", given="Nina", last_updated="2024-06-01"), somebody("1")
    assert asdict(load(new, old, new)) == asdict(Counts(read=3, new=1, repeated=2, people=1))
    assert load(old).unchanged == 1
    assert value(store, "1", "given_name") == "Nina"


def test_what_a_register_no_longer_says_is_gone(store: Database, load: Load) -> None:
    """An attribute that a newer record leaves out is no longer stated."""
    load(somebody("1", email=["a@mail.example"]))
    load(somebody("1", last_updated="2024-06-01"))
    assert value(store, "1", "email") is None


def test_two_records_certainly_of_one_person_are_one(store: Database, load: Load) -> None:
    """A second identifier with the same name, birth date and place joins the person; no second ID is made."""
    counts = load(somebody("1"), somebody("2", brn=None))
    assert (counts.new, counts.merged, counts.people) == (2, 1, 1)
    with store.reading() as db:
        first, second = (people.by_identifier(db, "UIN", uin) for uin in "12")
    assert first == second
    assert announced(store, first)[:1] == ["record-matched"]


def test_a_misheard_second_record_waits(store: Database, load: Load) -> None:
    """A record that is almost somebody's waits in quarantine, also if both stand in one batch."""
    counts = load(somebody("1", brn=None), somebody("2", surname="Berizde", brn=None))
    assert (counts.people, counts.quarantined) == (1, 1)
    with store.reading() as db:
        assert people.by_identifier(db, "UIN", "2") is None
        assert quarantine.waiting(db) == {"civil": {"possible-duplicate": 1}}


def test_twins_are_two_people(store: Database, load: Load) -> None:
    """Twins with birth numbers of their own get an ID each, however alike their names."""
    counts = load(somebody("1", given="Lana"), somebody("2", given="Nana"))
    assert (counts.people, counts.quarantined) == (2, 0)


def test_identifiers_of_two_people_on_one_record(store: Database, load: Load) -> None:
    """A record whose identifiers belong to two different people is put aside."""
    load(somebody("1", brn="B-1"), somebody("2", given="Otar", brn="B-2", birth_date="1950"))
    assert load(somebody("1", brn="B-2", last_updated="2024-06-01")).quarantined == 1
    with store.reading() as db:
        assert quarantine.waiting(db) == {"civil": {"identifiers-disagree": 1}}


def test_a_row_under_a_wrong_identifier_waits(store: Database, load: Load, land: Land) -> None:
    """A tax row under an identifier whose owner has quite another name and birth year reaches nobody."""
    load(somebody("1"))
    header = (land[0] / "tax.csv").read_bytes().splitlines()[0]
    counts = load(header, b"T1,1,Quite,Otar,1950-01-01,low,resident,Bakery,2025", source="tax")
    assert counts.quarantined == 1
    assert value(store, "1", "employer") is None


def test_a_death_in_a_file_is_announced(store: Database, load: Load) -> None:
    """A newer record with a death date makes a known citizen deceased, once; without it nobody comes back to life."""
    load(somebody("1"))
    dead = somebody("1", death_date="2024-05-01", last_updated="2024-06-01")
    assert load(dead).changed == 1
    assert load(dead).unchanged == 1
    assert load(somebody("1", last_updated="2024-07-01")).quarantined == 1
    with store.reading() as db:
        citizen = people.by_identifier(db, "UIN", "1")
        assert citizen
        person = people.find(db, citizen)
        assert person
        assert (person.state, person.born) == ("deceased", "1988-04-17")
        assert quarantine.waiting(db) == {"civil": {"death-withdrawn": 1}}
    assert announced(store, citizen).count("citizen-died") == 1


def test_unknown_sources_and_files_are_refused(store: Database, tmp_path: Path) -> None:
    """A source nobody connected, and a tax file without its header, are refused before anything is read."""
    (tmp_path / "file").write_text("a,b\n1,2\n")
    with pytest.raises(SourceUnknown):
        importing.import_file(store, tmp_path / "file", source="land")
    with pytest.raises(FileUnusable):
        importing.import_file(store, tmp_path / "file", source="tax")
    (tmp_path / "empty").write_text("")
    assert importing.import_file(store, tmp_path / "empty", source="civil") == Counts()


def test_nothing_is_stored_in_clear(store: Database, load: Load, tmp_path: Path) -> None:
    """No table holds a name, an identifier or a date of birth in a form that can be read."""
    load(somebody("38072135168", given="Ketevan", email=["keti@mail.example"]), b'{"name":"Ketevan"')
    with store.reading() as db:
        for table in tables.person.metadata.sorted_tables:
            stored = repr([tuple(row) for row in db.execute(select(table))])
            for secret in ("Ketevan", "Beridze", "38072135168", "1988", "keti"):
                assert not re.search(rf"(?<!\d){secret}(?!\d)", stored), (
                    table.name
                )  # digits of a moment are none


def test_progress_ends_at_the_end(store: Database, land: Land) -> None:
    """Progress is told in bytes, never goes back, and ends at the size of the file."""
    told: list[tuple[int, int]] = []
    file = land[0] / "civil.jsonl"
    importing.import_file(
        store, file, source="civil", progress=lambda done, total: told.append((done, total))
    )
    assert told == sorted(told)
    assert told[-1] == (file.stat().st_size,) * 2


def test_enrolling_a_test_citizen(store: Database) -> None:
    """Claims of a test citizen become attributes of their own source; what the catalogue lacks is left out."""
    claims = json.loads(
        '{"given_name": "Test", "birthdate": "1990-01-02", "zoneinfo": "Europe/Paris", "x": 1}'
    )
    with store.writing() as db:
        citizen = people.enrol(db, claims, source="enrolment")
    with store.reading() as db:
        found = attributes.read(db, citizen, ["given_name", "zoneinfo", "birthdate", "x", "employer"])
        person = people.find(db, citizen)
    assert {name: one.value for name, one in found.items()} == {
        "given_name": "Test", "zoneinfo": "Europe/Paris", "birthdate": "1990-01-02",
    }  # fmt: skip
    assert {one.source for one in found.values()} == {"enrolment"}
    assert person
    assert (person.state, person.born) == ("living", "1990-01-02")
