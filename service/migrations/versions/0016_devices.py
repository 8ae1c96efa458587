"""devices: those without a browser that ask to sign in."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "oauth_device",
        sa.Column("device_hash", sa.String(length=64), nullable=False),
        sa.Column("user_hash", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("challenge", sa.String(length=128), nullable=True),
        sa.Column("wait_seconds", sa.Integer(), nullable=False),
        sa.Column("polled_at", core.database.Moment(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("authorization_id", sa.String(length=32), nullable=True),
        sa.Column("expires_at", core.database.Moment(), nullable=False),
        sa.Column("used_at", core.database.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["authorization_id"],
            ["oauth_authorization.id"],
            name=op.f("fk_oauth_device_authorization_id_oauth_authorization"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("device_hash", name=op.f("pk_oauth_device")),
        sa.UniqueConstraint("user_hash", name=op.f("uq_oauth_device_user_hash")),
    )
    with op.batch_alter_table("oauth_device", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_oauth_device_authorization_id"), ["authorization_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_oauth_device_expires_at"), ["expires_at"], unique=False)
    op.add_column("oauth_interaction", sa.Column("device", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("oauth_interaction", "device")
    op.drop_table("oauth_device")
