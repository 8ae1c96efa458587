"""disavowals: links that say "this was not me", and which browser a sign-in came from."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "disavowal",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.Column("sid", sa.String(length=32), nullable=False),
        sa.Column("device", sa.String(length=32), nullable=False),
        sa.Column("ends_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_disavowal")),
    )
    with op.batch_alter_table("disavowal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_disavowal_citizen_id"), ["citizen_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_disavowal_ends_at"), ["ends_at"], unique=False)
    with op.batch_alter_table("known_device", schema=None) as batch_op:
        batch_op.add_column(sa.Column("device", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("sid", sa.String(length=32), nullable=True))
        batch_op.create_index(batch_op.f("ix_known_device_device"), ["device"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("known_device", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_known_device_device"))
        batch_op.drop_column("sid")
        batch_op.drop_column("device")
    op.drop_table("disavowal")
