import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import door, events, showing, words
from consent.words import Names
from core import language
from core.events import Event
from registry_sync.catalogue import CATALOGUE

# What stands in chains of agencies, sources and the office, never in a citizen's.
NOT_ABOUT_CITIZENS = {
    "agency-put", "purpose-published", "client-put", "client-invited", "invitation-ended", "signing-key-changed", "sealing-epoch-begun", "sealing-epoch-destroyed",
    "stream-put", "purpose-invalidated", "withheld-checkpoint", "withheld-count",
    "import-finished", "entries-erased", "record-quarantined", "record-dismissed",
    "refusal-looked-up",
    "approval-asked", "approval-decided", "ledger-checked",
    "staff-invited", "staff-joined", "staff-signed-in", "staff-signed-out", "staff-suspended",
}  # fmt: skip
PACKAGES = (
    "keys",
    "registry_sync",
    "consent",
    "consent.ledger",
    "idp",
    "idp.login",
    "idp.oidc",
    "idp.signals",
    "idp.staff",
    "admin",
)


def kinds() -> dict[str, type[Event]]:
    """Return every event of the house by kind."""
    names = [*(f"{package}.events" for package in PACKAGES), "consent.acts"]
    modules = [importlib.import_module(name) for name in names]
    found = [one for module in modules for one in vars(module).values() if isinstance(one, type)]
    return {one.kind: one for one in found if issubclass(one, Event) and one is not Event}


SAMPLES: dict[str, Any] = {
    "agency": "revenue", "client": "portal", "purpose": "tax", "purpose_version": 1, "basis": "consent",
    "outcome": "released", "attributes": ["given_name", "address"], "left": ["given_name"], "left_out": ["address"],
    "grant": "g", "channel": "standing", "request_id": "r", "case": "A-17", "law": "Tax Code, 72(1)",
    "official": "officer-7f", "whole": True, "reason": "expired", "expires_at": "2027-01-31T00:00:00.000Z",
    "source": "civil", "staff": "s-1", "office": "Desk", "record": "q", "identifier_type": "UIN",
    "agencies": ["revenue"], "purposes": ["tax"], "withheld": ["employer"], "representative": "4RZ8N1PV6HJ3E",
    "citizen": "K7QD2M9XWT4BC", "until": "2027-01-31T00:00:00.000Z", "opens_at": "2027-01-31T00:00:00.000Z",
    "limits": {"reads": 3, "per": {"reads": 1, "every": "week"}},
    "ground": "parent", "as_of": "2024-05-01",
    "disclose_after": "2027-01-31T00:00:00.000Z", "withholding_law": "Code of Inquiry, 9",
    "read": {"kind": "disclosed", "at": "2027-01-01T08:00:00.000Z", "data": {
        "agency": "revenue", "purpose": "tax", "basis": "law", "outcome": "released", "attributes": ["given_name"],
        "channel": "law", "case": "A-17",
    }},
}  # fmt: skip
ME = "K7QD2M9XWT4BC"
CALLED = Names({"revenue": "Revenue Service"}, {"tax": "Your tax account"}, ME)


def sample(event: type[Event]) -> dict[str, Any]:
    """Return plausible data of an event."""
    return {field.name: SAMPLES.get(field.name, "x") for field in dataclasses.fields(event)}


def test_every_event_about_a_citizen_has_words() -> None:
    """Whatever may stand in a citizen's history is said in a sentence, and nothing is said that cannot be."""
    assert set(kinds()) == set(words.KINDS) | NOT_ABOUT_CITIZENS


@pytest.mark.parametrize("kind", words.KINDS)
@pytest.mark.parametrize("reader", ["en", "ka"])
def test_each_sentence_is_whole(kind: str, reader: str) -> None:
    """No placeholder is left open, no ID stands where a name belongs, and the group is known."""
    language.speak(reader)
    try:
        said = words.say(kind, sample(kinds()[kind]), CALLED)
    finally:
        language.speak("en")
    text = said.title + "".join(term + text for term, text in said.details)
    assert "{" not in text
    assert "revenue" not in text
    assert said.title
    assert words.group(kind) in words.GROUPS
    assert kind in words.kinds(words.group(kind))


