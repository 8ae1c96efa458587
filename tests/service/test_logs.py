"""The log names nobody."""

import io
import json
from contextlib import redirect_stderr

import structlog

from service import logs


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
