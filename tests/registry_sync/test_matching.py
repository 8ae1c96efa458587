"""Who is the same person: slips and scripts, twins and namesakes."""

from random import Random

import msgspec
import pytest

from core.database import Database
from registry_sync import matching
from registry_sync.wire.shapes import Identity
from service.demo import names

NINO = Identity(
    given="Nino", family="Beridze", sex="female", born="1988-04-17", birth_place="Kvisheti", home="H1",
    birth_number="B-1",
)  # fmt: skip


def other(**fields: str) -> Identity:
    """Return Nino's record as another office wrote it: without birth number, with some fields changed."""
    return msgspec.structs.replace(NINO, birth_number="", **fields)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "same"),
        ({"given": "ნინო", "family": "ბერიძე"}, "same"),
        ({"family": "Berizde"}, "unsure"),
        ({"given": "Nina"}, "unsure"),
        ({"family": "Berije"}, "unsure"),
        ({"second": "Mariam"}, "unsure"),
        ({"born": "1988-04-18"}, "unsure"),
        ({"born": "1988-04"}, "unsure"),
        ({"home": "", "birth_place": ""}, "unsure"),
        ({"home": "H2", "birth_place": "Ørskel"}, "unsure"),
        ({"sex": "male"}, "unsure"),
        ({"sex": "male", "given": "Nina"}, "different"),
        ({"given": "Tamar"}, "different"),
        ({"born": "1961-12-30"}, "different"),
        ({"family": "Berizde", "home": "H2", "birth_place": "Ørskel"}, "different"),
        ({"born": "1988", "home": "H2", "birth_place": "Ørskel"}, "different"),
    ],
)
def test_two_records_of_the_civil_registry(fields: dict[str, str], verdict: str) -> None:
    """Only what agrees in name, birth date and place is certain; what nearly agrees is left to people."""
    assert matching.compared(NINO, other(**fields)) == verdict
    assert matching.compared(other(**fields), NINO) == verdict


def test_a_birth_number_settles_it() -> None:
    """Two birth numbers are two people however alike; one birth number is one, unless all else disagrees."""
    assert matching.compared(NINO, msgspec.structs.replace(NINO, birth_number="B-2")) == "different"
    assert matching.compared(NINO, msgspec.structs.replace(NINO, given="Nina")) == "same"
    assert matching.compared(NINO, Identity(given="Otar", born="1950", birth_number="B-1")) == "unsure"


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Identity(given="NINO", family="BERIDZE", born="1988-04-17"), "same"),
        (Identity(given="Nino", family="Beridze", born="1988"), "unsure"),
        (Identity(given="Nino", family="Berizde", born="1988-04-17"), "unsure"),
        (Identity(given="Nino", family="Beridze", born="1988-04-18"), "different"),
        (Identity(given="Tamar", family="Beridze", born="1988-04-17"), "different"),
    ],
)
def test_a_tax_record_without_identifier(row: Identity, verdict: str) -> None:
    """A record with only a name and a birth date is somebody's if both agree wholly."""
    assert matching.pointed_at(NINO, row) == verdict


def test_whose_identifier_is_it() -> None:
    """A record under somebody's identifier is doubted only if neither name nor birth year fits."""
    assert not matching.contradicts(NINO, Identity(given="Nino", family="Married-Name", born="1978-04-17"))
    assert not matching.contradicts(NINO, Identity(given="Otar", family="Quite", born="1988"))
    assert matching.contradicts(NINO, Identity(given="Otar", family="Quite", born="1950"))


def test_a_misheard_name_is_still_found(store: Database) -> None:
    """Whatever slip another clerk made in one part of a name, the two records share a blocking key."""
    rng, missed = Random(5), 0
    with store.reading() as db:
        for _ in range(600):
            community = rng.choice(("georgian", "latin", "highland"))
            family, given = names.family(rng, community), names.given(rng, community, "female")
            first = Identity(given=given, family=family, born="1990-05-05")
            heard = msgspec.structs.replace(
                first,
                **{part: names.slip(rng, getattr(first, part)) for part in [rng.choice(("given", "family"))]},
            )
            missed += not set(matching.blocks(db, first)) & set(matching.blocks(db, heard))
            assert matching.compared(first, heard) != "different"
    assert missed == 0


def test_scripts_meet(store: Database) -> None:
    """A name in Georgian letters and the same name in Latin ones share their blocking keys."""
    with store.reading() as db:
        for georgian, latin in (("ციხაძე", "Tsikhadze"), ("წყარელი", "Tsqareli"), ("ჭადიძე", "Chadidze")):
            first = Identity(given="ნინო", family=georgian, born="1990-05-05")
            second = Identity(given="Nino", family=latin, born="1990-05-05")
            assert matching.blocks(db, first) == matching.blocks(db, second)


def test_blocking_keys_tell_nothing(store: Database) -> None:
    """Blocking keys are keyed hashes: another house's keys for the same person have nothing in common."""
    with store.reading() as db:
        first = matching.blocks(db, NINO)
        store.parts.keys._secrets.clear()
        store.parts.keys.custody._root = bytes(32)
        assert not set(first) & set(matching.blocks(db, NINO))


@pytest.mark.parametrize("script", ["ნ", "王", "م", "Ж", "O'", "-", ""])
def test_every_script_has_keys(store: Database, script: str) -> None:
    """A name in any script, or none at all, gets blocking keys and can be compared."""
    who = Identity(given=script, family=script * 3, born="1990-05-05", home="H1")
    with store.reading() as db:
        assert len(matching.blocks(db, who)) == 2 * bool(matching.words(script))
    assert matching.compared(who, who) == "same"
