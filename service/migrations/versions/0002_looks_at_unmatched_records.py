"""looks at records that are nobody's yet."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "unmatched_look",
        sa.Column("id", core.database.BigKey, autoincrement=True, nullable=False),
        sa.Column("record", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unmatched_look")),
    )
    with op.batch_alter_table("unmatched_look", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_unmatched_look_record"), ["record"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("unmatched_look", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_unmatched_look_record"))

    op.drop_table("unmatched_look")
