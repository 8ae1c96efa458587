"""Who gets a receipt of which entry: the citizen of their own, an agency of decisions and reads that are its own."""

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.orm import Session

from consent import agencies
from consent.errors import ReceiptUnknown
from consent.events import GrantDeclined, GrantEnded, GrantWithdrawn
from consent.grants import Grant
from consent.ledger import entries, logs, receipts, subjects
from consent.ledger.disclosures import Integrated
from consent.ledger.tables import entry, subject
from keys.errors import Shredded

EVENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DECISION = "grant-"
READS = ("disclosed", "citizen-resolved")
# Why a permission ended may be a death, which is not for every company to know; nor are citizen IDs.
NOT_TOLD = ("reason", "citizen", "representative", "mandate")
OVER = ("agency", "client", "purpose", "purpose_version", "basis", "grant")
_ENTRY = select(
    subject.c.chain,
    entry.c.log,
    entry.c.leaf_index,
    entry.c.commitment,
    entry.c.event_id,
    entry.c.kind,
    entry.c.agency,
    entry.c.purpose,
    entry.c.opening,
).join(subject, (subject.c.log == entry.c.log) & (subject.c.label == entry.c.label))
_OF_EVENT = _ENTRY.where(entry.c.event_id == bindparam("event"))
# Of what the law withholds its agency has receipts, and nobody else.
_SHOWN = entry.c.log.in_(logs.SHOWN)
_ABOUT_GRANT = _ENTRY.where(
    _SHOWN,
    subject.c.chain == bindparam("chain"),
    entry.c.agency == bindparam("agency"),
    entry.c.purpose == bindparam("purpose"),
    entry.c.kind.startswith(DECISION, autoescape=True),
).order_by(entry.c.log, entry.c.seq)


_A_NO = (
    _ENTRY.where(
        _SHOWN,
        subject.c.chain == bindparam("chain"),
        entry.c.agency == bindparam("agency"),
        entry.c.purpose == bindparam("purpose"),
        entry.c.kind == GrantDeclined.kind,
    )
    .order_by(entry.c.log.desc(), entry.c.seq.desc())
    .limit(1)
)


def for_citizen(db: Session, event_id: str, *, citizen: str) -> str:
    """Return the receipt of one entry of a citizen's own history, with what opens its commitment.

    The opening is left out where it was destroyed: the receipt then proves that something stands there.
    Raises ReceiptUnknown, for another's entry too.
    """
    row = _found(db, event_id, _OF_EVENT.where(subject.c.chain == citizen, _SHOWN))
    opened = _opened(db, row)
    facts: dict[str, Any] = {"erased": True}
    if opened is not None:
        nonce, record = opened
        facts = {"record": record.decode(), "nonce": entries.base64_of(nonce)}
    return receipts.proven(db, _placed(row), audience=citizen, facts=facts)


def for_agency(db: Session, event_id: str, *, agency: str, client: str, purposes: Collection[str]) -> str:
    """Return the receipt of a decision on an agency's purposes, or of a read of its own, for its client.

    It says what happened as the agency knows it anyway, and neither whose entry it is nor what would open
    the commitment, because the record tells the place in the citizen's chain. Raises ReceiptUnknown, also
    for an entry of another agency, or of a purpose that this client has nothing to do with.
    """
    row = _found(
        db, event_id, _OF_EVENT.where(entry.c.agency == agency).order_by(entry.c.log, entry.c.leaf_index)
    )
    facts = _facts(db, row)
    reader = facts["data"].get("client") if facts else None
    if not _is_agencys(row.kind) or (row.purpose not in purposes and reader != client):
        raise ReceiptUnknown(detail=event_id)
    return _for_agency(db, row, facts, client=client)


def of_grant(db: Session, grant: Grant, *, client: str) -> list[str]:
    """Return the receipts of all decisions on a grant, oldest first, for a client of its agency."""
    return [_for_agency(db, row, facts, client=client) for row, facts in _decisions(db, grant)]


def of_a_no(db: Session, *, citizen: str, agency: str, purpose: str) -> str:
    """Return the event ID of a citizen's last "no" to a purpose, by which its agency gets the receipt; or nothing."""
    row = db.execute(_A_NO, {"chain": citizen, "agency": agency, "purpose": purpose}).first()
    return row.event_id if row else ""


def decisions(db: Session, grant: Grant) -> list[dict[str, Any]]:
    """Return the records of all decisions on a grant that can still be read, oldest first."""
    return [facts for _row, facts in _decisions(db, grant)]


def is_untold(kind: str, data: Mapping[str, Any]) -> bool:
    """Tell whether a permission ended in a way that a private company is not told from the others of this kind.

    These are the citizen's taking it back as a whole, a death, and an erasure. If the first were named, the
    company could conclude from the silence about the others that somebody has died.
    """
    if kind == GrantWithdrawn.kind:
        return bool(data.get("whole", True))
    return kind == GrantEnded.kind and data.get("outcome") == GrantEnded.outcome


def _decisions(db: Session, grant: Grant) -> Iterator[tuple[Row[*tuple[Any, ...]], dict[str, Any]]]:
    asked = {"chain": grant.citizen, "agency": grant.agency, "purpose": grant.purpose}
    for row in db.execute(_ABOUT_GRANT, asked).all():
        facts = _facts(db, row)
        if facts is not None and facts["data"].get("grant") == grant.grant_id:
            yield row, facts


def _found(db: Session, event_id: str, query: Select[*tuple[Any, ...]]) -> Row[*tuple[Any, ...]]:
    row = db.execute(query, {"event": event_id}).first() if EVENT_ID.fullmatch(event_id) else None
    if row is None:
        raise ReceiptUnknown(detail=event_id[:36])
    return row


def _is_agencys(kind: str) -> bool:
    return kind in READS or kind.startswith(DECISION)


def _for_agency(db: Session, row: Row[*tuple[Any, ...]], facts: dict[str, Any] | None, *, client: str) -> str:
    told: dict[str, Any] = {"erased": True}
    if facts is not None:
        kind, data = facts["kind"], facts["data"]
        if is_untold(kind, data) and agencies.read(db, row.agency).is_company:
            kind, data = (
                GrantEnded.kind,
                {name: data[name] for name in OVER} | {"outcome": GrantEnded.outcome},
            )
        data = {name: value for name, value in data.items() if name not in NOT_TOLD}
        told = {"entry": {"kind": kind, "at": facts["at"], "data": data}}
    return receipts.proven(db, _placed(row), audience=client, facts=told)


def _placed(row: Row[*tuple[Any, ...]]) -> Integrated:
    return Integrated(row.leaf_index, row.event_id, row.commitment, row.log)


def _facts(db: Session, row: Row[*tuple[Any, ...]]) -> dict[str, Any] | None:
    opened = _opened(db, row)
    return None if opened is None else msgspec.json.decode(opened[1], type=dict[str, Any])


def _opened(db: Session, row: Row[*tuple[Any, ...]]) -> tuple[bytes, bytes] | None:
    if row.opening is not None:
        with contextlib.suppress(Shredded):
            return subjects.open_opening(db, row.chain, (row.log, row.leaf_index), row.opening)
    return None
