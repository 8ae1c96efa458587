"""what staff wrote of a citizen when they asked for a second person, under the citizen's key."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0039"
down_revision: str | None = "0038"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    for name in ("whose_sealed", "sealed"):
        column: sa.Column[bytes] = sa.Column(name, sa.LargeBinary(), nullable=True)
        op.add_column("approval", column)


def downgrade() -> None:
    """Undo."""
    for name in ("sealed", "whose_sealed"):
        op.drop_column("approval", name)
