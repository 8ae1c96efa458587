"""acting by law: on whose word somebody acts for another."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("mandate", sa.Column("ground", sa.String(16), nullable=False, server_default="citizen"))
    op.add_column("mandate", sa.Column("source", sa.String(32), nullable=True))
    op.add_column("mandate", sa.Column("as_of", sa.String(10), nullable=True))


def downgrade() -> None:
    """Undo."""
    for name in ("as_of", "source", "ground"):
        op.drop_column("mandate", name)
