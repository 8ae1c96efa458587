"""what the law withholds: when it is due, which checkpoints were fixed, which months are counted."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply. The log itself is opened at the next start."""
    op.create_table(
        "ledger_withheld",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("disclose_after", core.database.Moment(), nullable=False),
        sa.Column("revealed_at", core.database.Moment(), nullable=True),
        sa.Column("revealed_by", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("log", "leaf_index", name=op.f("pk_ledger_withheld")),
    )
    with op.batch_alter_table("ledger_withheld", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_ledger_withheld_disclose_after"), ["disclose_after"], unique=False
        )
    op.create_table(
        "ledger_withheld_fixed",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("log", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("open_size", sa.BigInteger(), nullable=True),
        sa.Column("open_note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_ledger_withheld_fixed")),
    )
    with op.batch_alter_table("ledger_withheld_fixed", schema=None) as batch_op:
        batch_op.create_index("ix_ledger_withheld_fixed_log_size", ["log", "size"], unique=False)
    op.create_table(
        "ledger_withheld_counted",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_ledger_withheld_counted")),
    )


def downgrade() -> None:
    """Undo."""
    for table in ("ledger_withheld_counted", "ledger_withheld_fixed", "ledger_withheld"):
        op.drop_table(table)
