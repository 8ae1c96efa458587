import pytest

from core.database import Database, Parts
from core.events import SYSTEM
from idp import accounts, enrol
from idp.errors import NameTaken, NoTestCitizens
from idp.login import assurance
from registry_sync import people

CLAIMS = {"given_name": "Ana", "family_name": "Test", "email": "ana@example.org", "birthdate": "1990-01-01"}


def test_a_test_citizen_has_a_name_and_a_password(database) -> None:
    """An enrolled citizen lives in the registers' copy and has an active account under the name."""
    with database.writing() as db:
        citizen_id = enrol.enrol(db, "ana.test", "any", CLAIMS, actor=SYSTEM)
    with database.reading() as db:
        assert people.find(db, citizen_id).state == "living"
        assert accounts.find_by_name(db, "ANA.TEST").citizen_id == citizen_id
    assert assurance.of(assurance.PASSWORD) == assurance.LOW


def test_two_cannot_have_one_name(database) -> None:
    """A second test citizen of the same name is refused, whole."""
    with database.writing() as db:
        enrol.enrol(db, "ana.test", "any", CLAIMS, actor=SYSTEM)
    with pytest.raises(NameTaken), database.writing() as db:
        enrol.enrol(db, "Ana.Test", "any", {}, actor=SYSTEM)


def test_production_has_no_test_citizens(database) -> None:
    """In production mode nobody can be enrolled on the command line."""
    house = database.parts
    strict = house.settings.model_copy(update={"mode": "production"})
    production = Database(Parts(strict, keys=house.keys, sealer=house.sealer), url=database.url)
    with pytest.raises(NoTestCitizens), production.writing() as db:
        enrol.enrol(db, "ana.test", "any", CLAIMS, actor=SYSTEM)
    production.close()
