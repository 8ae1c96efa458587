"""Somebody is erased: nothing finds them, and what was sealed about them stays shut."""

import pytest
from sqlalchemy import Table, func, select

from consent.ledger import subjects
from core import sessions
from core.database import Base, Database, Parts
from core.events import Actor
from core.settings import Settings
from idp import accounts
from idp import tables as signing_in
from idp.login import activation
from keys import sealing
from keys.custody import FolderCustody
from keys.errors import Shredded
from keys.ring import Keyring
from registry_sync import attributes, erasure, holding, people, tables
from registry_sync.errors import PersonUnknown
from registry_sync.wire.shapes import Bad
from tests import factories
from tests.at_counter import SEEN

CLERK = Actor("staff", "clerk-1")
NUMBER, OTHER_NUMBER = "61001234567", "61007654321"
NAME = "nino.beridze"


def enrolled(database: Database, number: str, name: str) -> str:
    """Make somebody known, with an account under a chosen name."""
    stated = {
        "given_name": "Nino",
        "family_name": "Beridze",
        "birthdate": "1988-04-17",
        "national_identifier": number,
    }
    with database.writing() as db:
        citizen = people.enrol(db, stated, source="civil")
        accounts.open_for_test(db, citizen, name, language="en")
        activation.make_code(db, citizen, seen=SEEN, actor=CLERK)
    return citizen


@pytest.fixture
def citizen(house: Database) -> str:
    """Somebody with data, an account, a session, and something in quarantine that waits for them."""
    found = enrolled(house, NUMBER, NAME)
    with house.writing() as db:
        sessions.begin(db, subject=found, kind="citizen", acr=factories.SUBSTANTIAL, amr=["pwd"],
                       user_agent="test", network="192.0.2.1")  # fmt: skip
        waits = holding.Held(
            b"\1" * 33,
            Bad("unknown-person", "identifier"),
            holding.Contents(b"a record"),
            identifier=people.identifier(db, "UIN", NUMBER),
        )
        holding.shelve(db, "civil", holding.RECORD, [waits], run="r")
    return found


def erase(database: Database, citizen: str) -> None:
    """Erase in one transaction."""
    with database.writing() as db:
        erasure.erase(db, citizen, actor=CLERK)


def rows_of(database: Database, citizen: str) -> dict[str, int]:
    """How many rows each table holds of a citizen."""
    theirs: list[Table] = [table for table in Base.metadata.tables.values() if "citizen_id" in table.c]
    with database.reading() as db:
        counts = {
            table.name: db.scalar(
                select(func.count()).select_from(table).where(table.c.citizen_id == citizen)
            )
            for table in theirs
        }
    return {name: count for name, count in counts.items() if count}


def test_no_look_up_finds_an_erased_citizen(house: Database, citizen: str) -> None:
    """Neither identifier nor citizen ID nor sign-in name leads anywhere; two empty rows keep the ID from others."""
    assert len(rows_of(house, citizen)) > 4
    erase(house, citizen)
    with house.reading() as db:
        assert people.find(db, citizen) is None
        assert people.by_identifier(db, "UIN", NUMBER) is None
        assert attributes.read(db, citizen, ["given_name", "family_name"]) == {}
        assert accounts.find_by_name(db, NAME) is None
        account = accounts.find(db, citizen)
        assert account is not None
        assert (account.state, account.named) == (accounts.CLOSED, False)
        assert sessions.of(db, citizen) == []
        row = db.execute(select(tables.person).where(tables.person.c.citizen_id == citizen)).one()
        assert (row.state, row.identity) == (people.ERASED, b"")
        held = db.execute(select(tables.quarantined_record)).one()
        assert (held.state, held.sealed, held.identifier) == (holding.DISMISSED, None, None)
    assert rows_of(house, citizen) == {"person": 1, "account": 1}


def test_what_was_sealed_does_not_open(house: Database, citizen: str, settings: Settings) -> None:
    """Rows from a backup do not open in this process, nor in a fresh one with the same custody; a neighbour's do."""
    neighbour = enrolled(house, OTHER_NUMBER, "giorgi")
    with house.reading() as db:
        document = db.execute(select(tables.attribute_document).where(
            tables.attribute_document.c.citizen_id == citizen)).one()  # fmt: skip
        identity = db.scalar(select(tables.person.c.identity).where(tables.person.c.citizen_id == citizen))
        name = db.scalar(select(signing_in.account.c.name_sealed).where(
            signing_in.account.c.citizen_id == citizen))  # fmt: skip
        assert attributes.opened(db, citizen, document.source, document.sealed)
    assert identity is not None
    assert name is not None
    erase(house, citizen)
    fresh = Database(Parts(settings, keys=Keyring(FolderCustody(settings.data_dir / "keys"))))
    for database in (house, fresh):
        with database.reading() as db:
            with pytest.raises(Shredded):
                attributes.opened(db, citizen, document.source, document.sealed)
            with pytest.raises(Shredded):
                people.opened(db, citizen, identity)
            with pytest.raises(Shredded):
                sealing.unseal(db, citizen, accounts.SCOPE, name, aad=b"username")
            assert attributes.read(db, neighbour, ["given_name"])["given_name"].value == "Nino"
    fresh.close()


def test_erasing_is_in_the_history_and_happens_once(house: Database, citizen: str) -> None:
    """The erasure is an entry of the citizen's chain, whose earlier entries stay; a second one is refused."""
    erase(house, citizen)
    assert house.parts.sequencer.drain()
    with house.reading() as db:
        kinds = [(found.facts or {}).get("kind") for found in subjects.chain(db, citizen)]
    assert kinds.count("citizen-erased") == 1
    assert {"activation-code-made", "account-closed", "session-ended"} <= set(kinds)
    with pytest.raises(PersonUnknown):
        erase(house, citizen)
    with pytest.raises(PersonUnknown):
        erase(house, people.new_citizen_id())


def test_an_erasure_that_is_undone_leaves_everything(house: Database, citizen: str) -> None:
    """If the transaction fails, the citizen is found and read as before."""
    with pytest.raises(ZeroDivisionError), house.writing() as db:
        erasure.erase(db, citizen, actor=CLERK)
        raise ZeroDivisionError
    with house.reading() as db:
        assert people.by_identifier(db, "UIN", NUMBER) == citizen
        assert attributes.read(db, citizen, ["given_name"])["given_name"].value == "Nino"
        assert accounts.find_by_name(db, NAME) is not None


def test_the_register_makes_somebody_known_anew(house: Database, citizen: str) -> None:
    """Whoever the register states again afterwards gets a new citizen ID and may choose the old name."""
    erase(house, citizen)
    assert enrolled(house, NUMBER, NAME) != citizen
