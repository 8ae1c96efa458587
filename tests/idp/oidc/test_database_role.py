"""The service at work under a role of the database that owns nothing: deploy/roles.sql."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import ProgrammingError

from idp.oidc.logout.courier import LogoutCourier
from idp.signals.delivery import Courier
from service import worker
from tests.engines import Postgres
from tests.idp.oidc.provider import Provider

ROLES = Path(__file__).parents[3] / "deploy/roles.sql"


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """Give the address of a fresh database for the role that serves."""
    with postgres.fresh() as address:
        owner = make_url(address)
        with psycopg.connect(owner.set(drivername="postgresql").render_as_string(hide_password=False)) as db:
            db.execute(ROLES.read_text("utf-8"))
        try:
            yield owner.set(username="erti_serve").render_as_string(hide_password=False)
        finally:
            with psycopg.connect(
                owner.set(drivername="postgresql").render_as_string(hide_password=False)
            ) as db:
                db.execute("DROP OWNED BY erti_serve")
                db.execute("DROP ROLE erti_serve")


@pytest.mark.postgres
def test_the_service_needs_no_table_of_its_own(provider: Provider) -> None:
    """A start, a permission, tokens, a read and every duty of the worker go under the role, and it can change no table."""
    provider.sign_in()
    provider.allow("given_name")
    tokens = provider.tokens()
    assert provider.userinfo(tokens["access_token"]).status_code == 200
    for duty in worker.duties(Courier(), LogoutCourier()):
        duty.do(provider.database)

    with provider.database.engine.connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == "erti_serve"
    for statement in (
        "CREATE TABLE x (y int)",
        "DROP TABLE account",
        "ALTER TABLE account ADD x int",
        "TRUNCATE account",
    ):
        with (
            pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
            provider.database.engine.begin() as db,
        ):
            db.execute(text(statement))
