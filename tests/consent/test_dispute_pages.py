"""The pages on which a citizen disputes a look and reads the answer."""

import re
from typing import Any

from consent import disputes
from core.database import Database
from tests.consent import country
from tests.consent.conftest import signed_in
from tests.consent.country import OTHER
from tests.consent.doubts import AGENCY, answer, look, make_late
from tests.consent.rooms import page, post


def dispute(at_home: Any, event_id: str, text: str = "Why?") -> str:
    """Go from the entry to the sent dispute; return its address."""
    path = f"/my/history/entry/{event_id}"
    assert f'href="{path}/dispute"' in page(at_home, path)
    answer = post(at_home, f"{path}/dispute", page(at_home, f"{path}/dispute"), text=text)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_from_the_entry_to_the_answer(at_home: Any, database: Database) -> None:
    """The look leads to a form, the form to the dispute; its state and answer are shown, and at the entry too."""
    event_id = look(database)
    where = dispute(at_home, event_id, "Why me?\r\nI was away.")
    text = page(at_home, where)
    assert "waits for an answer" in text
    assert "Why me?<br>I was away." in text
    for path in ("/my/history?kind=reads", f"/my/history/entry/{event_id}", "/my"):
        assert f'href="{where}"' in page(at_home, path)
    assert "Waiting for an answer: 1. Answered: 0." in page(at_home, "/my")
    with database.reading() as db:
        found = disputes.read(db, where.rpartition("/")[2])
    answer(database, found, text="A clerk <b>mixed up</b> two files.")
    text = page(at_home, where)
    assert "The answer: It was a mistake" in text
    assert "A clerk &lt;b&gt;mixed up&lt;/b&gt; two files." in text
    assert "It was a mistake" in page(at_home, "/my/disputes")
    assert "Office of revenue answered your dispute" in page(at_home, "/my/history?kind=disputes")


def test_an_overdue_answer_is_shown_as_such(at_home: Any, database: Database) -> None:
    """The citizen sees that the time is over, and how to reach the agency."""
    where = dispute(at_home, look(database))
    with database.reading() as db:
        make_late(database, disputes.read(db, where.rpartition("/")[2]))
    with database.writing() as db:
        disputes.mark_overdue(db)
    assert "The answer is overdue" in page(at_home, where)
    assert "help@revenue.example" in page(at_home, where)
    assert "answer overdue" in page(at_home, "/my/disputes")


def test_a_look_is_disputed_once_from_the_page_as_well(at_home: Any, database: Database) -> None:
    """Whoever comes back to the form of a disputed look is led to the dispute."""
    event_id = look(database)
    where = dispute(at_home, event_id)
    again = at_home.get(f"/my/history/entry/{event_id}/dispute")
    assert (again.status_code, again.headers["location"]) == (303, where)
    assert f"{event_id}/dispute" not in page(at_home, f"/my/history/entry/{event_id}")


def test_too_long_a_text_comes_back_as_typed(at_home: Any, database: Database) -> None:
    """The form comes back with the text and the mistake, and nothing was sent."""
    path = f"/my/history/entry/{look(database)}/dispute"
    text = "long " * 500
    answered = post(at_home, path, page(at_home, path), text=text)
    assert answered.status_code == 400
    assert text.strip() in answered.text
    assert "You have disputed nothing" in page(at_home, "/my/disputes")


def test_nobody_else_reads_it_or_writes_it(at_home: Any, database: Database) -> None:
    """Another citizen finds neither the entry, nor its form, nor the dispute; without the form's token nothing opens."""
    event_id = look(database)
    where = dispute(at_home, event_id)
    second = look(database)
    assert at_home.post(f"/my/history/entry/{second}/dispute").status_code == 403
    other = signed_in(at_home, database, OTHER)
    paths = [where, f"/my/history/entry/{event_id}", f"/my/history/entry/{event_id}/dispute"]
    unknown = [
        at_home.get(path.replace(event_id, "nothing").replace(where, "/my/disputes/X")) for path in paths
    ]
    for path, nothing in zip(paths, unknown, strict=True):
        found = other.get(path)
        assert found.status_code == nothing.status_code == 404
        strip = re.compile(r"return_to=[^\"]*|Reference[^<]*<[^<]*<|request[^<]*", re.IGNORECASE)
        assert strip.sub("", found.text).replace(path, "") == strip.sub("", nothing.text).replace(
            nothing.request.url.path, ""
        )


def test_an_entry_says_what_can_be_done(at_home: Any, database: Database) -> None:
    """A decision of one's own cannot be disputed, and its page offers nothing of the kind."""
    with database.writing() as db:
        country.allow(db, "given_name")
    event_id = country.history(database)[-1]["event"]
    assert "do not recognise" not in page(at_home, f"/my/history/entry/{event_id}")
    assert at_home.get(f"/my/history/entry/{event_id}/dispute").status_code == 409


def test_a_passed_on_answer_names_whom_it_comes_from(at_home: Any, database: Database) -> None:
    """Where staff passed the answer on, the citizen reads whose it is."""
    where = dispute(at_home, look(database))
    with database.reading() as db:
        found = disputes.read(db, where.rpartition("/")[2])
    answer(database, found, through="console", source="Ms Lomidze, by letter")
    assert "it comes from: Ms Lomidze, by letter" in page(at_home, where)


def test_that_it_was_read_is_shown(at_home: Any, database: Database) -> None:
    """From the moment the agency's system took the dispute, the citizen sees that it did."""
    where = dispute(at_home, look(database))
    assert "not yet" in page(at_home, where)
    with database.writing() as db:
        found = disputes.read(db, where.rpartition("/")[2])
        disputes.seen(db, found, actor=AGENCY, through="system")
        disputes.seen(db, found, actor=AGENCY, through="system")
    assert "not yet" not in page(at_home, where)
    assert (
        page(at_home, "/my/history?kind=disputes").count("<h3>Your dispute was read at Office of revenue")
        == 1
    )
