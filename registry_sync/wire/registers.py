"""Which registers are connected, and what is known of each."""

from collections.abc import Sequence
from typing import Protocol

from registry_sync.errors import SourceUnknown
from registry_sync.wire import civil, tax
from registry_sync.wire.shapes import Bad, Record


class Register(Protocol):
    """A register: its name, whether its records can make somebody known here, and how one is read."""

    NAME: str
    FOUNDS_PEOPLE: bool
    FIELDS: frozenset[str]

    def read(self, content: bytes, header: Sequence[str] = ()) -> Record | Bad:
        """Read one record; never raises, whatever the bytes."""


REGISTERS: dict[str, Register] = {civil.NAME: civil, tax.NAME: tax}


def named(source: str) -> Register:
    """Return a register by its name; raises SourceUnknown."""
    if source not in REGISTERS:
        raise SourceUnknown(detail=source[:32])
    return REGISTERS[source]


def fields(source: str) -> frozenset[str]:
    """Return the names of the fields that a register's records have."""
    return named(source).FIELDS
