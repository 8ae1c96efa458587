"""A grant as a consent record: complete for every state, and without a single value."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent import decisions, disclosure, endings, grants, purposes, records
from consent.allowances import Allowance
from consent.grants import Grant
from core import clock
from core.database import Database
from core.events import SYSTEM
from tests.consent import country
from tests.consent.country import CITIZEN, ME, allow, ask, history

# ISO/IEC TS 27560:2023's mandatory fields as the guide of W3C's community group maps them, by their path in a record.
MANDATORY = {
    "schema version": ("dct:conformsTo", "@id"),
    "record id": ("dct:identifier",),
    "pii principal id": ("dpv:hasDataSubject", "dct:identifier"),
    "privacy notice": ("dpv:hasNotice", "dpv:hasIdentifier"),
    "notice text": ("dpv:hasNotice", "dct:description"),
    "language": ("dpv:hasNotice", "dct:language"),
    "purpose": ("dpv:hasProcess", "dpv:hasPurpose", "dct:title"),
    "lawful basis": ("dpv:hasProcess", "dpv:hasLegalBasis", "@id"),
    "pii information": ("dpv:hasProcess", "dpv:hasPersonalData", "dct:identifier"),
    "pii type": ("dpv:hasProcess", "dpv:hasPersonalData", "@type"),
    "pii optional": ("dpv:hasProcess", "dpv:hasPersonalData", "dpv:hasNecessity", "@id"),
    "pii controllers": ("dpv:hasProcess", "dpv:hasDataController", "@id"),
    "party id": ("dpv:hasProcess", "dpv:hasDataController", "dct:identifier"),
    "party address": ("dpv:hasProcess", "dpv:hasDataController", "dpv:hasAddress"),
    "party name": ("dpv:hasProcess", "dpv:hasDataController", "dpv:hasName", "@value"),
    "party contact": ("dpv:hasProcess", "dpv:hasDataController", "dpv:hasContact"),
    "party type": ("dpv:hasProcess", "dpv:hasDataController", "@type"),
    "collection method": ("dpv:hasProcess", "dpv:hasDataSource", "dct:identifier"),
    "processing method": ("dpv:hasProcess", "dpv:hasProcessing", "@id"),
    "storage locations": ("dpv:hasProcess", "dpv:hasStorageCondition", "dpv:hasLocation", "dct:title"),
    "retention period": ("dpv:hasProcess", "dpv:hasStorageCondition", "dpv:hasDuration", "@value"),
    "jurisdiction": ("dpv:hasProcess", "dpv:hasJurisdiction", "dct:title"),
    "recipient third parties": ("dpv:hasProcess", "dpv:hasRecipient", "dct:identifier"),
    "withdrawal method": ("dpv:hasProcess", "dpv:hasConsentControl", "dpv:isExercisedAt", "@id"),
    "privacy rights": ("dpv:hasProcess", "dpv:hasRight", "dpv:isExercisedAt", "@id"),
    "state": ("dpv:hasConsentStatus", "@id"),
    "event time": ("dct:hasPart", "dct:date", "@value"),
    "validity duration": ("dct:hasPart", "dct:valid", "@value"),
    "entity id": ("dct:hasPart", "dpv:isImplementedByEntity", "dct:identifier"),
    "event type": ("dct:hasPart", "dpv:hasLegalBasis", "@id"),
    "event state": ("dct:hasPart", "dpv:hasConsentStatus", "@id"),
}
VALUES = ("Nino", "Vashliani", "The Mill", "1990-02-03")


def at(found: Any, path: tuple[str, ...]) -> list[Any]:
    """Return everything that stands at a path; a list stands for each of its members."""
    if isinstance(found, list):
        return [one for item in found for one in at(item, path)] if found else [None]
    if not path:
        return [found]
    return at(found.get(path[0]), path[1:]) if isinstance(found, dict) else [None]


def complete(found: dict[str, Any]) -> list[str]:
    """Return the mandatory fields that are missing or empty somewhere in a record."""
    return [name for name, path in MANDATORY.items() if not all(at(found, path))]


def made(database: Database, grant: Grant) -> dict[str, Any]:
    """Return a grant's record after the way over JSON."""
    with database.reading() as db:
        found: dict[str, Any] = json.loads(json.dumps(records.record(db, grant, principal=CITIZEN)))
    return found


