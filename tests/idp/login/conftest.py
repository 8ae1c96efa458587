from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI

from core.database import Database
from core.events import SYSTEM
from idp.login import activation
from registry_sync import people
from tests.at_counter import SEEN
from tests.consent import country
from tests.idp.login.person import Person
from tests.postbox import Gateway, Postbox, mail_server, sms_gateway


@pytest.fixture
def born(database: Database) -> Callable[[], str]:
    """Give a way to let a citizen be born, who is in the registers and has no account yet."""

    def be_born() -> str:
        citizen_id = people.new_citizen_id()
        with database.writing() as db:
            country.be_born(db, citizen_id)
        return citizen_id

    return be_born


@pytest.fixture
def letter(database: Database, born: Callable[[], str]) -> Callable[[], tuple[str, str]]:
    """Give a way to hand somebody a letter: a new citizen's ID and activation code."""

    def print_letter() -> tuple[str, str]:
        citizen_id = born()
        with database.writing() as db:
            return citizen_id, activation.make_code(db, citizen_id, seen=SEEN, actor=SYSTEM)

    return print_letter


@pytest.fixture
def person(app: FastAPI) -> Iterator[Callable[..., Person]]:
    """Give a way to get people at browsers of their own; `address` is where they call from."""
    everybody: list[Person] = []

    def sit_down(address: str = "198.51.100.7") -> Person:
        everybody.append(Person(app, address))
        return everybody[-1]

    yield sit_down
    for one in everybody:
        one.close()


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    """Give a mail server that keeps what it is sent."""
    with mail_server() as box:
        yield box


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """Give a gateway for text messages."""
    with sms_gateway() as server:
        yield server


@pytest.fixture
def nino(person, letter):
    """Give somebody who just activated with a password and an app."""
    citizen_id, code = letter()
    somebody = person()
    somebody.codes = somebody.activate(citizen_id, code, name="nino")
    somebody.citizen_id = citizen_id
    return somebody
