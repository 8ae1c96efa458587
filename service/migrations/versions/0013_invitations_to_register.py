"""invitations to register: who may register how many clients of which agency."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "oauth_invitation",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("sign_in_purpose", sa.String(length=64), nullable=False),
        sa.Column("purposes", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("created_at", core.database.Moment(), nullable=False),
        sa.Column("expires_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_oauth_invitation")),
        sa.UniqueConstraint("id", name=op.f("uq_oauth_invitation_id")),
    )
    with op.batch_alter_table("oauth_invitation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_oauth_invitation_expires_at"), ["expires_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("oauth_invitation")
