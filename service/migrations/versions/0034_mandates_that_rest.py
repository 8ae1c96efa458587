"""mandates: whether one rests, and why it ended."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0034"
down_revision: str | None = "0033"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    rests: sa.Column[bool] = sa.Column("rests", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("mandate", sa.Column("reason", sa.String(16)))
    op.add_column("mandate", rests)


def downgrade() -> None:
    """Undo."""
    op.drop_column("mandate", "rests")
    op.drop_column("mandate", "reason")
