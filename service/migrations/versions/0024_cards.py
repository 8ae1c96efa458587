"""cards: printed ones with a PIN, how they are made at a counter, and the pads on desks."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "account_card",
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("number_index", sa.LargeBinary(), nullable=False),
        sa.Column("block_index", sa.LargeBinary(), nullable=False),
        sa.Column("tail", sa.String(length=4), nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("pin_verifier", sa.String(length=256), nullable=False),
        sa.Column("pin_tries", sa.Integer(), nullable=False),
        sa.Column("issued_at", core.database.Moment(), nullable=False),
        sa.Column("blocked_at", core.database.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["citizen_id"],
            ["account.citizen_id"],
            name=op.f("fk_account_card_citizen_id_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("citizen_id", name=op.f("pk_account_card")),
        sa.UniqueConstraint("id", name=op.f("uq_account_card_id")),
        sa.UniqueConstraint("number_index", name=op.f("uq_account_card_number_index")),
    )
    op.create_table(
        "account_card_code",
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code_index", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", core.database.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["citizen_id"],
            ["account_card.citizen_id"],
            name=op.f("fk_account_card_code_citizen_id_account_card"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("citizen_id", "number", name=op.f("pk_account_card_code")),
    )
    op.create_table(
        "card_order",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("clerk", sa.String(length=64), nullable=False),
        sa.Column("office", sa.String(length=128), nullable=False),
        sa.Column("citizen", sa.String(length=16), nullable=False),
        sa.Column("document", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("pin_verifier", sa.String(length=256), nullable=True),
        sa.Column("language", sa.String(length=16), nullable=True),
        sa.Column("expires_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_order")),
    )
    op.create_table(
        "desk_pad",
        sa.Column("code_index", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("clerk", sa.String(length=64), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("proved", sa.Boolean(), nullable=False),
        sa.Column("ends_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("code_index", name=op.f("pk_desk_pad")),
        sa.UniqueConstraint("ref", name=op.f("uq_desk_pad_ref")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_desk_pad_token_hash")),
    )
    with op.batch_alter_table("card_order", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_card_order_expires_at"), ["expires_at"], unique=False)
    with op.batch_alter_table("desk_pad", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_desk_pad_ends_at"), ["ends_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("desk_pad")
    op.drop_table("card_order")
    op.drop_table("account_card_code")
    op.drop_table("account_card")
