"""letters from a counter that wait, because the account is in use."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0038"
down_revision: str | None = "0037"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    begins: sa.Column[object] = sa.Column("begins_at", core.database.Moment(), nullable=True)
    op.add_column("activation_code", begins)


def downgrade() -> None:
    """Undo."""
    op.drop_column("activation_code", "begins_at")
