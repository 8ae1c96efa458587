"""locks: what else is known about why an account is locked."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "account_lock",
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("since", core.database.Moment(), nullable=False),
        sa.Column("why_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("ends_at", core.database.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["citizen_id"],
            ["account.citizen_id"],
            name=op.f("fk_account_lock_citizen_id_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("citizen_id", "reason", name=op.f("pk_account_lock")),
    )
    op.create_index(op.f("ix_account_lock_ends_at"), "account_lock", ["ends_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("ix_account_lock_ends_at"), table_name="account_lock")
    op.drop_table("account_lock")
