"""Tables of agencies, purposes, grants, mandates and sittings at desks; private to this package."""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, false, text

from core.database import Base, Document, Moment

LIVE_STATES = ("given", "extended", "narrowed")
# Ended by an authority at one stroke, and not yet told to each citizen: nothing relies on it any more.
INVALIDATING = "invalidating"

agency = Table(
    "agency",
    Base.metadata,
    Column("id", String(64), primary_key=True),
    Column("names", Document, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("contact", String(500), nullable=False),
    Column("state", String(16), nullable=False),
    Column("covered_since", String(10)),  # a day; empty where not all its looks are in the histories yet
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

# A row is never changed: a changed purpose is a new version beside the old one.
purpose = Table(
    "purpose",
    Base.metadata,
    Column("id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("agency", String(64), nullable=False, index=True),
    Column("declaration", Document, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("published_at", Moment, nullable=False),
)

grant = Table(
    "consent_grant",
    Base.metadata,
    Column("grant_id", String(32), primary_key=True),
    Column("citizen", String(64), nullable=False, index=True),
    Column("agency", String(64), nullable=False, index=True),
    Column("client_id", String(128), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("purpose_version", Integer, nullable=False),
    Column("text_sha256", String(64), nullable=False),
    Column("language", String(16), nullable=False),
    Column("attributes", Document, nullable=False),  # what is agreed to
    Column("offered", Document, nullable=False),  # what was asked, so that a "no" is not asked again
    Column("state", String(16), nullable=False),
    Column("given_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("ended_at", Moment),
    Column("ended_by", String(16)),
    Column("version", Integer, nullable=False),
    Column("limits", Document, nullable=False),  # the purpose's, or narrower
    # Written by the sequencer, in the transaction that makes the entry of a read.
    Column("most_reads", Integer),  # as in `limits`, where the database can compare it
    Column("used", Integer, nullable=False),
    Column("use_window", String(16), nullable=False),
    Column("used_in_window", Integer, nullable=False),
    Column("used_at", Moment),
)
_LIVE = text("state IN ('given', 'extended', 'narrowed')")
# Two decisions at once cannot leave a citizen with two live grants for one purpose.
Index(
    "uq_consent_grant_live",
    grant.c.citizen,
    grant.c.purpose,
    unique=True,
    sqlite_where=_LIVE,
    postgresql_where=_LIVE,
)

# The right to act for another, at these agencies and for these purposes.
mandate = Table(
    "mandate",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    Column("giver", String(64), nullable=False, index=True),
    Column("holder", String(64), nullable=False, index=True),
    Column("agencies", Document, nullable=False),
    Column("purposes", Document, nullable=False),
    Column("state", String(16), nullable=False),
    Column("offered_at", Moment, nullable=False),
    Column("answered_at", Moment),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("ended_at", Moment),
    Column("ended_by", String(16)),
    Column("version", Integer, nullable=False),
    # citizen, or what a register says: parent, guardian; with the register and the day it is as of.
    Column("ground", String(16), nullable=False, server_default="citizen"),
    Column("source", String(32)),
    Column("as_of", String(10)),
    Column("reason", String(16)),  # why it ended; NULL for those that ended before this was kept
    Column("rests", Boolean, nullable=False, server_default=false()),
)

# One procedure for one citizen at a counter, for some minutes.
sitting = Table(
    "desk_sitting",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    Column("clerk", String(64), nullable=False, index=True),
    Column("office", String(120), nullable=False),
    Column("citizen", String(64), nullable=False, index=True),
    Column("agency", String(64), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("purpose_version", Integer, nullable=False),
    Column("reference", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("agreed", Document, nullable=False),
    Column("acr", String(64)),
    Column("wrong_codes", Integer, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("answered_at", Moment),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("version", Integer, nullable=False),
)

# What became of telling an agency that a grant changed; kept as long as the grant, for its citizen to see.
notice = Table(
    "consent_notice",
    Base.metadata,
    Column("notice_id", String(36), primary_key=True),
    Column("grant_id", String(32), nullable=False, index=True),
    Column("event_id", String(36), nullable=False),  # the change; several systems may be told of one
    Column("state", String(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("told_at", Moment, nullable=False),
    Column("received_at", Moment),
)

# Few rows at any time, looked for every minute: the words of the index are those of the query.
USED_UP = text("state IN ('given', 'extended', 'narrowed') AND used >= most_reads")
UNTOLD = text(f"state = '{INVALIDATING}'")
Index("ix_consent_grant_used_up", grant.c.grant_id, sqlite_where=USED_UP, postgresql_where=USED_UP)
Index("ix_consent_grant_untold", grant.c.grant_id, sqlite_where=UNTOLD, postgresql_where=UNTOLD)

# An authority's word that no permission for a purpose counts any more; the worker tells each citizen.
invalidation = Table(
    "purpose_invalidation",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    Column("purpose", String(64), nullable=False, index=True),
    Column("reason", String(500), nullable=False),
    Column("staff", String(64), nullable=False),
    Column("at", Moment, nullable=False),
)
