"""who was seen and with what: how people were proofed, and what is known of their passkeys."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply. Whoever has an account by now got its code at a counter."""
    op.add_column("account", sa.Column("proofing", sa.String(24), nullable=False, server_default="counter"))
    op.add_column("account", sa.Column("proofed_at", core.database.Moment(), nullable=True))
    op.add_column("account_passkey", sa.Column("aaguid", sa.String(36), nullable=False, server_default=""))
    op.add_column(
        "account_passkey",
        sa.Column("transports", core.database.Document(), nullable=False, server_default="[]"),
    )
    op.add_column(
        "account_passkey", sa.Column("attested", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("account_passkey", sa.Column("suspected_at", core.database.Moment(), nullable=True))


def downgrade() -> None:
    """Undo."""
    for name in ("suspected_at", "attested", "transports", "aaguid"):
        op.drop_column("account_passkey", name)
    for name in ("proofed_at", "proofing"):
        op.drop_column("account", name)
