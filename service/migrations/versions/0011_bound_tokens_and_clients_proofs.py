"""bound tokens and clients' proofs: what tokens are bound to, what was used once, secrets that sign."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("oauth_client", sa.Column("sealed_secret", sa.LargeBinary(), nullable=True))
    op.add_column("oauth_client", sa.Column("registration_token_hash", sa.String(length=64), nullable=True))
    for table in ("oauth_code", "oauth_access_token", "oauth_refresh_token"):
        op.add_column(table, sa.Column("cnf", sa.JSON(), nullable=True))
    op.create_table(
        "oauth_seen",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key_hash", name=op.f("pk_oauth_seen")),
    )
    with op.batch_alter_table("oauth_seen", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_oauth_seen_expires_at"), ["expires_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("oauth_seen")
    for table in ("oauth_refresh_token", "oauth_access_token", "oauth_code"):
        op.drop_column(table, "cnf")
    op.drop_column("oauth_client", "registration_token_hash")
    op.drop_column("oauth_client", "sealed_secret")
