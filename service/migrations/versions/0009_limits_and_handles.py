"""limits of permissions, their counts, and the grant IDs that clients hold."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

import core.database

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OLD = sa.text("state IN ('given', 'narrowed')")
_LIVE = sa.text("state IN ('given', 'extended', 'narrowed')")
_USED_UP = sa.text("state IN ('given', 'extended', 'narrowed') AND used >= most_reads")
_UNTOLD = sa.text("state = 'invalidating'")
# What was allowed before has no limits; new rows always say theirs.
_COUNTED = (
    ("limits", sa.JSON(), "{}"),
    ("used", sa.Integer(), "0"),
    ("use_window", sa.String(length=16), ""),
    ("used_in_window", sa.Integer(), "0"),
)


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("consent_grant", schema=None) as batch_op:
        batch_op.drop_index("uq_consent_grant_live", sqlite_where=_OLD, postgresql_where=_OLD)
        for name, kind, before in _COUNTED:
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=before))
        batch_op.add_column(sa.Column("most_reads", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("used_at", core.database.Moment(), nullable=True))
    with op.batch_alter_table("consent_grant", schema=None) as batch_op:
        for name, kind, _before in _COUNTED:
            batch_op.alter_column(name, existing_type=kind, existing_nullable=False, server_default=None)
        batch_op.create_index(
            "uq_consent_grant_live",
            ["citizen", "purpose"],
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        )
        for name, where in (("ix_consent_grant_used_up", _USED_UP), ("ix_consent_grant_untold", _UNTOLD)):
            batch_op.create_index(
                name, ["grant_id"], unique=False, sqlite_where=where, postgresql_where=where
            )
    op.create_table(
        "purpose_invalidation",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("staff", sa.String(length=64), nullable=False),
        sa.Column("at", core.database.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purpose_invalidation")),
    )
    with op.batch_alter_table("purpose_invalidation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_purpose_invalidation_purpose"), ["purpose"], unique=False)
    _handles()


def _handles() -> None:
    with op.batch_alter_table("oauth_authorization", schema=None) as batch_op:
        batch_op.add_column(sa.Column("details", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("grant_id", sa.String(length=32), nullable=True))
    with op.batch_alter_table("oauth_authorization", schema=None) as batch_op:
        batch_op.alter_column(
            "details", existing_type=sa.JSON(), existing_nullable=False, server_default=None
        )
        batch_op.create_index(batch_op.f("ix_oauth_authorization_grant_id"), ["grant_id"], unique=False)
    op.create_table(
        "oauth_grant",
        sa.Column("grant_id", sa.String(length=32), nullable=False),
        sa.Column("client_id", sa.String(length=128), nullable=False),
        sa.Column("citizen", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("created_at", core.database.Moment(), nullable=False),
        sa.Column("changed_at", core.database.Moment(), nullable=False),
        sa.Column("ended_at", core.database.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_oauth_grant")),
    )
    with op.batch_alter_table("oauth_grant", schema=None) as batch_op:
        batch_op.create_index("ix_oauth_grant_citizen_client_id", ["citizen", "client_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_oauth_grant_ended_at"), ["ended_at"], unique=False)
    op.create_table(
        "oauth_grant_part",
        sa.Column("grant_id", sa.String(length=32), nullable=False),
        sa.Column("consent_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["grant_id"],
            ["oauth_grant.grant_id"],
            name=op.f("fk_oauth_grant_part_grant_id_oauth_grant"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("grant_id", "consent_id", name=op.f("pk_oauth_grant_part")),
    )
    with op.batch_alter_table("oauth_grant_part", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_oauth_grant_part_consent_id"), ["consent_id"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_table("oauth_grant_part")
    op.drop_table("oauth_grant")
    with op.batch_alter_table("oauth_authorization", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_oauth_authorization_grant_id"))
        batch_op.drop_column("grant_id")
        batch_op.drop_column("details")
    op.drop_table("purpose_invalidation")
    with op.batch_alter_table("consent_grant", schema=None) as batch_op:
        batch_op.drop_index("ix_consent_grant_untold", sqlite_where=_UNTOLD, postgresql_where=_UNTOLD)
        batch_op.drop_index("ix_consent_grant_used_up", sqlite_where=_USED_UP, postgresql_where=_USED_UP)
        batch_op.drop_index("uq_consent_grant_live", sqlite_where=_LIVE, postgresql_where=_LIVE)
        for name in ("limits", "used", "use_window", "used_in_window", "most_reads", "used_at"):
            batch_op.drop_column(name)
        batch_op.create_index(
            "uq_consent_grant_live",
            ["citizen", "purpose"],
            unique=True,
            sqlite_where=_OLD,
            postgresql_where=_OLD,
        )
