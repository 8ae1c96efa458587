"""former names: the name before a register changed it, until its owner has read of it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "former_name",
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("as_of", sa.String(length=10), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["citizen_id"], ["person.citizen_id"], name=op.f("fk_former_name_citizen_id_person")
        ),
        sa.PrimaryKeyConstraint("citizen_id", name=op.f("pk_former_name")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("former_name")
