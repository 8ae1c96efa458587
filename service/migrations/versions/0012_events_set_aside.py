"""events that could not be taken into the ledger."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "ledger_aside",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("chain", sa.String(length=128), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("agency", sa.String(length=128), nullable=True),
        sa.Column("purpose", sa.String(length=128), nullable=True),
        sa.Column("basis", sa.String(length=128), nullable=True),
        sa.Column("outcome", sa.String(length=128), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("set_aside_at", core.database.Moment(), nullable=False),
        sa.Column("told_by", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_aside")),
    )
    with op.batch_alter_table("ledger_aside", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_aside_chain"), ["chain"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("ledger_aside")
