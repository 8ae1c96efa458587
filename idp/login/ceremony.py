"""The two WebAuthn ceremonies: challenges that work once in one browser, and what an answer must prove."""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import parse_attestation_object, parse_authenticator_data, parse_client_data_json
from webauthn.helpers import parse_authentication_credential_json as parse_use
from webauthn.helpers import parse_registration_credential_json as parse_new
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorAttachment,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialHint,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from core import clock
from core.database import parts
from idp.login import attestation
from idp.tables import passkey_challenge as table

ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
CHALLENGE_BYTES = 32
TIMEOUT_MILLISECONDS = 300_000
LONGEST_CREDENTIAL_ID = 1023  # WebAuthn level 3, section 7.1, step 25
LONGEST_ANSWER = 32_768
# What the library lets through when an answer is not even shaped like one.
MALFORMED = (
    WebAuthnException,
    InvalidSignature,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RecursionError,
)


@dataclass(frozen=True)
class Rejected:
    """An answer that proves nothing, and why, for the log. Returned, so that its challenge stays spent.

    `stranger`: the credential itself is not known here, so its device can forget it.
    """

    reason: str
    stranger: bool = False


@dataclass(frozen=True)
class Made:
    """A new credential. `proven`: its model (`aaguid`) is one that the settings trust, by its attestation."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    device_bound: bool
    return_to: str
    aaguid: str = ""
    transports: tuple[str, ...] = ()
    proven: bool = False


@dataclass(frozen=True)
class Known:
    """A credential that an authenticator is told about, and how it can be reached."""

    id: bytes
    transports: tuple[str, ...] = ()


@dataclass(frozen=True)
class Held:
    """A credential as it was stored, with the user handle of its owner."""

    public_key: bytes
    sign_count: int
    handle: bytes
    device_bound: bool


@dataclass(frozen=True)
class Used:
    """A credential that just answered. `cloned`: its counter did not go forward."""

    credential_id: bytes
    sign_count: int
    cloned: bool
    return_to: str


def ask_new(
    db: Session,
    *,
    purpose: str,
    browser: str,
    handle: bytes,
    name: str,
    known: Sequence[Known] = (),
    key: bool = False,
) -> str:
    """Return creation options (JSON) for a discoverable, user-verifying passkey (WebAuthn level 3, 5.4).

    `name` is shown by the authenticator; `known` are credentials that need not be made again. `key` asks for a
    security key rather than this device (5.8.7).
    """
    settings = parts(db).settings
    asked = settings.passkey_attestation != attestation.NONE
    return options_to_json(
        generate_registration_options(
            rp_id=settings.host,
            rp_name="Erti",
            user_id=handle,
            user_name=name,
            user_display_name=name,
            challenge=_challenge(db, purpose, browser, ""),
            timeout=TIMEOUT_MILLISECONDS,
            attestation=AttestationConveyancePreference.DIRECT
            if asked
            else AttestationConveyancePreference.NONE,
            hints=[PublicKeyCredentialHint.SECURITY_KEY] if key else None,
            authenticator_selection=AuthenticatorSelectionCriteria(
                authenticator_attachment=AuthenticatorAttachment.CROSS_PLATFORM if key else None,
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_described(known),
            supported_pub_key_algs=ALGORITHMS,
        )
    )


def ask_use(
    db: Session, *, purpose: str, browser: str, return_to: str = "", only: Sequence[Known] = ()
) -> str:
    """Return request options (JSON) that name no credential: the passkey says whose it is (WebAuthn 5.5).

    For somebody who is signed in, `only` names those that would do.
    """
    return options_to_json(
        generate_authentication_options(
            rp_id=parts(db).settings.host,
            challenge=_challenge(db, purpose, browser, return_to, only=[one.id for one in only]),
            timeout=TIMEOUT_MILLISECONDS,
            allow_credentials=_described(only),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


def made(db: Session, answer: str, *, purpose: str, browser: str) -> Made | Rejected:
    """Verify the answer to `ask_new` (WebAuthn level 3, section 7.1).

    Establishes: 1. the challenge is ours, made for this purpose and browser, live, and used up now;
    2. the type is `webauthn.create`; 3. the origin is exactly the issuer's, and not in a foreign frame;
    4. the RP ID hash is ours; 5. user present and verified; 6. the algorithm is one we asked for;
    7. the attestation statement, where there is one, is valid, and whether it proves a trusted model; 8. the
    credential ID has a lawful length.
    """
    settings = parts(db).settings
    try:
        credential = parse_new(_json(answer))
        challenge, return_to, _ = _spend(db, credential.response.client_data_json, purpose, browser)
        proof = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=settings.host,
            expected_origin=settings.issuer,
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
        if len(proof.credential_id) > LONGEST_CREDENTIAL_ID:
            return Rejected("credential ID too long")
    except MALFORMED as error:
        return Rejected(f"{type(error).__name__}: {error}"[:200])
    return Made(
        proof.credential_id,
        proof.credential_public_key,
        proof.sign_count,
        proof.credential_device_type == CredentialDeviceType.SINGLE_DEVICE,
        return_to,
        aaguid=proof.aaguid,
        transports=tuple(sorted({one.value for one in credential.response.transports or ()})),
        proven=attestation.proven(
            attestation.trusted(settings), parse_attestation_object(proof.attestation_object), proof.aaguid
        ),
    )


def used(
    db: Session, answer: str, *, purpose: str, browser: str, find: Callable[[bytes], Held | None]
) -> Used | Rejected:
    """Verify the answer to `ask_use` (WebAuthn level 3, section 7.2).

    Establishes: 1. the challenge is ours, made for this purpose and browser, live, and used up now;
    2. the credential is among those that were offered with it, where some were (step 5), `find` knows it, and the user
    handle is its owner's (step 6); 3. the type is `webauthn.get`; 4. the origin is exactly the issuer's, and not in a foreign frame; 5. the RP ID
    hash is ours; 6. user present and verified; 7. the signature; 8. what stayed on its device when it was
    made still does, and the other way round. Whether the counter went forward is said in the result, because a
    copy is worth more than a refusal.
    """
    settings = parts(db).settings
    try:
        credential = parse_use(_json(answer))
        challenge, return_to, allowed = _spend(db, credential.response.client_data_json, purpose, browser)
        if allowed and _named(credential.raw_id) not in allowed:
            return Rejected("credential was not among those offered")
        held = find(credential.raw_id)
        if held is None:
            return Rejected("credential unknown", stranger=True)
        if credential.response.user_handle != held.handle:
            return Rejected("user handle of somebody else")
        proof = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=settings.host,
            expected_origin=settings.issuer,
            credential_public_key=held.public_key,
            # The library refuses a counter that stands still; here that is told apart from a forgery.
            credential_current_sign_count=parse_authenticator_data(
                credential.response.authenticator_data
            ).sign_count
            - 1,
            require_user_verification=True,
        )
    except MALFORMED as error:
        return Rejected(f"{type(error).__name__}: {error}"[:200])
    if (proof.credential_device_type == CredentialDeviceType.SINGLE_DEVICE) != held.device_bound:
        return Rejected("backup eligibility is another than when it was made")
    counts = proof.new_sign_count > 0 or held.sign_count > 0
    cloned = counts and proof.new_sign_count <= held.sign_count
    return Used(proof.credential_id, proof.new_sign_count, cloned, return_to)


def _json(answer: str) -> dict[str, Any]:
    if len(answer) > LONGEST_ANSWER:
        raise ValueError("answer too long")
    content = json.loads(answer)
    if not isinstance(content, dict):
        raise TypeError("answer is not an object")
    return content


def _described(known: Sequence[Known]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=one.id, transports=[AuthenticatorTransport(way) for way in one.transports] or None
        )
        for one in known
    ]


def _challenge(
    db: Session, purpose: str, browser: str, return_to: str, *, only: Sequence[bytes] = ()
) -> bytes:
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    life = timedelta(seconds=parts(db).settings.interaction_seconds)
    db.execute(
        insert(table).values(
            challenge_hash=hashlib.sha256(challenge).hexdigest(),
            purpose=purpose,
            browser_hash=hashlib.sha256(browser.encode()).hexdigest(),
            return_to=return_to,
            allowed=[_named(one) for one in only] or None,
            ends_at=clock.now() + life,
        )
    )
    return challenge


def _named(credential_id: bytes) -> str:
    return hashlib.sha256(credential_id).hexdigest()


def _spend(db: Session, client_data: bytes, purpose: str, browser: str) -> tuple[bytes, str, frozenset[str]]:
    """Use up the challenge that an answer was made for; return it with its `return_to` and what was offered.

    Raises ValueError.
    """
    said = parse_client_data_json(client_data)
    if said.cross_origin:
        raise ValueError("answered in a foreign frame")
    row = db.execute(
        delete(table)
        .where(
            table.c.challenge_hash == hashlib.sha256(said.challenge).hexdigest(),
            table.c.purpose == purpose,
            table.c.browser_hash == hashlib.sha256(browser.encode()).hexdigest(),
            table.c.ends_at > clock.now(),
        )
        .returning(table.c.return_to, table.c.allowed)
    ).first()
    if row is None:
        raise ValueError("challenge unknown, spent or expired")
    return said.challenge, str(row.return_to), frozenset(row.allowed or ())
