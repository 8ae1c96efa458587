"""Messages of the registries: each once, in their order, and none lost."""

import base64
import threading
from typing import Any

import pytest
from sqlalchemy import select, update

from core import clock
from core.database import Database
from core.events import Actor
from core.settings import Settings
from registry_sync import attributes, inbox, people, quarantine, tables, trust
from registry_sync.events import CitizenDied
from tests.registry_sync.conftest import (
    Load,
    Send,
    announced,
    citizen,
    outcome,
    signed,
    somebody,
    spoilt,
    state,
    values,
)  # fmt: skip
from tests.registry_sync.ground import open_store


def test_a_life_in_messages(store: Database, send: Send) -> None:
    """Birth, a new name, a correction, a death and its reversal each change what they say, and are announced."""
    assert outcome(send("birth", person=somebody("1"), toe=-500)) == "applied"
    assert outcome(send("name-change", name={"surname": "Kapanadze"}, toe=-400)) == "applied"
    assert outcome(send("correction", person={"birth_date": "1988-04-18"}, toe=-300)) == "applied"
    assert values(store, "name", "family_name", "given_name", "birthdate") == {
        "name": "Nino Kapanadze", "family_name": "Kapanadze", "given_name": "Nino", "birthdate": "1988-04-18",
    }  # fmt: skip
    assert outcome(send("death", death_date="2026-01-05", toe=-200)) == "applied"
    assert state(store) == "deceased"
    assert outcome(send("death-reversed", toe=-100)) == "applied"
    assert state(store) == "living"
    kinds = ["citizen-born", "name-changed", "attributes-changed", "citizen-died", "death-reversed"]
    assert announced(store, citizen(store)) == kinds
    with store.reading() as db:
        person = people.find(db, citizen(store))
    assert person
    assert person.born == "1988-04-18"


def test_a_death_is_handled_in_the_same_commit(store: Database, send: Send, load: Load) -> None:
    """Whoever handles a death does so in the message's own transaction: if they fail, nothing has happened."""
    load(somebody("1"))
    seen: list[tuple[str, str]] = []

    def handler(db: Any, event: CitizenDied, actor: Actor) -> None:
        seen.append((event.citizen, actor.id))
        raise ZeroDivisionError

    store.parts.handlers[CitizenDied] = [handler]
    with pytest.raises(ZeroDivisionError):
        send("death")
    assert seen == [(citizen(store), "civil")]
    assert state(store) == "living"
    store.parts.handlers.clear()
    assert outcome(send("death")) == "applied"
    assert state(store) == "deceased"


def test_a_repeat_is_answered_alike_and_changes_nothing(store: Database, send: Send, load: Load) -> None:
    """The same `jti` again gets the same answer, even after something newer, and is not applied again."""
    load(somebody("1"))
    assert outcome(send("death", jti="a", toe=-300)) == "applied"
    assert outcome(send("death-reversed", jti="b", toe=-200)) == "applied"
    assert outcome(send("death", jti="a", toe=-300)) == "applied"
    assert outcome(send("death", jti="a", toe=-1)) == "applied"
    assert state(store) == "living"
    assert announced(store, citizen(store)) == ["citizen-died", "death-reversed"]


def test_an_older_message_does_not_overwrite(store: Database, send: Send, load: Load) -> None:
    """Messages that come late change nothing that a newer one said, and are on record as outdated."""
    load(somebody("1"))
    assert outcome(send("name-change", name={"surname": "Newest"}, toe=-10)) == "applied"
    assert outcome(send("name-change", name={"surname": "Older"}, toe=-20)) == "outdated"
    assert outcome(send("death-reversed", toe=-10)) == "applied"
    assert outcome(send("death", toe=-20)) == "outdated"
    assert (
        outcome(send("correction", person={"name": {"surname": "Older"}, "sex": "male"}, toe=-30))
        == "applied"
    )
    assert values(store, "family_name", "gender") == {"family_name": "Newest", "gender": "male"}
    assert state(store) == "living"
    assert announced(store, citizen(store)).count("message-outdated") == 2


def test_a_sequence_number_orders_better_than_time(store: Database, send: Send, load: Load) -> None:
    """Where the registry counts its messages about a person, the count decides."""
    load(somebody("1"))
    assert outcome(send("name-change", name={"surname": "Second"}, sequence=2, toe=-50)) == "applied"
    assert outcome(send("name-change", name={"surname": "First"}, sequence=1, toe=-10)) == "outdated"
    assert outcome(send("name-change", name={"surname": "Third"}, sequence=3, toe=-50)) == "applied"
    assert values(store, "family_name") == {"family_name": "Third"}


