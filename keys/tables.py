"""Tables of wrapped data keys, signing keys and the epochs that wrap them; private to this package."""

from sqlalchemy import Column, Integer, LargeBinary, String, Table

from core.database import Base, Document, Moment

data_key = Table(
    "data_key",
    Base.metadata,
    Column("owner", String(128), primary_key=True),
    Column("scope", String(64), primary_key=True),
    Column("epoch", Integer, nullable=False, index=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)

signing_key = Table(
    "signing_key",
    Base.metadata,
    Column("kid", String(64), primary_key=True),
    Column("alg", String(16), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("public", Document, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("wrapped", LargeBinary),  # gone once the key is retired
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

# What wraps is on custody; here stands which epoch may wrap (open), which only unwraps (closed), and which is gone.
key_epoch = Table(
    "key_epoch",
    Base.metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("destroyed_at", Moment),
)
