"""what a recovery code sets up: bound in what it reaches, and held back for a time."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
SUBSTANTIAL = "urn:erti:loa:substantial"
RECOVERY = ["otp"]


def upgrade() -> None:
    """Apply. Whoever is in with a recovery code alone may only repair the account from now on."""
    for table in ("account_passkey", "account_totp"):
        held_by = sa.Column("held_by", sa.String(length=32), nullable=False, server_default="")
        op.add_column(table, held_by)
    bound = sa.Column("bound_acr", sa.String(length=64), nullable=False, server_default=SUBSTANTIAL)
    op.add_column("account_totp", bound)
    op.create_table(
        "account_holding",
        sa.Column("citizen_id", sa.String(length=16), nullable=False),
        sa.Column("letters", sa.Integer(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("ends_at", core.database.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["citizen_id"],
            ["account.citizen_id"],
            name=op.f("fk_account_holding_citizen_id_account"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("citizen_id", name=op.f("pk_account_holding")),
    )
    session = sa.table(
        "browser_session",
        sa.column("id_hash", sa.String),
        sa.column("kind", sa.String),
        sa.column("amr", core.database.Document()),
    )
    if op.get_context().as_sql:
        return
    of_citizens = sa.select(session.c.id_hash, session.c.amr).where(session.c.kind == "citizen")
    for row in op.get_bind().execute(of_citizens).all():
        if row.amr == RECOVERY:
            op.execute(sa.update(session).where(session.c.id_hash == row.id_hash).values(kind="repair"))


def downgrade() -> None:
    """Undo. What is held back goes, and sessions that may only repair end: the old code would let them do all."""
    session = sa.table("browser_session", sa.column("kind", sa.String))
    op.execute(sa.delete(session).where(session.c.kind == "repair"))
    for name in ("account_passkey", "account_totp"):
        table = sa.table(name, sa.column("held_by", sa.String))
        op.execute(sa.delete(table).where(table.c.held_by != ""))
    op.drop_table("account_holding")
    op.drop_column("account_totp", "bound_acr")
    for name in ("account_passkey", "account_totp"):
        op.drop_column(name, "held_by")
