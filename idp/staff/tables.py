"""Tables of staff accounts, their passkeys, invitations and open WebAuthn challenges."""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table

from core.database import Base, Moment

staff = Table(
    "staff",
    Base.metadata,
    Column("id", String(16), primary_key=True),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("role", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
)

staff_passkey = Table(
    "staff_passkey",
    Base.metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    Column("staff", String(16), ForeignKey("staff.id"), nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", Integer, nullable=False),
    Column("device_bound", Boolean, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=False),
)

staff_invitation = Table(
    "staff_invitation",
    Base.metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("staff", String(16), ForeignKey("staff.id"), nullable=False, index=True),
    Column("expires_at", Moment, nullable=False),
)

staff_challenge = Table(
    "staff_challenge",
    Base.metadata,
    Column("challenge_hash", String(64), primary_key=True),
    Column("use", String(8), nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)
