"""pushed requests: what clients said in advance, and how each stored request came."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "oauth_pushed_request",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("expires_at", core.database.Moment(), nullable=False),
        sa.Column("kept_until", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_oauth_pushed_request")),
    )
    with op.batch_alter_table("oauth_pushed_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_oauth_pushed_request_kept_until"), ["kept_until"], unique=False)
    op.add_column("oauth_interaction", sa.Column("pushed", sa.String(length=64), nullable=True))
    op.add_column(
        "oauth_interaction", sa.Column("signed", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    with op.batch_alter_table("oauth_interaction", schema=None) as batch_op:
        batch_op.alter_column("signed", server_default=None)


def downgrade() -> None:
    """Undo."""
    op.drop_column("oauth_interaction", "signed")
    op.drop_column("oauth_interaction", "pushed")
    op.drop_table("oauth_pushed_request")
