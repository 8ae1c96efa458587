"""A grant as a consent record: ISO/IEC TS 27560:2023 in JSON-LD, with the terms of W3C's Data Privacy Vocabulary."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from consent import agencies, purposes, receipts
from consent.agencies import Agency
from consent.allowances import Allowance
from consent.grants import Grant
from consent.purposes import Purpose
from core import clock
from core.database import parts
from core.settings import Settings
from registry_sync.catalogue import CATALOGUE

MEDIA_TYPE = "application/ld+json"
SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#record"
CONTEXT = {
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
# Categories of the vocabulary's extension for personal data; what has none of its own is dpv:PersonalData alone.
CATEGORIES = {
    "given_name": "pd:Name",
    "middle_name": "pd:Name",
    "family_name": "pd:Name",
    "name": "pd:Name",
    "nickname": "pd:Name",
    "birthdate": "pd:BirthDate",
    "birth_place": "pd:BirthPlace",
    "gender": "pd:Gender",
    "national_identifier": "pd:OfficialID",
    "address": "pd:PhysicalAddress",
    "marital_status": "pd:Family",
    "household_size": "pd:FamilyStructure",
    "email": "pd:EmailAddress",
    "phone_number": "pd:TelephoneNumber",
    "income_bracket": "pd:IncomeBracket",
    "tax_residency": "pd:Residency",
    "employer": "pd:CurrentEmployment",
    "preferred_username": "pd:Username",
    "picture": "pd:Picture",
    "locale": "pd:Language",
}
SENSITIVE = "high"
# By what a grant is, what was decided, or why it ended; whoever other than the citizen ends it revokes it.
STATUS = {
    "given": "dpv:ConsentGiven",
    "narrowed": "dpv:ConsentGiven",
    "extended": "dpv:RenewedConsentGiven",
    "declined": "dpv:ConsentRefused",
    "withdrawn": "dpv:ConsentWithdrawn",
    "expired": "dpv:ConsentExpired",
    "used-up": "dpv:ConsentExpired",
    "invalidated": "dpv:ConsentInvalidated",
    "over": "dpv:ConsentStatusInvalidForProcessing",
}
REVOKED = "dpv:ConsentRevoked"
# All that a private company is told of a permission that somebody else than itself ended (`receipts.is_untold`).
OVER = "over"


def record(db: Session, grant: Grant, *, principal: str, company: bool = False) -> dict[str, Any]:
    """Return the consent record of a grant, as JSON-LD. It holds what was agreed to and never an attribute's value.

    `principal` is what the reader calls the citizen: the citizen ID, or a company's own ID for them; a `company` that
    reads is not told whether the citizen took it back or something else ended it. An agency
    declares one way to reach it, which stands for its address too. What the ledger knows of the grant's
    decisions becomes its events; where that is erased, still waits, or a "no" made no grant, the grant itself
    says how it began and ended. Raises AgencyUnknown, PurposeUnknown.
    """
    settings = parts(db).settings
    agency = agencies.read(db, grant.agency)
    purpose = purposes.read(db, grant.purpose, grant.purpose_version)
    happened = receipts.decisions(db, grant)
    actors = {"citizen": principal, "client": agency.id, "agency": agency.id, "": settings.issuer}
    return {
        "@context": CONTEXT,
        "@id": f"urn:erti:grant:{grant.grant_id}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": {"@id": SCHEMA},
        "dct:identifier": grant.grant_id,
        "dct:created": _time(clock.now()),
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": principal},
        "dpv:hasNotice": _notice(grant, purpose),
        "dpv:hasProcess": _process(settings, grant, purpose, agency),
        "dpv:hasConsentStatus": {"@id": _status(_as_told(_state(grant), company=company))},
        "dct:hasPart": _ledger_events(grant, happened, actors, company=company)
        or _grant_events(grant, actors, company=company),
    }


def _notice(grant: Grant, purpose: Purpose) -> dict[str, Any]:
    """Return the text that the citizen read, bound to the grant by its hash (`Purpose.text_sha256`)."""
    text = purpose.text(grant.language)
    return {
        "@type": "dpv:ConsentNotice",
        "dct:identifier": f"urn:erti:purpose:{purpose.id}:{purpose.version}:{grant.language}",
        "dct:language": grant.language,
        "dct:title": text["title"],
        "dct:description": [text["why"], text["refused"]],
        "dpv:hasIdentifier": f"sha256:{grant.text_sha256}",
    }


def _process(settings: Settings, grant: Grant, purpose: Purpose, agency: Agency) -> dict[str, Any]:
    country = {"@type": "dpv:Country", "dct:title": settings.country}
    permission = f"{settings.issuer}/my/sharing/{grant.grant_id}"
    return {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {
            "@type": "dpv:Purpose",
            "@id": f"urn:erti:purpose:{purpose.id}:{purpose.version}",
            "dct:title": _by_language(purpose, "title"),
            "dct:description": _by_language(purpose, "why"),
            "dpv:hasIdentifier": f"sha256:{purpose.sha256}",
        },
        "dpv:hasLegalBasis": {"@id": "dpv:ExplicitlyExpressedConsent"},
        "dpv:hasPersonalData": _personal_data(grant, purpose),
        "dpv:hasDataController": _party(agency, "dpv:DataController"),
        "dpv:hasRecipient": _party(agency, "dpv:Recipient") | {"dpv:hasIdentifier": grant.client_id},
        "dpv:hasDataSource": _sources(grant),
        "dpv:hasProcessing": [{"@id": "dpv:Obtain"}, {"@id": "dpv:Use"}, {"@id": "dpv:Store"}],
        "dpv:hasStorageCondition": {
            "@type": "dpv:StorageCondition",
            "dpv:hasLocation": country,
            "dpv:hasDuration": _days(purpose.retention_days),
        },
        **_limits(grant.allowance),
        "dpv:hasLocation": country,
        "dpv:hasJurisdiction": country,
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "dpv:isExercisedAt": {"@id": f"{permission}/withdraw"},
        },
        "dpv:hasRight": [
            _right("Access", f"{settings.issuer}/my/data"),
            _right("History of every read", f"{settings.issuer}/my/history?agency={agency.id}"),
            _right("Withdrawal of this consent", f"{permission}/withdraw"),
        ],
    }


def _limits(allowance: Allowance) -> dict[str, Any]:
    """Return how often may be read, where that is limited: in all, and in each calendar day, week, month or year."""
    found: dict[str, Any] = {}
    if allowance.reads is not None:
        found["dpv:hasDuration"] = {"@type": "dpv:FixedOccurrencesDuration", "rdf:value": allowance.reads}
    if allowance.per_reads is not None:
        found["dpv:hasFrequency"] = {
            "@type": "dpv:Frequency",
            "rdf:value": allowance.per_reads,
            "dct:title": allowance.every,
        }
    if allowance.begins is not None:
        found["dct:available"] = _time(allowance.begins)
    return found


def _personal_data(grant: Grant, purpose: Purpose) -> list[dict[str, Any]]:
    """Return what was agreed to, or what was asked where nothing was: names and categories."""
    names = grant.attributes or grant.offered
    return [
        {
            "@type": _categories(wanted.name),
            "dct:identifier": wanted.name,
            "dct:title": _labels(wanted.name),
            "dpv:hasNecessity": {"@id": "dpv:Required" if wanted.required else "dpv:Optional"},
        }
        for wanted in purpose.attributes
        if wanted.name in names
    ]


def _categories(name: str) -> list[str]:
    known = CATALOGUE.get(name)
    sensitive = ["dpv:SensitivePersonalData"] if known and known.sensitivity == SENSITIVE else []
    own = [CATEGORIES[name]] if name in CATEGORIES else []
    return ["dpv:PersonalData", *sensitive, *own]


def _sources(grant: Grant) -> list[dict[str, str]]:
    names = grant.attributes or grant.offered
    registers = sorted({CATALOGUE[name].source for name in names if name in CATALOGUE})
    return [{"@type": "dpv:DataSource", "dct:identifier": register} for register in registers]


def _party(agency: Agency, role: str) -> dict[str, Any]:
    kind = "dpv:GovernmentalOrganisation" if agency.kind == "public" else "dpv:ForProfitOrganisation"
    return {
        "@type": ["dpv:LegalEntity", kind, role],
        "@id": f"urn:erti:agency:{agency.id}",
        "dct:identifier": agency.id,
        "dpv:hasName": _texts(agency.names),
        "dpv:hasAddress": agency.contact,
        "dpv:hasContact": agency.contact,
    }


def _right(title: str, where: str) -> dict[str, Any]:
    return {"@type": "dpv:DataSubjectRight", "dct:title": title, "dpv:isExercisedAt": {"@id": where}}


def _ledger_events(
    grant: Grant, happened: Iterable[dict[str, Any]], actors: Mapping[str, str], *, company: bool
) -> list[dict[str, Any]]:
    found = []
    for facts in happened:
        what = str(facts["kind"]).removeprefix(receipts.DECISION)
        if what == "withdrawn" and not facts["data"].get("whole", True):
            what = "narrowed"
        elif what == "ended":
            what = facts["data"]["reason"] if facts["data"]["reason"] in STATUS else what
        what = _as_told(what, company=company)
        by, at = (
            _entity(actors, facts["actor"]["kind"] if what != OVER else ""),
            datetime.fromisoformat(facts["at"]),
        )
        found.append(_event(what, at, by, grant) | {"dpv:hasIdentifier": facts["event"]})
    return found


def _grant_events(grant: Grant, actors: Mapping[str, str], *, company: bool) -> list[dict[str, Any]]:
    began = "declined" if grant.state == "declined" else "given"
    found = [_event(began, grant.given_at, actors["citizen"], grant)]
    state = _state(grant)
    if state not in ("given", "declined"):
        by = _entity(actors, grant.ended_by or ("" if state == "expired" else "citizen"))
        state = _as_told(state, company=company)
        by = actors[""] if state == OVER else by
        found.append(_event(state, grant.ended_at or min(grant.expires_at, clock.now()), by, grant))
    return found


def _entity(actors: Mapping[str, str], kind: str) -> str:
    """Return whose act it is; all that is neither the citizen nor the agency is told as the service's.

    A register that reported a death is not for every company to know.
    """
    return actors.get(kind, actors[""])


def _event(what: str, at: datetime, by: str, grant: Grant) -> dict[str, Any]:
    """Return one event: its time, until when consent is valid after it, whose act it is, its type and state."""
    live = what in ("given", "narrowed", "extended")
    return {
        "dct:date": _time(at),
        "dct:valid": _time(grant.expires_at if live else at),
        "dpv:isImplementedByEntity": {"dct:identifier": by},
        "dpv:hasLegalBasis": {"@id": "dpv:ExplicitlyExpressedConsent"},
        "dpv:hasConsentStatus": {"@id": _status(what)},
    }


def _as_told(what: str, *, company: bool) -> str:
    return OVER if company and what in ("withdrawn", "ended") else what


def _state(grant: Grant) -> str:
    return grant.state_now


def _status(what: str) -> str:
    return STATUS.get(what, REVOKED)


def _by_language(purpose: Purpose, name: str) -> list[dict[str, str]]:
    return _texts({language: text[name] for language, text in purpose.texts.items()})


def _labels(name: str) -> list[dict[str, str]]:
    known = CATALOGUE.get(name)
    return _texts(known.label) if known else []


def _texts(by_language: dict[str, str]) -> list[dict[str, str]]:
    return [{"@language": language, "@value": text} for language, text in sorted(by_language.items())]


def _time(at: datetime) -> dict[str, str]:
    return {"@type": "xsd:dateTime", "@value": clock.wire(at)}


def _days(days: int) -> dict[str, str]:
    return {"@type": "xsd:duration", "@value": f"P{timedelta(days=days).days}D"}
