"""disputes, alerts, and since when an agency is covered."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "dispute",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("citizen", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_at", core.database.Moment(), nullable=False),
        sa.Column("due_at", core.database.Moment(), nullable=False),
        sa.Column("seen_at", core.database.Moment(), nullable=True),
        sa.Column("answered_at", core.database.Moment(), nullable=True),
        sa.Column("category", sa.String(length=16), nullable=True),
        sa.Column("through", sa.String(length=16), nullable=True),
        sa.Column("asked", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
        sa.UniqueConstraint("citizen", "event_id", name=op.f("uq_dispute_citizen_event_id")),
    )
    with op.batch_alter_table("dispute", schema=None) as batch_op:
        batch_op.create_index("ix_dispute_state_due", ["state", "due_at"], unique=False)
        batch_op.create_index("ix_dispute_agency", ["agency", "due_at"], unique=False)
    op.create_table(
        "alert_choice",
        sa.Column("citizen", sa.String(length=64), nullable=False),
        sa.Column("rules", core.database.Document(), nullable=False),
        sa.Column("agencies", core.database.Document(), nullable=False),
        sa.Column("changed_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("citizen", name=op.f("pk_alert_choice")),
    )
    op.create_table(
        "alert_position",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_alert_position")),
    )
    op.create_table(
        "alert_day",
        sa.Column("citizen", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("mailed", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("citizen", "day", name=op.f("pk_alert_day")),
    )
    with op.batch_alter_table("mail_outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("facts", sa.LargeBinary(), nullable=True))
    with op.batch_alter_table("agency", schema=None) as batch_op:
        batch_op.add_column(sa.Column("covered_since", sa.String(length=10), nullable=True))
    # Whoever had joined before was covered from that day.
    agency = sa.table(
        "agency",
        sa.column("id", sa.String),
        sa.column("created_at", core.database.Moment),
        sa.column("covered_since", sa.String),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(agency.c.id, agency.c.created_at)).all():
        day = row.created_at.date().isoformat()
        connection.execute(sa.update(agency).where(agency.c.id == row.id).values(covered_since=day))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("agency", schema=None) as batch_op:
        batch_op.drop_column("covered_since")
    with op.batch_alter_table("mail_outbox", schema=None) as batch_op:
        batch_op.drop_column("facts")
    op.drop_table("alert_day")
    op.drop_table("alert_position")
    op.drop_table("alert_choice")
    with op.batch_alter_table("dispute", schema=None) as batch_op:
        batch_op.drop_index("ix_dispute_agency")
        batch_op.drop_index("ix_dispute_state_due")

    op.drop_table("dispute")
