"""coming back by mail: who asked, who waits, who wants the counter only, and what a session warns of."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _citizen(table: str) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    return (
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["citizen_id"],
            ["account.citizen_id"],
            name=op.f(f"fk_{table}_citizen_id_account"),
            ondelete="CASCADE",
        ),
    )


def upgrade() -> None:
    """Apply."""
    moment = core.database.Moment()
    op.create_table(
        "reentry_ask",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("seen_to", sa.Boolean(), nullable=False),
        sa.Column("ends_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_reentry_ask")),
    )
    op.create_index(op.f("ix_reentry_ask_ends_at"), "reentry_ask", ["ends_at"])
    op.create_table(
        "reentry_proof",
        sa.Column("code_index", sa.LargeBinary(), nullable=False),
        *_citizen("reentry_proof"),
        sa.Column("ends_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("code_index", name=op.f("pk_reentry_proof")),
    )
    op.create_index(op.f("ix_reentry_proof_citizen_id"), "reentry_proof", ["citizen_id"])
    op.create_index(op.f("ix_reentry_proof_ends_at"), "reentry_proof", ["ends_at"])
    op.create_table(
        "reentry_wait",
        sa.Column("id", sa.String(length=32), nullable=False),
        *_citizen("reentry_wait"),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("stop_index", sa.LargeBinary(), nullable=False),
        sa.Column("stop_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("finish_index", sa.LargeBinary(), nullable=True),
        sa.Column("letters", sa.Integer(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("started_at", core.database.Moment(), nullable=False),
        sa.Column("opens_at", core.database.Moment(), nullable=False),
        sa.Column("closes_at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reentry_wait")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_reentry_wait_token_hash")),
        sa.UniqueConstraint("stop_index", name=op.f("uq_reentry_wait_stop_index")),
    )
    op.create_index(op.f("ix_reentry_wait_citizen_id"), "reentry_wait", ["citizen_id"])
    op.create_index(op.f("ix_reentry_wait_closes_at"), "reentry_wait", ["closes_at"])
    op.create_table(
        "reentry_counter_only",
        *_citizen("reentry_counter_only"),
        sa.Column("since", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("citizen_id", name=op.f("pk_reentry_counter_only")),
    )
    warning = sa.Column("warning", sa.String(length=16), nullable=False, server_default="")
    op.add_column("browser_session", warning)


def downgrade() -> None:
    """Undo."""
    op.drop_column("browser_session", "warning")
    for table in ("reentry_counter_only", "reentry_wait", "reentry_proof", "reentry_ask"):
        op.drop_table(table)
