"""passed on tokens: by whom a token was passed on."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("oauth_access_token", sa.Column("act", core.database.Document(), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("oauth_access_token", "act")
