"""visits at a counter, and by whom an activation code was made."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0035"
down_revision: str | None = "0034"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "desk_visit",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("clerk", sa.String(length=64), nullable=False),
        sa.Column("office", sa.String(length=128), nullable=False),
        sa.Column("citizen", sa.String(length=16), nullable=False),
        sa.Column("document", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("facts_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_desk_visit_expires_at", "desk_visit", ["expires_at"])
    # Codes of before were made on the command line, whoever was looked at.
    op.add_column(
        "activation_code",
        sa.Column("origin", sa.String(length=16), server_default="operator", nullable=False),
    )
    op.add_column("activation_code", sa.Column("ended_at", core.database.Moment(), nullable=True))
    op.add_column(
        "activation_code", sa.Column("firm", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    """Undo."""
    for name in ("firm", "ended_at", "origin"):
        op.drop_column("activation_code", name)
    op.drop_index("ix_desk_visit_expires_at", "desk_visit")
    op.drop_table("desk_visit")
