"""event streams, the outbox of their events, and what became of notices about grants."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "signal_stream",
        sa.Column("stream_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("endpoint_url", sa.Text(), nullable=True),
        sa.Column("authorization_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("events_requested", sa.JSON(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("verified_at", core.database.Moment(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due_at", core.database.Moment(), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("lease_until", core.database.Moment(), nullable=False),
        sa.Column("created_at", core.database.Moment(), nullable=False),
        sa.Column("changed_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", name=op.f("pk_signal_stream")),
        sa.UniqueConstraint("client_id", name=op.f("uq_signal_stream_client_id")),
    )
    with op.batch_alter_table("signal_stream", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_signal_stream_agency"), ["agency"], unique=False)

    op.create_table(
        "signal_outbox",
        sa.Column("id", core.database.BigKey, autoincrement=True, nullable=False),
        sa.Column("jti", sa.String(length=36), nullable=False),
        sa.Column("stream_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("citizen", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("txn", sa.String(length=36), nullable=False),
        sa.Column("subject", sa.JSON(), nullable=False),
        sa.Column("said", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", core.database.Moment(), nullable=False),
        sa.Column("created_at", core.database.Moment(), nullable=False),
        sa.Column("settled_at", core.database.Moment(), nullable=True),
        sa.Column("error", sa.String(length=64), nullable=True),
        sa.Column("error_text", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signal_outbox")),
        sa.UniqueConstraint("jti", name=op.f("uq_signal_outbox_jti")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("signal_outbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_signal_outbox_client_id"), ["client_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_signal_outbox_created_at"), ["created_at"], unique=False)
        batch_op.create_index("ix_signal_outbox_due", ["stream_id", "state", "due_at"], unique=False)
        batch_op.create_index("ix_signal_outbox_order", ["citizen", "stream_id", "state", "id"], unique=False)

    op.create_table(
        "signal_silence",
        sa.Column("stream_id", sa.String(length=32), nullable=False),
        sa.Column("citizen", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "citizen", name=op.f("pk_signal_silence")),
    )
    op.create_table(
        "consent_notice",
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("grant_id", sa.String(length=32), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("told_at", core.database.Moment(), nullable=False),
        sa.Column("received_at", core.database.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_consent_notice")),
    )
    with op.batch_alter_table("consent_notice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_consent_notice_grant_id"), ["grant_id"], unique=False)


def downgrade() -> None:
    """Undo."""
    for name in ("consent_notice", "signal_silence", "signal_outbox", "signal_stream"):
        op.drop_table(name)
