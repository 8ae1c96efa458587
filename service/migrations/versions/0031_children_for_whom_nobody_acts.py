"""children for whom nobody acts: a second official agreed to a letter or card."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "child_waiver",
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("agreed_by", sa.String(length=16), nullable=False),
        sa.Column("ends_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("citizen_id"),
    )
    op.create_index("ix_child_waiver_ends_at", "child_waiver", ["ends_at"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_child_waiver_ends_at", "child_waiver")
    op.drop_table("child_waiver")