def states(found: dict[str, Any]) -> list[str]:
    """Return the states of a record's events, oldest first."""
    return [one["dpv:hasConsentStatus"]["@id"] for one in found["dct:hasPart"]]


def now(database: Database, grant: Grant) -> Grant:
    """Return a grant as it stands."""
    with database.reading() as db:
        return grants.read(db, grant.grant_id, citizen=CITIZEN)


def test_a_record_follows_the_grant(open_door: Database) -> None:
    """What was given, narrowed and withdrawn are three events with their times, each naming its entry."""
    with open_door.writing() as db:
        grant = allow(db, "given_name", "income_bracket")
    disclosure.release(open_door, ask("given_name"))
    with open_door.writing() as db:
        left = decisions.withdraw(db, grant, attributes=["income_bracket"], actor=ME)
        decisions.withdraw(db, left, actor=ME)
    told = [one for one in history(open_door) if one["kind"].startswith("grant-")]
    found = made(open_door, now(open_door, grant))
    assert complete(found) == []
    assert states(found) == ["dpv:ConsentGiven", "dpv:ConsentGiven", "dpv:ConsentWithdrawn"]
    assert [one["dpv:hasIdentifier"] for one in found["dct:hasPart"]] == [one["event"] for one in told]
    assert [one["dct:date"]["@value"] for one in found["dct:hasPart"]] == [one["at"] for one in told]
    assert found["dpv:hasConsentStatus"]["@id"] == "dpv:ConsentWithdrawn"
    assert {one["dpv:isImplementedByEntity"]["dct:identifier"] for one in found["dct:hasPart"]} == {CITIZEN}


def test_a_record_binds_the_text_that_was_read(open_door: Database) -> None:
    """The notice is the text in the language it was read in, with the hash that the grant binds."""
    with open_door.writing() as db:
        grant = decisions.decide(
            db, citizen=CITIZEN, client_id="portal", purpose="revenue-sign-in",
            allowed={"given_name"}, lang="ka", actor=ME,
        )  # fmt: skip
        country.publish(db, country.purpose(retention_days=9))
        first = purposes.read(db, grant.purpose, 1)
    notice = made(open_door, grant)["dpv:hasNotice"]
    assert notice["dct:language"] == "ka"
    assert notice["dct:description"] == ["გასახსნელად.", "მოდით ოფისში."]
    assert notice["dpv:hasIdentifier"] == f"sha256:{first.text_sha256('ka')}"
    assert made(open_door, grant)["dpv:hasProcess"]["dpv:hasStorageCondition"]["dpv:hasDuration"] == {
        "@type": "xsd:duration",
        "@value": "P365D",
    }


def test_a_no_is_a_record_too(open_door: Database) -> None:
    """What was declined is a record with one event, and lists what was asked."""
    with open_door.writing() as db:
        grant = decisions.decline(
            db, citizen=CITIZEN, client_id="portal", purpose="revenue-sign-in", lang="en", actor=ME
        )
    history(open_door)
    found = made(open_door, grant)
    assert complete(found) == []
    assert states(found) == ["dpv:ConsentRefused"]
    assert len(found["dpv:hasProcess"]["dpv:hasPersonalData"]) == 3


def test_that_somebody_died_is_not_told(open_door: Database) -> None:
    """A permission that ended with the citizen's death is revoked by the service, as any other that was ended."""
    with open_door.writing() as db:
        grant = allow(db, "given_name")
        endings.end_all(db, CITIZEN, reason="deceased", actor=SYSTEM)
    history(open_door)
    found = made(open_door, now(open_door, grant))
    assert states(found) == ["dpv:ConsentGiven", "dpv:ConsentRevoked"]
    assert (
        found["dct:hasPart"][1]["dpv:isImplementedByEntity"]["dct:identifier"]
        == open_door.parts.settings.issuer
    )
    assert "deceased" not in json.dumps(found)


