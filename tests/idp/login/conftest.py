from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from core import pages, problems
from core.database import Database
from core.errors import Problem
from core.events import SYSTEM
from core.settings import Settings
from core.web import Edge, SignInNeeded, sign_in_needed
from idp.login import activation
from idp.login.pages import router
from registry_sync import people
from tests.consent import country
from tests.idp.login.person import Person

ISSUER = "https://id.erti.example"


def _refused(request: Request, error: Exception) -> Response:
    return (
        problems.answer(request, error) if isinstance(error, Problem) else problems.unexpected(request, error)
    )


@pytest.fixture
def door(settings: Settings, database: Database) -> FastAPI:
    """Give an application of the sign-in pages alone, as the house would serve them."""
    app = FastAPI()
    app.state.settings = settings
    app.state.database = database
    app.state.pages = pages.environment(settings)
    app.state.form_key = b"k" * 32
    app.add_middleware(Edge, settings=settings, observe=lambda *_facts: None)
    app.add_exception_handler(SignInNeeded, sign_in_needed)
    app.add_exception_handler(Problem, _refused)
    app.include_router(router)
    return app


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
            return citizen_id, activation.make_code(db, citizen_id, actor=SYSTEM)

    return print_letter


@pytest.fixture
def person(door: FastAPI) -> Iterator[Callable[..., Person]]:
    """Give a way to get people at browsers of their own; `address` is where they call from."""
    everybody: list[Person] = []

    def sit_down(address: str = "198.51.100.7") -> Person:
        everybody.append(Person(door, address))
        return everybody[-1]

    yield sit_down
    for one in everybody:
        one.close()
