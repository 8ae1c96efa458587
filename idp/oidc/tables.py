"""Tables of clients, interactions, authorizations and their tokens; private to this package."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from core.database import Base, Document, Moment

client = Table(
    "oauth_client",
    Base.metadata,
    Column("client_id", String(128), primary_key=True),
    Column("agency", String(64), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("secret_hash", String(64)),
    Column("sealed_secret", LargeBinary),  # only where the secret itself signs (client_secret_jwt)
    Column("registration_token_hash", String(64)),  # RFC 7592
    Column("registration", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
)

# Initial access tokens: who may register how many clients of which agency (RFC 7591, section 3).
invitation = Table(
    "oauth_invitation",
    Base.metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("id", String(16), nullable=False, unique=True),
    Column("agency", String(64), nullable=False),
    Column("sign_in_purpose", String(64), nullable=False),
    Column("purposes", Document, nullable=False),
    Column("scopes", Document, nullable=False),
    Column("uses", Integer, nullable=False),  # how many are left
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

# One person's way through sign-in and consent for one authorization request.
interaction = Table(
    "oauth_interaction",
    Base.metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("client_id", String(128), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the request: it may name the person
    Column("pushed", String(64)),  # the stored request that it came as
    Column("signed", Boolean, nullable=False),
    Column("device", String(64)),  # the device that waits for what comes of it (RFC 8628)
    Column("progress", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

# A request that a client pushed, until it is answered (RFC 9126).
pushed_request = Table(
    "oauth_pushed_request",
    Base.metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("client_id", String(128), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # it may name the person
    Column("signed", Boolean, nullable=False),
    Column("expires_at", Moment, nullable=False),  # it can begin a sign-in until then
    Column("kept_until", Moment, nullable=False, index=True),  # and end one until then
)

# The family: everything that came of one authorization ends by one update of its row.
authorization = Table(
    "oauth_authorization",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    Column("client_id", String(128), nullable=False),
    Column("citizen", String(64), nullable=False, index=True),
    Column("sid", String(32), nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("attributes", Document, nullable=False),
    Column("resources", Document, nullable=False),
    Column("nonce", Text),
    Column("acr", String(64), nullable=False),
    Column("amr", Document, nullable=False),
    Column("auth_time", Moment, nullable=False),
    Column("offline", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
    Column("refresh_until", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("ended_by", String(16)),
    Column("details", Document, nullable=False),  # authorization_details as asked (RFC 9396)
    Column("grant_id", String(32), index=True),  # the handle it was issued under
    # Who signed in, where they act for the citizen; under which mandate, and until when that lasts.
    Column("actor", String(64), index=True),
    Column("mandate", String(32), index=True),
    Column("acting_until", Moment),
)

# What a client calls a grant: a handle that may cover several of a citizen's decisions.
handle = Table(
    "oauth_grant",
    Base.metadata,
    Column("grant_id", String(32), primary_key=True),
    Column("client_id", String(128), nullable=False),
    Column("citizen", String(64), nullable=False),
    Column("scope", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("ended_at", Moment, index=True),
    Index("ix_oauth_grant_citizen_client_id", "citizen", "client_id"),
)

handle_part = Table(
    "oauth_grant_part",
    Base.metadata,
    Column("grant_id", String(32), ForeignKey("oauth_grant.grant_id", ondelete="CASCADE"), primary_key=True),
    Column("consent_id", String(32), primary_key=True, index=True),  # the decision's own ID
)


def _family() -> ForeignKey:
    return ForeignKey("oauth_authorization.id", ondelete="CASCADE")


authorization_grant = Table(
    "oauth_authorization_grant",
    Base.metadata,
    Column("authorization_id", String(32), _family(), primary_key=True),
    Column("grant_id", String(32), primary_key=True, index=True),
)

code = Table(
    "oauth_code",
    Base.metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("authorization_id", String(32), _family(), nullable=False, index=True),
    Column("client_id", String(128), nullable=False),
    Column("redirect_uri", Text),  # as it was sent; empty if it was left out
    Column("challenge", String(128)),
    Column("cnf", Document),  # the key that must redeem it (RFC 9449, section 10)
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

# A device without a browser that asked to sign in (RFC 8628).
device = Table(
    "oauth_device",
    Base.metadata,
    Column("device_hash", String(64), primary_key=True),
    Column("user_hash", String(64), nullable=False, unique=True),  # keyed: a user code is short
    Column("client_id", String(128), nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the request
    Column("challenge", String(128)),
    Column("wait_seconds", Integer, nullable=False),  # between two polls; grows where they come too soon
    Column("polled_at", Moment),
    Column("state", String(16), nullable=False),  # waiting, approved or refused
    Column("authorization_id", String(32), _family(), index=True),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("used_at", Moment),
)

access_token = Table(
    "oauth_access_token",
    Base.metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("authorization_id", String(32), _family(), index=True),  # none: the client's own token
    Column("client_id", String(128), nullable=False),
    Column("scope", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("offline", Boolean, nullable=False),  # came of a refresh token with offline access
    Column("cnf", Document),  # the key or certificate it is bound to (RFC 7800; RFC 8705; RFC 9449)
    Column("act", Document),  # by whom it was passed on (RFC 8693, section 4.1)
    Column("issued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)

refresh_token = Table(
    "oauth_refresh_token",
    Base.metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("authorization_id", String(32), _family(), nullable=False, index=True),
    Column("scope", Text, nullable=False),
    Column("cnf", Document),
    Column("issued_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("used_at", Moment),
)

# Clients that are to hear that a session ended, or every session of a citizen (Back-Channel Logout).
logout_notice = Table(
    "oauth_logout_notice",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    Column("client_id", String(128), nullable=False),
    Column("citizen", String(64), nullable=False),
    Column("sid", String(32), nullable=False),  # empty: every session
    Column("state", String(16), nullable=False),  # waiting, taken or given-up
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("settled_at", Moment, index=True),
    Index("ix_oauth_logout_notice_state_due_at", "state", "due_at"),
)

# What may be used once and was.
seen = Table(
    "oauth_seen",
    Base.metadata,
    Column("kind", String(16), primary_key=True),
    Column("key_hash", String(64), primary_key=True),
    Column("expires_at", Moment, nullable=False, index=True),
)

# A private company knows a citizen by an ID of its own; this leads back from it.
pairwise_subject = Table(
    "oauth_pairwise_subject",
    Base.metadata,
    Column("sub", String(64), primary_key=True),
    Column("agency", String(64), nullable=False),
    Column("citizen", String(64), nullable=False, index=True),
)