def test_limits_are_part_of_the_record(open_door: Database) -> None:
    """How often an agency may read, and from which day, stands in the record; of a standing permission nothing does."""
    with open_door.writing() as db:
        grant = allow(db, "given_name")
    assert (
        not {"dpv:hasDuration", "dpv:hasFrequency", "dct:available"}
        & made(open_door, grant)["dpv:hasProcess"].keys()
    )
    limited = replace(
        grant, allowance=Allowance(reads=3, per_reads=1, every="month", first=date(2026, 12, 1))
    )
    process = made(open_door, limited)["dpv:hasProcess"]
    assert process["dpv:hasDuration"] == {"@type": "dpv:FixedOccurrencesDuration", "rdf:value": 3}
    assert process["dpv:hasFrequency"] == {"@type": "dpv:Frequency", "rdf:value": 1, "dct:title": "month"}
    assert process["dct:available"]["@value"] == "2026-12-01T00:00:00.000Z"


def test_required_and_optional_are_told_apart(open_door: Database) -> None:
    """Each attribute says whether the purpose needs it, what kind of data it is and from which register it comes."""
    with open_door.writing() as db:
        grant = allow(db, "given_name", "income_bracket")
    process = made(open_door, grant)["dpv:hasProcess"]
    assert {
        one["dct:identifier"]: (one["dpv:hasNecessity"]["@id"], one["@type"][-1])
        for one in process["dpv:hasPersonalData"]
    } == {
        "given_name": ("dpv:Required", "pd:Name"),
        "income_bracket": ("dpv:Optional", "pd:IncomeBracket"),
    }
    assert [one["dct:identifier"] for one in process["dpv:hasDataSource"]] == ["civil", "tax"]


STATES = (
    "given",
    "narrowed",
    "extended",
    "declined",
    "withdrawn",
    "expired",
    "ended",
    "ended-by-agency",
    "invalidated",
    "used-up",
)
NAMES = st.frozensets(st.sampled_from(["given_name", "income_bracket", "employer"]), min_size=1)
DAYS = st.integers(-900, 900).map(lambda days: clock.now() + timedelta(days=days))


@st.composite
def any_grant(draw: st.DrawFn, state: str) -> Grant:
    """Return a grant in a state, as the table might hold it."""
    over = state not in ("given", "narrowed", "extended")
    given_at, until = sorted((draw(DAYS), draw(DAYS)))
    by = draw(st.sampled_from([None, "citizen", "agency", "client", "system", "staff", "source"]))
    return Grant(
        grant_id="0" * 32,
        citizen=CITIZEN,
        agency="revenue",
        client_id="portal",
        purpose="revenue-sign-in",
        purpose_version=1,
        text_sha256="ab" * 32,
        language=draw(st.sampled_from(["en", "ka"])),
        attributes=frozenset() if state == "declined" else draw(NAMES),
        offered=draw(NAMES),
        state=state,
        given_at=given_at,
        expires_at=until,
        ended_at=until if over else None,
        ended_by=by if over else None,
        version=1,
    )


@pytest.mark.parametrize("state", STATES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_state_yields_a_whole_record(open_door: Database, state: str, data: st.DataObject) -> None:
    """Whatever a grant is, its record has every mandatory field and holds no attribute's value."""
    found = made(open_door, data.draw(any_grant(state)))
    assert complete(found) == []
    assert found["dpv:hasConsentStatus"]["@id"] == states(found)[-1]
    assert not any(value in json.dumps(found, ensure_ascii=False) for value in VALUES)


def test_the_list_of_mandatory_fields_can_fail(open_door: Database) -> None:
    """A record in which one field is taken out or emptied is not complete: each field, one by one."""
    with open_door.writing() as db:
        grant = allow(db, "given_name")
    history(open_door)
    for name, path in MANDATORY.items():
        found = made(open_door, grant)
        holders = [one for one in at(found, path[:-1]) if isinstance(one, dict)] if path[1:] else [found]
        for holder in holders:
            holder.pop(path[-1])
        assert name in complete(found)
