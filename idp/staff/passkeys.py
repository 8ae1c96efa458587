"""Staff passkeys: made once with an invitation, asked at every sign-in, always with user verification."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import parse_authentication_credential_json as parse_answer
from webauthn.helpers import parse_client_data_json
from webauthn.helpers import parse_registration_credential_json as parse_new
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from core import clock
from core.database import parts
from core.events import Actor, record
from core.settings import Settings
from idp.login.ceremony import MALFORMED
from idp.staff import accounts
from idp.staff.accounts import Member
from idp.staff.errors import PasskeyRefused
from idp.staff.events import StaffJoined, StaffSignedIn
from idp.staff.tables import staff_challenge, staff_passkey

CHALLENGE_LASTS = timedelta(minutes=10)
MOMENT_BYTES, NONCE_BYTES = 8, 24
DEVICE_BOUND = "single_device"
REQUIRED = UserVerificationRequirement.REQUIRED


@dataclass(frozen=True)
class SignedIn:
    """Who a passkey belongs to, and whether it cannot leave its device."""

    member: Member
    device_bound: bool


def options_to_join(db: Session, member: Member) -> str:
    """Return WebAuthn creation options (JSON) for an invited person, with a challenge that works once."""
    settings = parts(db).settings
    return options_to_json(
        generate_registration_options(
            rp_id=settings.host,
            rp_name="Erti",
            user_id=hashlib.sha256(f"staff {member.id}".encode()).digest(),
            user_name=member.name,
            challenge=_challenge(db, "join"),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=REQUIRED
            ),
        )
    )


def options_to_sign_in(db: Session) -> str:
    """Return WebAuthn request options (JSON) that name nobody: the passkey says who it is."""
    return options_to_json(
        generate_authentication_options(
            rp_id=parts(db).settings.host, challenge=_challenge(db, "login"), user_verification=REQUIRED
        )
    )


def join(db: Session, token: str, credential: str) -> SignedIn:
    """Take an invited person's new passkey and make them active (WebAuthn level 3, section 7.1).

    Establishes: 1. the invitation is live and used only here; 2. the challenge is ours, unused and
    made for joining; 3. origin and RP ID are ours, and no foreign frame is around; 4. the user was verified.
    Raises InvitationSpent or PasskeyRefused; both undo everything.
    """
    settings = parts(db).settings
    member = accounts.accept(db, token)
    try:
        answer = parse_new(credential)
        proof = verify_registration_response(
            credential=answer,
            expected_challenge=_spend(db, answer.response.client_data_json, "join"),
            expected_rp_id=settings.host,
            expected_origin=settings.issuer,
            require_user_verification=True,
        )
    except MALFORMED as error:
        raise PasskeyRefused(detail=f"{type(error).__name__}: {error}") from error
    known = select(staff_passkey.c.staff).where(staff_passkey.c.credential_id == proof.credential_id)
    if db.execute(known).first():
        raise PasskeyRefused(detail="credential ID is taken")
    device_bound = proof.credential_device_type == DEVICE_BOUND
    at = clock.now()
    db.execute(
        insert(staff_passkey).values(
            credential_id=proof.credential_id,
            staff=member.id,
            public_key=proof.credential_public_key,
            sign_count=proof.sign_count,
            device_bound=device_bound,
            added_at=at,
            used_at=at,
        )
    )
    joined = StaffJoined(staff=member.id, role=member.role, device_bound=device_bound)
    record(db, joined, actor=Actor("staff", member.id))
    return SignedIn(member, device_bound)


def sign_in(db: Session, credential: str) -> SignedIn:
    """Check a passkey's answer and return whose it is (WebAuthn level 3, section 7.2).

    Establishes: 1. the passkey is one of ours; 2. the challenge is ours, unused and made for signing
    in; 3. origin, frame, RP ID and signature; 4. the user was verified; 5. the counter did not go back; 6. what
    stayed on its device still does; 7. the member is active. Raises PasskeyRefused, the same for all.
    """
    settings: Settings = parts(db).settings
    try:
        answer = parse_answer(credential)
        row = db.execute(select(staff_passkey).where(staff_passkey.c.credential_id == answer.raw_id)).first()
        if row is None:
            raise PasskeyRefused(detail="unknown credential")
        proof = verify_authentication_response(
            credential=answer,
            expected_challenge=_spend(db, answer.response.client_data_json, "login"),
            expected_rp_id=settings.host,
            expected_origin=settings.issuer,
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except MALFORMED as error:
        raise PasskeyRefused(detail=f"{type(error).__name__}: {error}") from error
    if (proof.credential_device_type == DEVICE_BOUND) != row.device_bound:
        raise PasskeyRefused(detail="backup eligibility is another than when it was made")
    member = accounts.find(db, row.staff)
    if member is None or member.state != "active":
        raise PasskeyRefused(detail="not active")
    db.execute(
        update(staff_passkey)
        .where(staff_passkey.c.credential_id == row.credential_id)
        .values(sign_count=proof.new_sign_count, used_at=clock.now())
    )
    record(db, StaffSignedIn(staff=member.id), actor=Actor("staff", member.id))
    return SignedIn(member, row.device_bound)


def _challenge(db: Session, use: str) -> bytes:
    """Return a challenge that says by itself for what and until when it is ours: whoever opens a page writes nothing."""
    ends = int((clock.now() + CHALLENGE_LASTS).timestamp())
    said = ends.to_bytes(MOMENT_BYTES) + secrets.token_bytes(NONCE_BYTES)
    return said + _mark(db, use, said)


def _spend(db: Session, client_data: bytes, use: str) -> bytes:
    """Return the challenge an answer was made for, writing down that it was used; raises PasskeyRefused."""
    said = parse_client_data_json(client_data)
    if said.cross_origin:
        raise PasskeyRefused(detail="answered in a foreign frame")
    challenge, at = said.challenge, clock.now()
    body, mark = challenge[: MOMENT_BYTES + NONCE_BYTES], challenge[MOMENT_BYTES + NONCE_BYTES :]
    ends = int.from_bytes(body[:MOMENT_BYTES])
    if not hmac.compare_digest(mark, _mark(db, use, body)) or ends <= at.timestamp():
        raise PasskeyRefused(detail="challenge unknown or expired")
    db.execute(delete(staff_challenge).where(staff_challenge.c.expires_at <= at))
    used = hashlib.sha256(challenge).hexdigest()
    try:
        db.execute(
            insert(staff_challenge).values(challenge_hash=used, use=use, expires_at=at + CHALLENGE_LASTS)
        )
    except IntegrityError as error:
        raise PasskeyRefused(detail="challenge used") from error
    return challenge


def _mark(db: Session, use: str, said: bytes) -> bytes:
    key: bytes = parts(db).keys.secret("staff challenge")
    return hmac.digest(key, use.encode() + b"\x00" + said, "sha256")
