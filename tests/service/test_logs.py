"""The log names nobody."""

import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import redirect_stderr

import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from core.database import Database
from service import logs


@pytest.fixture
def client_that_answers(app: FastAPI) -> Iterator[TestClient]:
    """Give a browser that gets an answer to errors nobody foresaw, as a real one does."""
    with TestClient(app, base_url="https://id.erti.example", raise_server_exceptions=False) as browser:
        yield browser


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_unexpected_error_writes_no_local_variable(
    client_that_answers: TestClient, database: Database, log_format: str
) -> None:
    """A sign-in that fails inside, on a broken database, leaves neither password nor name in the log."""
    page = client_that_answers.get("/login", headers={"accept": "text/html"})
    token = re.findall(r'name="csrf_token" value="([0-9a-f]+)"', page.text)[0]
    with database.engine.connect() as connection:
        connection.execute(text("ALTER TABLE account RENAME TO account_gone"))
        connection.commit()

    caught = io.StringIO()
    with redirect_stderr(caught):
        logs.start(log_format)
        fields = {"csrf_token": token, "username": "nino@mail.example", "password": "hunter2-correct-horse"}
        answer = client_that_answers.post("/login", data=fields)
    structlog.reset_defaults()

    assert answer.status_code == 500
    assert "account" in caught.getvalue()
    assert "hunter2" not in caught.getvalue()
    assert "nino@" not in caught.getvalue()


def test_fields_that_could_name_a_person_are_withheld() -> None:
    """A log call that carries a forbidden field by mistake writes the line without its value."""
    caught = io.StringIO()
    with redirect_stderr(caught):
        logs.start("json")
        structlog.get_logger("test").info("something", citizen="K7QD2M9XWT4BC", code="fine")
    structlog.reset_defaults()

    line = json.loads(caught.getvalue())
    assert line["citizen"] == "(withheld)"
    assert line["code"] == "fine"
    assert "K7QD" not in caught.getvalue()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_libraries_say_is_one_line_too(log_format: str) -> None:
    """A warning of a library is written as the service's own are: one printable line, which a machine can read where it should."""
    root, caught = logging.getLogger(), io.StringIO()
    before, level = list(root.handlers), root.level
    try:
        with redirect_stderr(caught):
            logs.start(log_format)
            logging.getLogger("some.library").warning("sent %s", "a\nforged line\x1b[2J")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        structlog.reset_defaults()

    (line,) = caught.getvalue().splitlines()
    assert line.isprintable()
    assert "some.library" in line
    if log_format == "json":
        assert json.loads(line)["event"] == "sent a\\nforged line\\x1b[2J"
