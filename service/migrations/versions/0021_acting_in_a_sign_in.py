"""acting in a sign-in: who signed in for whom, and under which mandate."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("oauth_authorization", sa.Column("actor", sa.String(64), nullable=True))
    op.add_column("oauth_authorization", sa.Column("mandate", sa.String(32), nullable=True))
    op.add_column("oauth_authorization", sa.Column("acting_until", core.database.Moment(), nullable=True))
    for name in ("actor", "mandate"):
        op.create_index(f"ix_oauth_authorization_{name}", "oauth_authorization", [name])


def downgrade() -> None:
    """Undo."""
    for name in ("actor", "mandate"):
        op.drop_index(f"ix_oauth_authorization_{name}", "oauth_authorization")
    for name in ("acting_until", "mandate", "actor"):
        op.drop_column("oauth_authorization", name)
