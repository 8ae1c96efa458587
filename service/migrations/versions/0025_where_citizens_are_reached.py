"""where citizens are reached: checked addresses and numbers, and what takes a change of them back."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "account_contact",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("address_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("checked_at", core.database.Moment(), nullable=False),
        sa.Column("trusted_from", core.database.Moment(), nullable=False),
        sa.Column("told_until", core.database.Moment(), nullable=True),
        sa.Column("put_back", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["citizen_id"],
            ["account.citizen_id"],
            name=op.f("fk_account_contact_citizen_id_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_contact")),
    )
    op.create_index(op.f("ix_account_contact_citizen_id"), "account_contact", ["citizen_id"])
    op.create_index(op.f("ix_account_contact_told_until"), "account_contact", ["told_until"])
    op.create_table(
        "account_contact_undo",
        sa.Column("code_index", sa.LargeBinary(), nullable=False),
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("contact_id", sa.String(length=32), nullable=False),
        sa.Column("change", sa.String(length=8), nullable=False),
        sa.Column("ends_at", core.database.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["citizen_id"],
            ["account.citizen_id"],
            name=op.f("fk_account_contact_undo_citizen_id_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("code_index", name=op.f("pk_account_contact_undo")),
    )
    op.create_index(op.f("ix_account_contact_undo_citizen_id"), "account_contact_undo", ["citizen_id"])
    op.create_index(op.f("ix_account_contact_undo_ends_at"), "account_contact_undo", ["ends_at"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("account_contact_undo")
    op.drop_table("account_contact")
