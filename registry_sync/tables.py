"""Tables of people, their records, quarantine and messages; private to this package."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from core.database import Base, Document, Moment

CITIZEN = String(16)
BLIND = LargeBinary(33)

person = Table(
    "person",
    Base.metadata,
    Column("citizen_id", CITIZEN, primary_key=True),
    Column("state", String(12), nullable=False),
    Column("state_as_of", String(10), nullable=False),
    # Without opening anything: whether a birth registration number tells this person from every other.
    Column("numbered", Boolean, nullable=False),
    Column("identity", LargeBinary, nullable=False),
    Column("matched_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

person_identifier = Table(
    "person_identifier",
    Base.metadata,
    Column("blind", BLIND, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("citizen_id", ForeignKey(person.c.citizen_id), nullable=False, index=True),
)

# Blocking keys: who might be the same person, found without opening anybody's record.
person_block = Table(
    "person_block",
    Base.metadata,
    Column("blind", BLIND, primary_key=True),
    Column("citizen_id", ForeignKey(person.c.citizen_id), primary_key=True, index=True),
)

attribute_document = Table(
    "attribute_document",
    Base.metadata,
    Column("citizen_id", ForeignKey(person.c.citizen_id), primary_key=True),
    Column("source", String(32), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

# The name before a register changed it, until its owner has read that it did.
former_name = Table(
    "former_name",
    Base.metadata,
    Column("citizen_id", ForeignKey(person.c.citizen_id), primary_key=True),
    Column("source", String(32), nullable=False),
    Column("as_of", String(10), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)

# What has been taken from a source, so that the same record is never taken twice.
source_record = Table(
    "source_record",
    Base.metadata,
    Column("source", String(32), primary_key=True),
    Column("blind", BLIND, primary_key=True),
    Column("citizen_id", ForeignKey(person.c.citizen_id), nullable=False, index=True),
    Column("content", BLIND, nullable=False),
    Column("as_of", String(10), nullable=False),
    Column("run", String(36), nullable=False),
)

quarantined_record = Table(
    "quarantined_record",
    Base.metadata,
    Column("id", String(36), primary_key=True),
    Column("source", String(32), nullable=False),
    Column("form", String(8), nullable=False),  # record or message
    Column("content", BLIND, nullable=False),
    Column("state", String(12), nullable=False),  # open, settled, dismissed
    Column("reason", String(48), nullable=False),
    Column("spot", String(64), nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("run", String(36), nullable=False),
    Column("identifier", BLIND, index=True),  # of the person it waits for
    Column("sealed", LargeBinary),  # gone once the record is settled
    Column("size", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("source", "content"),
    Index("ix_quarantined_record_state_source_at", "state", "source", "at"),
)

import_run = Table(
    "import_run",
    Base.metadata,
    Column("id", String(36), primary_key=True),
    Column("source", String(32), nullable=False),
    Column("sha256", String(64), nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("line", BigInteger, nullable=False),
    Column("counts", Document, nullable=False),
    Column("reasons", Document, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
)

registry_message = Table(
    "registry_message",
    Base.metadata,
    Column("id_hash", String(64), primary_key=True),  # of issuer and jti
    Column("source", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("received_at", Moment, nullable=False, index=True),
)

# The newest message applied to each kind of fact about a person; an older one must not overwrite it.
person_position = Table(
    "person_position",
    Base.metadata,
    Column("citizen_id", ForeignKey(person.c.citizen_id), primary_key=True),
    Column("aspect", String(48), primary_key=True),
    Column("toe", Moment, nullable=False),
    Column("source", String(32), nullable=False),
    Column("sequence", BigInteger),
)
