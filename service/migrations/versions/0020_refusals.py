"""refusals: what a reference number was about, for a while."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "refusal",
        sa.Column("reference", sa.String(length=16), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("rule", sa.String(length=128), nullable=False),
        sa.Column("client", sa.String(length=128), nullable=False),
        sa.Column("route", sa.String(length=200), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("told", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_refusal")),
    )
    op.create_index(op.f("ix_refusal_at"), "refusal", ["at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("ix_refusal_at"), table_name="refusal")
    op.drop_table("refusal")
