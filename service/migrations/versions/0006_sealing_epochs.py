"""which epoch wraps, which only unwraps, which is gone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0006"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The epochs that keys are wrapped by, from when the first of them was: the highest goes on, the others only unwrap.
KNOWN = """
INSERT INTO key_epoch (number, state, begun_at)
SELECT epoch, 'closed', min(created_at) FROM
  (SELECT epoch, created_at FROM data_key UNION ALL SELECT epoch, created_at FROM signing_key) AS found
GROUP BY epoch
"""
NEWEST = "UPDATE key_epoch SET state = 'open' WHERE number = (SELECT max(number) FROM key_epoch)"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "key_epoch",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("begun_at", core.database.Moment(), nullable=False),
        sa.Column("closed_at", core.database.Moment(), nullable=True),
        sa.Column("destroyed_at", core.database.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_key_epoch")),
    )
    op.execute(KNOWN)
    op.execute(NEWEST)


def downgrade() -> None:
    """Undo."""
    op.drop_table("key_epoch")
