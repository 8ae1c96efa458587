"""Tables of the ledger. Only the sequencer writes entry, subject, head, node and request; it only adds."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from core.database import Base, Moment

# Clear are index, type, commitment, label, seq, kind, agency, purpose, basis, outcome and month, on which pages
# filter and auditors search, the payload of a leaf that is public anyway, and event_id: random, it lets a batch
# be found again when nobody knows whether its COMMIT happened, and joins the entries of one event (ADR 7).
entry = Table(
    "ledger_entry",
    Base.metadata,
    Column("leaf_index", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf_type", Integer, nullable=False),
    Column("commitment", LargeBinary),
    Column("payload", LargeBinary),  # of a public leaf
    Column("label", LargeBinary),
    Column("seq", BigInteger),
    Column("event_id", String(36), index=True),
    Column("kind", String(64)),
    Column("agency", String(128)),
    Column("purpose", String(128)),
    Column("basis", String(128)),
    Column("outcome", String(128)),
    Column("month", String(7)),
    Column("opening", LargeBinary),  # the year of its key, then nonce and record, sealed
    UniqueConstraint("label", "seq"),
    UniqueConstraint("label", "event_id"),
)
Index("ix_ledger_entry_agency_month", entry.c.agency, entry.c.month)

# Whose chain a label is stands here in clear: a citizen ID, or the name of an office, agency or source (ADR 7).
subject = Table(
    "ledger_subject",
    Base.metadata,
    Column("chain", String(128), primary_key=True),
    Column("label", LargeBinary, nullable=False, unique=True),
    Column("n", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
)

# One row. Whoever extends the ledger locks it first, so everything else needs no locks of its own.
head = Table(
    "ledger_head",
    Base.metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)

node = Table(
    "ledger_node",
    Base.metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

# Which client used which request ID for which entry, in clear, for thirty days. What was asked is a keyed hash.
request = Table(
    "ledger_request",
    Base.metadata,
    Column("client", String(128), primary_key=True),
    Column("request_id", String(128), primary_key=True),
    Column("body_hmac", LargeBinary, nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("leaf_index", BigInteger, nullable=False),
    Column("at", Moment, nullable=False, index=True),
)

checkpoint = Table(
    "ledger_checkpoint",
    Base.metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    Column("note", Text, nullable=False),
)

lease = Table(
    "ledger_lease",
    Base.metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", Moment, nullable=False),
)
