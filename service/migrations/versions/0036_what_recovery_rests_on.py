"""what recovery rests on: at which assurance codes were made, and addresses without a say or from before a new letter."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0036"
down_revision: str | None = "0035"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
LOW = "urn:erti:loa:low"  # nobody knows any more with how much the codes of before were made


def _no(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())


def upgrade() -> None:
    """Apply."""
    bound: sa.Column[str] = sa.Column("bound_acr", sa.String(64), nullable=False, server_default=LOW)
    op.add_column("account_recovery_code", bound)
    for name in ("taken_back", "doubted"):
        op.add_column("account_contact", _no(name))


def downgrade() -> None:
    """Undo."""
    for name in ("doubted", "taken_back"):
        op.drop_column("account_contact", name)
    op.drop_column("account_recovery_code", "bound_acr")