def test_an_old_file_does_not_undo_a_message(store: Database, send: Send, load: Load) -> None:
    """A file written before a message, and loaded after it, leaves the name and the death as the message said."""
    load(somebody("1"))
    send("name-change", name={"surname": "Newest"})
    send("death")
    assert (
        load(somebody("1", surname="Stale", last_updated="2024-06-01", marital_status="single")).changed == 1
    )
    assert values(store, "family_name", "marital_status") == {
        "family_name": "Newest",
        "marital_status": "single",
    }
    assert state(store) == "deceased"


def test_a_name_is_changed_in_parts(store: Database, send: Send, load: Load) -> None:
    """Parts of a name that a message leaves out stay; an empty part is taken away."""
    load(somebody("1", name={"given_name": "Nino", "second_name": "Mariam", "surname": "Beridze"}))
    send("name-change", name={"second_name": "", "surname": "Kapanadze"})
    assert values(store, "given_name", "middle_name", "family_name", "name") == {
        "given_name": "Nino", "family_name": "Kapanadze", "name": "Nino Kapanadze",
    }  # fmt: skip


def test_a_message_about_nobody_waits_for_their_birth(store: Database, send: Send) -> None:
    """A death that overtook the birth is kept whole, and applied as soon as the person is known."""
    assert outcome(send("death", death_date="2026-01-05", toe=-50)) == "quarantined"
    with store.reading() as db:
        (held,), _pages = quarantine.listing(db)
    assert (held.reason, held.form, held.source) == ("unknown-person", "message", "civil")
    assert announced(store, "source:civil") == ["record-quarantined"]
    assert outcome(send("birth", person=somebody("1"), toe=-100)) == "applied"
    assert state(store) == "deceased"
    with store.reading() as db:
        assert quarantine.count(db) == 0


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("death", {"identifier": None}, "missing-identifier"),
        ("death", {"death_date": "2026-02-30"}, "bad-date"),
        ("death", {"death_date": "1950"}, "death-before-birth"),
        ("name-change", {"name": {"surname": 5}}, "wrong-shape"),
        ("name-change", {}, "missing-name"),
        ("name-change", {"name": {"given_name": "", "surname": ""}}, "missing-name"),
        ("correction", {}, "nothing-to-change"),
        ("correction", {"person": {"death_date": "2026-01-05"}}, "wrong-shape"),
        ("birth", {}, "wrong-shape"),
        ("marriage", {}, "unknown-event"),
    ],
)
def test_what_cannot_be_applied_is_kept_whole(
    store: Database, send: Send, load: Load, kind: str, payload: dict[str, Any], reason: str
) -> None:
    """A genuine message with a fault is answered 202, and stands in quarantine whole with the reason."""
    load(somebody("1"))
    assert outcome(send(kind, **payload)) == "quarantined"
    with store.reading() as db:
        (held,), _pages = quarantine.listing(db)
        source, content = attributes.unmatched(db, held.id)
    assert (held.reason, source) == (reason, "civil")
    assert kind.encode() in base64.urlsafe_b64decode(content.split(b".")[1] + b"==")
    assert state(store) == "living"


def test_the_same_message_at_the_same_moment_counts_once(
    store: Database, settings: Settings, load: Load
) -> None:
    """Eight threads that deliver one message get one outcome, and one death is announced."""
    load(somebody("1"))
    message = trust.verify(settings, signed(spoilt()).encode())
    other = open_store(settings)
    outcomes: list[str] = []

    def deliver(place: Database) -> None:
        with place.writing() as db:
            outcomes.append(inbox.receive(db, message))

    threads = [threading.Thread(target=deliver, args=(place,)) for place in [store, other] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert outcomes == ["applied"] * 8
    assert announced(store, citizen(store)) == ["citizen-died"]


def test_old_message_numbers_are_forgotten(store: Database, send: Send, load: Load) -> None:
    """Purging forgets messages of long ago and no others."""
    load(somebody("1"))
    send("death", toe=-50)
    send("death-reversed", toe=-40)
    table = tables.registry_message
    with store.writing() as db:
        long_ago = clock.now().replace(year=clock.now().year - 2)
        db.execute(update(table).where(table.c.kind == "death").values(received_at=long_ago))
        assert inbox.purge(db) == 1
    with store.reading() as db:
        assert list(db.execute(select(table.c.kind)).scalars()) == ["death-reversed"]
