"""mandates, sittings at desks, and which tokens came of offline access."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "mandate",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("giver", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("agencies", core.database.Document(), nullable=False),
        sa.Column("purposes", core.database.Document(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("offered_at", core.database.Moment(), nullable=False),
        sa.Column("answered_at", core.database.Moment(), nullable=True),
        sa.Column("expires_at", core.database.Moment(), nullable=False),
        sa.Column("ended_at", core.database.Moment(), nullable=True),
        sa.Column("ended_by", sa.String(length=16), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandate")),
    )
    for column in ("giver", "holder", "expires_at"):
        op.create_index(op.f(f"ix_mandate_{column}"), "mandate", [column], unique=False)
    op.create_table(
        "desk_sitting",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("clerk", sa.String(length=64), nullable=False),
        sa.Column("office", sa.String(length=120), nullable=False),
        sa.Column("citizen", sa.String(length=64), nullable=False),
        sa.Column("agency", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("purpose_version", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("agreed", core.database.Document(), nullable=False),
        sa.Column("acr", sa.String(length=64), nullable=True),
        sa.Column("wrong_codes", sa.Integer(), nullable=False),
        sa.Column("opened_at", core.database.Moment(), nullable=False),
        sa.Column("answered_at", core.database.Moment(), nullable=True),
        sa.Column("expires_at", core.database.Moment(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_sitting")),
    )
    for column in ("clerk", "citizen", "expires_at"):
        op.create_index(op.f(f"ix_desk_sitting_{column}"), "desk_sitting", [column], unique=False)
    with op.batch_alter_table("oauth_access_token", schema=None) as batch_op:
        batch_op.add_column(sa.Column("offline", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("oauth_access_token", schema=None) as batch_op:
        batch_op.drop_column("offline")
    op.drop_table("desk_sitting")
    op.drop_table("mandate")