def test_every_rule_of_the_door_has_words() -> None:
    """A refusal is explained to the citizen, whichever rule it was."""
    source = Path(door.__file__).read_text("utf-8")
    rules = set(re.findall(r'NotReleased\(\s*"([a-z-]+)"', source)) - {"citizen-unknown"}
    assert len(rules) > 10
    assert set(words.RULES) == rules | set(door._ENDED)


def test_a_kind_nobody_foresaw_is_named() -> None:
    """An entry of a later version is shown by its kind instead of being left out."""
    assert words.say("moon-landed", {}, CALLED).title == "Something was recorded: moon-landed"
    assert words.say("disclosed", {"unreadable": True}, CALLED).title == "Something was recorded: disclosed"


def test_reads_are_told_apart() -> None:
    """At sign-in, away, standing, by law, on behalf (to either), at a desk, refused, only recognised: each has its sentence."""
    base = sample(events.Disclosed)
    titles = {
        words.say("disclosed", {**base, **changes}, CALLED).title
        for changes in (
            {}, {"basis": "law"}, {"channel": "sign-in"}, {"channel": "sign-in", "attributes": []},
            {"channel": "offline"}, {"channel": "behalf"}, {"channel": "behalf", "representative": ME},
            {"channel": "behalf", "representative": ME, "outcome": "refused"}, {"channel": "desk"},
            {"outcome": "refused", "rule": "no-grant"},
        )
    }  # fmt: skip
    assert len(titles) == 10


def test_what_was_asked_too_is_said() -> None:
    """What was asked for and not covered stands beside what was read, in words that fit the basis."""
    said = words.say("disclosed", {**sample(events.Disclosed), "withheld": ["employer"]}, CALLED)
    assert ("Asked also for, which you had not allowed", "employer") in said.details
    law = {**sample(events.Disclosed), "basis": "law", "withheld": ["employer"]}
    assert "its purpose does not name" in str(words.say("disclosed", law, CALLED).details)


@pytest.mark.parametrize("kind", ["grant-given", "mandate-offered"])
def test_days_are_those_of_the_country(kind: str) -> None:
    """A permission or mandate that ends late in the evening UTC ends on the next day where the reader lives."""
    data = {**sample(kinds()[kind]), "expires_at": "2027-11-27T20:56:07.159Z"}
    at_home = dataclasses.replace(CALLED, zone="Asia/Tbilisi")
    assert ("Until", "28 November 2027") in words.say(kind, data, at_home).details
    assert ("Until", "27 November 2027") in words.say(kind, data, CALLED).details


@pytest.mark.parametrize("kind", ["mandate-offered", "mandate-given", "mandate-ended"])
def test_a_mandate_reads_differently_to_either_side(kind: str) -> None:
    """Who gave a mandate and who holds it read different sentences, each naming the other."""
    data = {**sample(kinds()[kind]), "giver": ME, "holder": "4RZ8N1PV6HJ3E"}
    said = {
        reader: words.say(kind, data, dataclasses.replace(CALLED, reader=reader)).title
        for reader in (ME, "4RZ8N1PV6HJ3E")
    }
    assert "4RZ8-N1PV-6HJ3-E" in said[ME]
    assert "K7QD-2M9X-WT4B-C" in said["4RZ8N1PV6HJ3E"]


def test_values_are_shown_in_words() -> None:
    """Dates, partial dates, yes and no, numbers and addresses read like words."""
    assert showing.value("birthdate", "1988-04-17") == "17 April 1988"
    assert showing.value("birthdate", "1988-04") == "April 1988"
    assert showing.value("birthdate", "1988") == "1988"
    assert showing.value("email_verified", True) == "yes"
    assert showing.value("household_size", 4) == "4"
    assert showing.value("address", {"formatted": "Oak 1\nMtvareuli"}) == "Oak 1\nMtvareuli"
    assert showing.value("address", {"locality": "Mtvareuli", "country": "GE"}) == "Mtvareuli\nGE"
    assert showing.value("tax_residency", "non-resident") == "not resident"
    assert showing.value("gender", "something else") == "something else"


@given(
    name=st.sampled_from(sorted(CATALOGUE)),
    held=st.recursive(
        st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_no_value_surprises_the_page(name: str, held: Any) -> None:
    """Whatever a register holds, it can be shown."""
    assert isinstance(showing.value(name, held), str)
