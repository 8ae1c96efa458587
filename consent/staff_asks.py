"""What a member of staff asks of the door, with the office and the reason that the entry says."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StaffAsk:
    """What a member of staff asks of the door: one citizen, with office and reason."""

    staff: str
    office: str
    reason: str
    citizen: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UnmatchedAsk:
    """What a member of staff asks of the door about a record that is nobody's yet, by its quarantine ID."""

    staff: str
    office: str
    reason: str
    record: str
