"""Who acts for whom by birth or law, as a register says it: by a birth, by a message, and taken back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from core.database import Database
from registry_sync import tables
from registry_sync.events import RepresentativeEnded, RepresentativeStated
from registry_sync.wire import messages
from registry_sync.wire.messages import Notice
from registry_sync.wire.shapes import REASONS, Bad
from tests.registry_sync.conftest import Load, Send, citizen, claims, outcome, somebody

Said = list[tuple[str, str, str, str | None]]


def uin(number: str) -> list[dict[str, str]]:
    """Return an identifier in the DCI shape."""
    return [{"identifier_type": "UIN", "identifier_value": number}]


@pytest.fixture
def said(store: Database) -> Said:
    """Give the list of what handlers hear: stated or ended, of whom, who acts, until when."""
    heard: Said = []

    def hear(_db: Any, event: Any, _actor: Any) -> None:
        heard.append((event.kind, event.citizen, event.representative, getattr(event, "until", None)))

    store.parts.handlers |= {RepresentativeStated: [hear], RepresentativeEnded: [hear]}
    return heard


def test_a_message_says_who_acts_and_who_no_longer_does(
    store: Database, send: Send, load: Load, said: Said
) -> None:
    """A register says that somebody acts, until a day to come; a newer word ends it, an older one changes nothing."""
    load(somebody("1", "Luka"), somebody("2", "Nino"))
    who = {"representative": uin("2"), "relation": "guardian"}
    assert outcome(send("representative", **who, until="2031-03-01", toe=-300)) == "applied"
    assert outcome(send("representative-ended", **who, toe=-100)) == "applied"
    assert outcome(send("representative", **who, toe=-200)) == "outdated"
    child, acts = citizen(store, "1"), citizen(store, "2")
    assert said == [
        ("representative-stated", child, acts, "2031-03-01"),
        ("representative-ended", child, acts, None),
    ]


def test_a_birth_names_parents(store: Database, send: Send, load: Load, said: Said) -> None:
    """Both parents of a birth act for the child; one who is not known here is left out, and the birth counts."""
    load(somebody("2", "Nino"), somebody("3", "Gela"))
    born = somebody("1", "Luka", parent1_identifier=uin("2"), parent2_identifier=uin("3"))
    assert outcome(send("birth", person=born)) == "applied"
    child = citizen(store, "1")
    assert [(one[1], one[2]) for one in said] == [
        (child, citizen(store, "2")),
        (child, citizen(store, "3")),
    ]
    stranger = somebody("4", "Tamar", parent1_identifier=uin("2"), parent2_identifier=uin("99"))
    assert outcome(send("birth", person=stranger)) == "applied"
    assert [one[2] for one in said[2:]] == [citizen(store, "2")]


def test_who_is_not_known_yet_is_waited_for(store: Database, send: Send, load: Load, said: Said) -> None:
    """A right of somebody unknown waits in quarantine, and counts as soon as they are known."""
    load(somebody("1", "Luka"))
    named = send("representative", representative=uin("2"), relation="parent")
    assert outcome(named) == "quarantined"
    assert said == []
    assert outcome(send("birth", person=somebody("2", "Nino"))) == "applied"
    assert [one[2] for one in said] == [citizen(store, "2")]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"relation": "parent"}, "missing-identifier"),
        ({"representative": uin("2"), "relation": "aunt"}, "wrong-shape"),
        ({"representative": uin("2")}, "wrong-shape"),
        ({"representative": uin("1"), "relation": "parent"}, "wrong-shape"),
        ({"representative": uin("2"), "relation": "guardian", "until": "2031-02-30"}, "bad-date"),
        ({"representative": uin("2"), "relation": "guardian", "until": "20310301"}, "bad-date"),
    ],
)
def test_what_makes_no_sense_is_put_aside(
    store: Database, send: Send, load: Load, said: Said, payload: dict[str, Any], reason: str
) -> None:
    """Nobody named, no such relation, oneself, or no such day: quarantined with the reason, and nobody acts."""
    load(somebody("1", "Luka"), somebody("2", "Nino"))
    assert outcome(send("representative", **payload)) == "quarantined"
    with store.reading() as db:
        assert db.scalar(select(tables.quarantined_record.c.reason)) == reason
    assert said == []


texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
PAYLOAD = {"identifier": uin("1"), "representative": uin("2"), "relation": "guardian", "until": "2031-03-01"}


@given(
    st.sampled_from(["representative", "representative-ended", "birth"]),
    st.dictionaries(st.sampled_from(["representative", "relation", "until", "identifier"]), values),
    st.dictionaries(st.sampled_from(["parent1_identifier", "parent2_identifier"]), values),
)
def test_any_payload_is_a_notice_or_a_reason(
    kind: str, changes: dict[str, Any], parents: dict[str, Any]
) -> None:
    """Whatever a register writes about who acts is understood or has a reason, and never an error of another kind."""
    payload = {**PAYLOAD, "person": {**somebody("1"), **parents}, **changes}
    found = messages.read(messages.message(claims(kind, payload), source="civil", token=json.dumps(payload)))
    if isinstance(found, Bad):
        assert found.reason in REASONS
        return
    assert isinstance(found, Notice)
    for relation in found.relations:
        assert relation.kind in messages.RELATIONS
        assert relation.national
