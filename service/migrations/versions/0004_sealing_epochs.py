"""sealing epochs, and what was erased."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0004"
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
    op.create_table(
        "ledger_generation",
        sa.Column("chain", sa.String(length=128), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_ledger_generation")),
    )
    op.create_table(
        "ledger_erasure",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("basis", sa.String(length=16), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("ordered_at", core.database.Moment(), nullable=False),
        sa.Column("chain", sa.String(length=128), nullable=True),
        sa.Column("places", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reference", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("actor_kind", sa.String(length=16), nullable=True),
        sa.Column("actor_id", sa.String(length=128), nullable=True),
        sa.Column("erased_at", core.database.Moment(), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_erasure")),
    )
    with op.batch_alter_table("ledger_erasure", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ledger_erasure_state"), ["state"], unique=False)
        batch_op.create_index(batch_op.f("ix_ledger_erasure_chain"), ["chain"], unique=False)
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.add_column(sa.Column("erasure", sa.String(length=24), nullable=True))
    op.execute(KNOWN)
    op.execute(NEWEST)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.drop_column("erasure")
    for table in ("ledger_erasure", "ledger_generation", "key_epoch"):
        op.drop_table(table)
