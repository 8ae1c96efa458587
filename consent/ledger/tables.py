"""Tables of the ledger. Only the sequencer writes entry, subject, head, node and request; it only adds."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from core.database import Base, BigKey, Document, Moment
from core.events import CLEAR_FIELDS

# Clear are index, type, commitment, label, seq, kind, agency, purpose, basis, outcome and month, on which pages
# filter and auditors search, the payload of a leaf that is public anyway, and event_id: random, it lets a batch
# be found again when nobody knows whether its COMMIT happened, and joins the entries of one event (ADR 7).
entry = Table(
    "ledger_entry",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
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
    Column("opening", LargeBinary),  # the name of its key, then nonce and record, sealed
    Column("erasure", String(24)),  # by which erasure all but index, commitment and place in the chain went
    UniqueConstraint("label", "log", "seq"),
    UniqueConstraint("label", "log", "event_id"),
)
Index("ix_ledger_entry_agency_month", entry.c.agency, entry.c.month)

# Whose chain a label is stands here in clear: a citizen ID, or the name of an office, agency or source (ADR 7).
subject = Table(
    "ledger_subject",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("chain", String(128), primary_key=True),
    Column("label", LargeBinary, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
    UniqueConstraint("log", "label"),
)

# One row for each log. Whoever extends a log locks its row first, so everything else needs no locks of its own.
head = Table(
    "ledger_head",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("origin", String(255), nullable=False, unique=True),
    Column("frozen", Boolean, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)

node = Table(
    "ledger_node",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
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
    Column("log", Integer, nullable=False),
    Column("leaf_index", BigInteger, nullable=False),
    Column("at", Moment, nullable=False, index=True),
)

checkpoint = Table(
    "ledger_checkpoint",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    Column("note", Text, nullable=False),
)

# Checkpoints with the cosignatures that made the quorum of `rule` (a digest of the witness policy): what is published
# where witnesses are asked for. A checkpoint whose quorum was not reached has no row.
cosigned = Table(
    "ledger_cosigned",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    Column("rule", String(32), nullable=False),
    Column("note", Text, nullable=False),
)

# The citizen map as of the entries before leaf `applied`; `root_index` is the newest leaf that holds its root,
# `tree_root` the root of the log up to and with that leaf. Everything here can be made again from the entries.
map_state = Table(
    "ledger_map",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("applied", BigInteger, nullable=False),
    Column("root_index", BigInteger),
    Column("tree_root", LargeBinary),
)

map_leaf = Table(
    "ledger_map_leaf",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("page", Integer, primary_key=True, autoincrement=False),  # the label's first 16 bits
    Column("label", LargeBinary, primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
)

map_node = Table(
    "ledger_map_node",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("depth", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("chains", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

# Of each entry that the law withholds: when it is due, and which event told its citizen, in whose history it then is.
withheld = Table(
    "ledger_withheld",
    Base.metadata,
    Column("log", Integer, primary_key=True, autoincrement=False),
    Column("leaf_index", BigInteger, primary_key=True, autoincrement=False),
    Column("disclose_after", Moment, nullable=False, index=True),
    Column("revealed_at", Moment),
    Column("revealed_by", String(36)),
)

# The checkpoints of the withheld log that a public record of the open log, by its event, holds the hash of; and the
# first checkpoint of that open log with the record in it: what a later one of the same size would not prove, it does.
fixed = Table(
    "ledger_withheld_fixed",
    Base.metadata,
    Column("event_id", String(36), primary_key=True),
    Column("log", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("note", Text, nullable=False),
    Column("open_size", BigInteger),
    Column("open_note", Text),
)
Index("ix_ledger_withheld_fixed_log_size", fixed.c.log, fixed.c.size)

# For which months it is published, by which event, how many entries the law withheld in the country.
counted = Table(
    "ledger_withheld_counted",
    Base.metadata,
    Column("month", String(7), primary_key=True),
    Column("event_id", String(36), nullable=False),
)

lease = Table(
    "ledger_lease",
    Base.metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", Moment, nullable=False),
)

# How often a chain's keys were changed because something of it was erased; a chain without a row, never.
generation = Table(
    "ledger_generation",
    Base.metadata,
    Column("chain", String(128), primary_key=True),
    Column("number", Integer, nullable=False),
)

# One erasure each, of one chain and year. Whom and what it is about stands here only until it is carried out.
erasure = Table(
    "ledger_erasure",
    Base.metadata,
    Column("id", String(24), primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("basis", String(16), nullable=False),
    Column("year", Integer, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("ordered_at", Moment, nullable=False),
    Column("chain", String(128), index=True),
    Column("places", Document),  # [log, index] of each entry, if not the whole year
    Column("reference", String(200)),
    Column("reason", String(500)),
    Column("actor_kind", String(16)),
    Column("actor_id", String(128)),
    Column("erased_at", Moment),
    Column("entries", Integer),
    Column("epoch", Integer),  # the newest one then: up to it, one may have wrapped the destroyed keys
)

# Events that could not be taken in, as they waited (`core.events.waiting`); `reason` is the class of the error, and
# `told_by` the entry that says in the history that something is missing (ADR 27).
aside = Table(
    "ledger_aside",
    Base.metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("event_id", String(36), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("chain", String(128), nullable=False, index=True),
    Column("public", Boolean, nullable=False),
    Column("at", Moment, nullable=False),
    *(Column(name, String(128)) for name in CLEAR_FIELDS),
    Column("sealed", LargeBinary, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("set_aside_at", Moment, nullable=False),
    Column("told_by", String(36), nullable=False),
)
