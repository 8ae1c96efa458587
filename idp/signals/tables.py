"""Tables of event streams, the outbox of their events, and whom a stream does not want to hear about."""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from core.database import Base, BigKey, Document, Moment

stream = Table(
    "signal_stream",
    Base.metadata,
    Column("stream_id", String(32), primary_key=True),
    Column("client_id", String(128), nullable=False, unique=True),
    Column("agency", String(64), nullable=False, index=True),
    Column("method", String(32), nullable=False),
    Column("endpoint_url", Text),
    Column("authorization_sealed", LargeBinary),
    Column("events_requested", Document, nullable=False),  # empty: everything
    Column("description", Text),
    Column("status", String(16), nullable=False),
    Column("reason", Text),
    Column("verified_at", Moment, nullable=False),  # when a verification was last asked for
    Column("failures", Integer, nullable=False),  # deliveries in a row that failed
    Column("due_at", Moment, nullable=False),
    Column("lease", String(32)),
    Column("lease_until", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

outbox = Table(
    "signal_outbox",
    Base.metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("jti", String(36), nullable=False, unique=True),
    Column("stream_id", String(32), nullable=False),
    Column("client_id", String(128), nullable=False, index=True),
    Column("citizen", String(64), nullable=False),  # empty for events about the stream itself
    Column("kind", String(32), nullable=False),
    Column("txn", String(36), nullable=False),
    Column("subject", Document, nullable=False),
    Column("said", Document, nullable=False),
    Column("state", String(16), nullable=False),  # waiting, received, refused, given-up or dropped
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
    Column("settled_at", Moment),
    Column("error", String(64)),
    Column("error_text", String(500)),
    sqlite_autoincrement=True,
)
Index("ix_signal_outbox_due", outbox.c.stream_id, outbox.c.state, outbox.c.due_at)
Index("ix_signal_outbox_order", outbox.c.citizen, outbox.c.stream_id, outbox.c.state, outbox.c.id)

silence = Table(
    "signal_silence",
    Base.metadata,
    Column("stream_id", String(32), primary_key=True),
    Column("citizen", String(64), primary_key=True),
)
