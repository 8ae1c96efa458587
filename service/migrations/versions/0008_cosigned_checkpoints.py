"""checkpoints that witnesses cosigned."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "ledger_cosigned",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("log", "size", name=op.f("pk_ledger_cosigned")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("ledger_cosigned")
