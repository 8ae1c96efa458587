"""cards from a counter that wait, because the account has other ways in."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0037"
down_revision: str | None = "0036"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    held: sa.Column[str] = sa.Column("held_by", sa.String(32), nullable=False, server_default="")
    op.add_column("account_card", held)


def downgrade() -> None:
    """Undo."""
    op.drop_column("account_card", "held_by")
