"""The keys' room: sealing epochs begin with one key officer and end with two."""

from collections.abc import Callable

from core.database import Database
from keys import epochs
from tests.admin.conftest import Colleague, address

Hire = Callable[[str], Colleague]
REASON = {"destroy-reason": "The backups of last year are older than the law wants"}


def states(database: Database) -> list[str]:
    """How the epochs stand, the newest first."""
    with database.reading() as db:
        return [epoch.state for epoch in epochs.listing(db)]


def begin(officer: Colleague) -> None:
    """Begin an epoch through the page."""
    assert officer.post("/admin/keys/epochs/begin", {}, on=officer.get("/admin/keys")).status == 303


def test_an_epoch_ends_when_the_second_officer_agrees(colleague: Hire, database: Database) -> None:
    """One officer begins an epoch; the old one's key is destroyed only once nothing needs it and a second one agrees."""
    first, second = colleague("key-officer"), colleague("key-officer")
    begin(first)
    assert 'id="destroy-form"' not in first.get("/admin/keys").text
    epochs.rewrap_all(database)
    page = first.get("/admin/keys")
    asked = first.post("/admin/keys/epochs/destroy", {"epoch": "1", **REASON}, on=page)
    assert (asked.status, asked.location) == (303, "/admin/approvals")
    assert states(database) == ["open", "closed"]

    page = second.get("/admin/approvals")
    assert "cannot be opened afterwards" in page.text
    assert second.post(address(page, "agree"), {}, on=page).status == 303

    assert states(database) == ["open", "destroyed"]
    assert database.parts.keys.custody.epochs() == [2]
    assert "destroyed" in first.get("/admin/keys").text


def test_the_epoch_in_use_cannot_be_asked_for(colleague: Hire, database: Database) -> None:
    """A form that names the epoch in use, one that never was, or no reason comes back with what is wrong."""
    officer = colleague("key-officer")
    begin(officer)
    epochs.rewrap_all(database)
    page = officer.get("/admin/keys")
    for epoch in ("2", "9", "", "1; drop"):
        sent = officer.post("/admin/keys/epochs/destroy", {"epoch": epoch, **REASON}, on=page)
        assert sent.status == 400
        assert "Choose an epoch that wraps no key any more." in sent.text
    sent = officer.post("/admin/keys/epochs/destroy", {"epoch": "1", "destroy-reason": ""}, on=page)
    assert sent.status == 400
    assert "Say why, for the person who has to agree." in sent.text


def test_an_epoch_that_came_into_use_again_is_not_destroyed(colleague: Hire, database: Database) -> None:
    """What was asked for is checked again when the second officer agrees: keys that the epoch wraps again stay."""
    first, second = colleague("key-officer"), colleague("key-officer")
    begin(first)
    epochs.rewrap_all(database)
    first.post("/admin/keys/epochs/destroy", {"epoch": "1", **REASON}, on=first.get("/admin/keys"))
    with database.writing() as db:
        db.connection().exec_driver_sql("UPDATE data_key SET epoch = 1 WHERE scope = 'account'")
    page = second.get("/admin/approvals")
    assert second.post(address(page, "agree"), {}, on=page).status == 409
    assert states(database) == ["open", "closed"]
    assert database.parts.keys.custody.epochs() == [1, 2]
