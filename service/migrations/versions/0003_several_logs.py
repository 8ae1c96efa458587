"""several logs, and the citizen map."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# What each table's primary key was; from now on the number of the log stands before it.
KEYS = {
    "ledger_entry": ["leaf_index"],
    "ledger_subject": ["chain"],
    "ledger_node": ["level", "number"],
    "ledger_checkpoint": ["size"],
}


def upgrade() -> None:
    """Apply: what is there becomes log 1."""
    for table, key in KEYS.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("log", sa.Integer(), nullable=False, server_default="1"))
            batch_op.drop_constraint(f"pk_{table}", type_="primary")
            batch_op.create_primary_key(f"pk_{table}", ["log", *key])
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column("log", existing_type=sa.Integer(), server_default=None)
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.drop_constraint("uq_ledger_entry_label_seq", type_="unique")
        batch_op.drop_constraint("uq_ledger_entry_label_event_id", type_="unique")
        batch_op.create_unique_constraint("uq_ledger_entry_label_log_seq", ["label", "log", "seq"])
        batch_op.create_unique_constraint("uq_ledger_entry_label_log_event_id", ["label", "log", "event_id"])
    with op.batch_alter_table("ledger_subject", schema=None) as batch_op:
        batch_op.drop_constraint("uq_ledger_subject_label", type_="unique")
        batch_op.create_unique_constraint("uq_ledger_subject_log_label", ["log", "label"])
    with op.batch_alter_table("ledger_request", schema=None) as batch_op:
        batch_op.add_column(sa.Column("log", sa.Integer(), nullable=False, server_default="1"))
    with op.batch_alter_table("ledger_request", schema=None) as batch_op:
        batch_op.alter_column("log", existing_type=sa.Integer(), server_default=None)
    _heads()
    op.create_table(
        "ledger_map",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("root_index", sa.BigInteger(), nullable=True),
        sa.Column("tree_root", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_ledger_map")),
    )
    op.create_table(
        "ledger_map_leaf",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("page", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", sa.LargeBinary(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "page", "label", name=op.f("pk_ledger_map_leaf")),
    )
    op.create_table(
        "ledger_map_node",
        sa.Column("log", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("depth", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chains", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "depth", "number", name=op.f("pk_ledger_map_node")),
    )


def _heads() -> None:
    connection = op.get_bind()
    leaf0 = connection.scalar(sa.text("SELECT payload FROM ledger_entry WHERE leaf_index = 0"))
    origin = json.loads(bytes(leaf0))["origin"] if leaf0 else ""
    with op.batch_alter_table("ledger_head", schema=None) as batch_op:
        batch_op.alter_column(
            "id", new_column_name="log", existing_type=sa.Integer(), existing_nullable=False
        )
        batch_op.add_column(sa.Column("kind", sa.String(16), nullable=True))
        batch_op.add_column(sa.Column("origin", sa.String(255), nullable=True))
        batch_op.add_column(sa.Column("frozen", sa.Boolean(), nullable=True))
    # A head without a leaf 0 is of a ledger that was never opened; opening it makes the row anew.
    connection.execute(sa.text("DELETE FROM ledger_head WHERE size = 0"))
    connection.execute(
        sa.text("UPDATE ledger_head SET kind = 'open', origin = :origin, frozen = :no"),
        {"origin": origin, "no": False},
    )
    with op.batch_alter_table("ledger_head", schema=None) as batch_op:
        batch_op.alter_column("kind", existing_type=sa.String(16), nullable=False)
        batch_op.alter_column("origin", existing_type=sa.String(255), nullable=False)
        batch_op.alter_column("frozen", existing_type=sa.Boolean(), nullable=False)
        batch_op.create_unique_constraint("uq_ledger_head_origin", ["origin"])


def downgrade() -> None:
    """Undo; only while there is one log, since what others hold would be lost."""
    if op.get_bind().scalar(sa.text("SELECT max(log) FROM ledger_head")) not in (None, 1):
        raise RuntimeError("there are several logs: they cannot be put back into tables that hold one")
    for table in ("ledger_map_node", "ledger_map_leaf", "ledger_map"):
        op.drop_table(table)
    with op.batch_alter_table("ledger_head", schema=None) as batch_op:
        batch_op.drop_constraint("uq_ledger_head_origin", type_="unique")
        for column in ("kind", "origin", "frozen"):
            batch_op.drop_column(column)
        batch_op.alter_column(
            "log", new_column_name="id", existing_type=sa.Integer(), existing_nullable=False
        )
    with op.batch_alter_table("ledger_request", schema=None) as batch_op:
        batch_op.drop_column("log")
    with op.batch_alter_table("ledger_entry", schema=None) as batch_op:
        batch_op.drop_constraint("uq_ledger_entry_label_log_seq", type_="unique")
        batch_op.drop_constraint("uq_ledger_entry_label_log_event_id", type_="unique")
        batch_op.create_unique_constraint("uq_ledger_entry_label_seq", ["label", "seq"])
        batch_op.create_unique_constraint("uq_ledger_entry_label_event_id", ["label", "event_id"])
    with op.batch_alter_table("ledger_subject", schema=None) as batch_op:
        batch_op.drop_constraint("uq_ledger_subject_log_label", type_="unique")
        batch_op.create_unique_constraint("uq_ledger_subject_label", ["label"])
    for table, key in KEYS.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_constraint(f"pk_{table}", type_="primary")
            batch_op.drop_column("log")
            batch_op.create_primary_key(f"pk_{table}", key)
