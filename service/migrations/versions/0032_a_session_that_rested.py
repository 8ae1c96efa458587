"""sessions at the highest assurance that were not used for a while: whether one rested."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    rested: sa.Column[bool] = sa.Column("rested", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("browser_session", rested)


def downgrade() -> None:
    """Undo."""
    op.drop_column("browser_session", "rested")
