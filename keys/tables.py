"""Tables of wrapped data keys and signing keys; private to this package."""

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
