"""which passkeys were offered with a challenge, and letters that never arrived."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("passkey_challenge", sa.Column("allowed", sa.JSON(), nullable=True))
    op.create_table(
        "mail_undelivered",
        sa.Column("id", core.database.BigKey, autoincrement=True, nullable=False),
        sa.Column("notice", sa.String(length=32), nullable=False),
        sa.Column("given_up_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mail_undelivered_given_up_at", "mail_undelivered", ["given_up_at"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_mail_undelivered_given_up_at", "mail_undelivered")
    op.drop_table("mail_undelivered")
    op.drop_column("passkey_challenge", "allowed")
