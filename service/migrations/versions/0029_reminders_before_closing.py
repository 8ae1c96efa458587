"""reminders before an account closes: whether one was sent."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    reminded: sa.Column[bool] = sa.Column("reminded", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("account_lock", reminded)


def downgrade() -> None:
    """Undo."""
    op.drop_column("account_lock", "reminded")
