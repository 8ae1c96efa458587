"""what a recovery code set up and was stopped as "not me": remembered, so that the next waits longer."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0033"
down_revision: str | None = "0032"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "account_objection",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("by_owner", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["citizen_id"],
            ["account.citizen_id"],
            name=op.f("fk_account_objection_citizen_id_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_objection")),
    )
    op.create_index(op.f("ix_account_objection_citizen_id"), "account_objection", ["citizen_id"])
    op.create_index(op.f("ix_account_objection_at"), "account_objection", ["at"])
    longer: sa.Column[bool] = sa.Column("longer", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("account_holding", longer)


def downgrade() -> None:
    """Undo."""
    op.drop_column("account_holding", "longer")
    op.drop_table("account_objection")
