"""clients to tell of a logout: who is to hear that a session ended."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "oauth_logout_notice",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("citizen", sa.String(length=64), nullable=False),
        sa.Column("sid", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", core.database.Moment(), nullable=False),
        sa.Column("created_at", core.database.Moment(), nullable=False),
        sa.Column("settled_at", core.database.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_logout_notice")),
    )
    with op.batch_alter_table("oauth_logout_notice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_oauth_logout_notice_settled_at"), ["settled_at"], unique=False)
        batch_op.create_index("ix_oauth_logout_notice_state_due_at", ["state", "due_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("oauth_logout_notice")
