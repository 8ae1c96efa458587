"""Tables of citizens' accounts, their ways of signing in, and what waits between two steps of a flow."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table, false

from consent.assurance import LEVELS
from core.database import Base, BigKey, Document, Moment

CITIZEN = 16

account = Table(
    "account",
    Base.metadata,
    Column("citizen_id", String(CITIZEN), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("locks", Document, nullable=False),  # the reasons for which it is locked
    Column("handle", LargeBinary, nullable=False, unique=True),  # WebAuthn user handle: random, says nothing
    Column("name_sealed", LargeBinary),
    Column("name_index", LargeBinary, unique=True),
    Column("name_shape", LargeBinary, unique=True),  # the same for all names that look alike
    Column("language", String(16), nullable=False),
    Column("activated_at", Moment, nullable=False),
    Column("proofing", String(24), nullable=False, server_default="counter"),  # how it was seen who this is
    Column("proofed_at", Moment),
)


def _owner(*, primary: bool = False) -> Column[str]:
    return Column(
        "citizen_id",
        String(CITIZEN),
        ForeignKey("account.citizen_id", ondelete="CASCADE"),
        primary_key=primary,
        nullable=False,
        index=not primary,
    )


# What else is known about a lock that stands in `account.locks`.
account_lock = Table(
    "account_lock",
    Base.metadata,
    _owner(primary=True),
    Column("reason", String(16), primary_key=True),
    Column("since", Moment, nullable=False),
    Column("why_sealed", LargeBinary),
    Column("ends_at", Moment, index=True),  # when it closes for good, or opens again by itself
    Column("reminded", Boolean, nullable=False, server_default=false()),
)

activation_code = Table(
    "activation_code",
    Base.metadata,
    Column("citizen_id", String(CITIZEN), primary_key=True),
    Column("code_index", LargeBinary, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("origin", String(16), nullable=False, server_default="operator"),  # desk: a clerk saw the person
    Column("ended_at", Moment),  # by the link in the letter about it
    Column("firm", Boolean, nullable=False, server_default=false()),  # no such link ends it
    Column("begins_at", Moment),  # one clerk alone made it for an account in use
)

password = Table(
    "account_password",
    Base.metadata,
    _owner(primary=True),
    Column("verifier", String(256), nullable=False),  # argon2id, PHC string format
    Column("changed_at", Moment, nullable=False),
)

totp = Table(
    "account_totp",
    Base.metadata,
    _owner(primary=True),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("bound_acr", String(64), nullable=False, server_default=LEVELS[1]),
    Column(
        "held_by", String(32), nullable=False, server_default=""
    ),  # the session of a recovery code it waits for
    Column("added_at", Moment, nullable=False),
)

# The time for which what was set up after a recovery code alone is held back.
holding = Table(
    "account_holding",
    Base.metadata,
    _owner(primary=True),
    Column("letters", Integer, nullable=False),  # how many e-mails were written to say so
    Column("told", Integer, nullable=False),  # how far the telling has come
    Column("seconds", Integer, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("longer", Boolean, nullable=False, server_default=false()),  # than usual, after an objection
)

# That something which was held back so was stopped as "not me".
objection = Table(
    "account_objection",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    _owner(),
    Column("at", Moment, nullable=False, index=True),
    Column("by_owner", Boolean, nullable=False),  # whoever said so had signed in with two factors
)

recovery_code = Table(
    "account_recovery_code",
    Base.metadata,
    Column("code_index", LargeBinary, primary_key=True),
    _owner(),
    Column("used_at", Moment),
    Column("bound_acr", String(64), nullable=False, server_default=LEVELS[0]),  # at which it was made
)

card = Table(
    "account_card",
    Base.metadata,
    _owner(primary=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("number_index", LargeBinary, nullable=False, unique=True),
    Column("block_index", LargeBinary, nullable=False),
    Column("tail", String(4), nullable=False),  # the number's last digits, to tell cards apart
    Column("origin", String(8), nullable=False),  # desk or self
    Column("pin_verifier", String(256), nullable=False),  # argon2id, PHC string format
    Column("pin_tries", Integer, nullable=False),  # wrong PINs with a right code, since the last right one
    Column("issued_at", Moment, nullable=False),
    Column("blocked_at", Moment),
    Column("held_by", String(32), nullable=False, server_default=""),  # as of `passkey`
)

card_code = Table(
    "account_card_code",
    Base.metadata,
    Column(
        "citizen_id",
        String(CITIZEN),
        ForeignKey("account_card.citizen_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("code_index", LargeBinary, nullable=False),
    Column("used_at", Moment),
)

card_order = Table(
    "card_order",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    Column("clerk", String(64), nullable=False),
    Column("office", String(128), nullable=False),
    Column("citizen", String(CITIZEN), nullable=False),
    Column("document", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("pin_verifier", String(256)),
    Column("language", String(16)),
    Column("expires_at", Moment, nullable=False, index=True),
)

desk_visit = Table(
    "desk_visit",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    Column("clerk", String(64), nullable=False),
    Column("office", String(128), nullable=False),
    Column("citizen", String(CITIZEN), nullable=False),
    Column("document", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("facts_sealed", LargeBinary),  # what the clerk was shown, while the visit lasts
    Column("expires_at", Moment, nullable=False, index=True),
)

pad = Table(
    "desk_pad",
    Base.metadata,
    Column("code_index", LargeBinary, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("ref", String(32), nullable=False, unique=True),
    Column("clerk", String(64), nullable=False),
    Column("token_hash", String(64), unique=True),  # of the one browser that took the code
    Column("proved", Boolean, nullable=False),
    Column("ends_at", Moment, nullable=False, index=True),
)

passkey = Table(
    "account_passkey",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    _owner(),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("device_bound", Boolean, nullable=False),
    Column("bound_acr", String(64), nullable=False),
    Column("held_by", String(32), nullable=False, server_default=""),
    Column("aaguid", String(36), nullable=False, server_default=""),  # the model, as far as it is said
    Column("transports", Document, nullable=False, server_default="[]"),
    Column("attested", Boolean, nullable=False, server_default=false()),  # the model is proven
    Column("suspected_at", Moment),  # its counter went back: there may be a copy
    Column("name_sealed", LargeBinary, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("used_at", Moment, nullable=False),
)

passkey_challenge = Table(
    "passkey_challenge",
    Base.metadata,
    Column("challenge_hash", String(64), primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("browser_hash", String(64), nullable=False),
    Column("return_to", String(2048), nullable=False),
    Column("allowed", Document),  # hashes of the credentials that were offered; NULL if any would do
    Column("ends_at", Moment, nullable=False, index=True),
)

stage = Table(
    "login_stage",
    Base.metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("citizen_id", String(CITIZEN), nullable=False, index=True),
    Column("return_to", String(2048), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("ends_at", Moment, nullable=False, index=True),
)

known_device = Table(
    "known_device",
    Base.metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("citizen_id", String(CITIZEN), primary_key=True, index=True),
    Column("ends_at", Moment, nullable=False, index=True),
    Column("device", String(32), index=True),  # its name, which stays when the token is renewed
    Column("sid", String(32)),  # of its newest sign-in
)

# A link in a letter that says "this was not me"; only its hash is kept, and the row goes when it is used.
disavowal = Table(
    "disavowal",
    Base.metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("citizen_id", String(CITIZEN), nullable=False, index=True),
    Column("what", String(32), nullable=False),
    Column("at", Moment, nullable=False),
    Column("sid", String(32), nullable=False),  # empty where it is not known which browser it was
    Column("device", String(32), nullable=False),
    Column("ends_at", Moment, nullable=False, index=True),
)

outbox = Table(
    "mail_outbox",
    Base.metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("citizen_id", String(CITIZEN), nullable=False, index=True),
    Column("notice", String(32), nullable=False),
    Column("facts", LargeBinary),  # sealed
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment, nullable=False, index=True),
    sqlite_autoincrement=True,
)

# A second official agreed that a child for whom nobody acts gets a letter or card, once.
child_waiver = Table(
    "child_waiver",
    Base.metadata,
    Column("citizen_id", String(CITIZEN), primary_key=True),
    Column("agreed_by", String(16), nullable=False),
    Column("ends_at", Moment, nullable=False, index=True),
)

# Letters and messages that were tried to the last and never taken; whose they were is not kept.
undelivered = Table(
    "mail_undelivered",
    Base.metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("notice", String(32), nullable=False),
    Column("given_up_at", Moment, nullable=False, index=True),
    sqlite_autoincrement=True,
)

# Where a citizen is reached. A row that was removed is told of changes until `told_until`, and then deleted.
contact = Table(
    "account_contact",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    _owner(),
    Column("kind", String(8), nullable=False),  # mail or phone
    Column("address_sealed", LargeBinary, nullable=False),
    Column("checked_at", Moment, nullable=False),
    Column("trusted_from", Moment, nullable=False),  # from then on the account may be regained with it
    Column("told_until", Moment, index=True),  # set: it was removed
    Column("put_back", Boolean, nullable=False),  # its removal was taken back once
    Column("taken_back", Boolean, nullable=False, server_default=false()),  # its addition was: it has no say
    Column(
        "doubted", Boolean, nullable=False, server_default=false()
    ),  # from before a new letter: to be checked again
)

contact_undo = Table(
    "account_contact_undo",
    Base.metadata,
    Column("code_index", LargeBinary, primary_key=True),
    _owner(),
    Column("contact_id", String(32), nullable=False),
    Column("change", String(8), nullable=False),  # added or removed
    Column("ends_at", Moment, nullable=False, index=True),
)

# Somebody who says that they cannot get in any more. Rows of names that are nobody's have no citizen and look the same.
reentry_ask = Table(
    "reentry_ask",
    Base.metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("citizen_id", String(CITIZEN), nullable=False),
    Column("seen_to", Boolean, nullable=False),
    Column("ends_at", Moment, nullable=False, index=True),
)

reentry_proof = Table(
    "reentry_proof",
    Base.metadata,
    Column("code_index", LargeBinary, primary_key=True),
    _owner(),
    Column("ends_at", Moment, nullable=False, index=True),
)

reentry_wait = Table(
    "reentry_wait",
    Base.metadata,
    Column("id", String(32), primary_key=True),
    _owner(),
    Column("state", String(16), nullable=False),  # waiting, stopped, replaced, done or over
    Column("token_hash", String(64), nullable=False, unique=True),  # of the browser that asked
    Column("stop_index", LargeBinary, nullable=False, unique=True),
    Column("stop_sealed", LargeBinary, nullable=False),
    Column("finish_index", LargeBinary),
    Column("letters", Integer, nullable=False),  # how many e-mails were written to say so
    Column("told", Integer, nullable=False),  # how far the telling has come
    Column("seconds", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("opens_at", Moment, nullable=False),
    Column("closes_at", Moment, nullable=False, index=True),
)

counter_only = Table(
    "reentry_counter_only",
    Base.metadata,
    _owner(primary=True),
    Column("since", Moment, nullable=False),
)

# What goes with a citizen who is erased: all that names one by `citizen_id`, save the account itself, which stays empty.
# `card_order` and `desk_visit` stay until they are purged, a day after the quarter of an hour that they last: what
# clerks do is theirs as well, and the closed account and the destroyed key leave nothing to make of them.
OF_SOMEBODY = (
    account_lock,
    activation_code,
    card,
    child_waiver,
    disavowal,
    contact,
    contact_undo,
    counter_only,
    holding,
    known_device,
    objection,
    outbox,
    passkey,
    password,
    recovery_code,
    reentry_ask,
    reentry_proof,
    reentry_wait,
    stage,
    totp,
)
