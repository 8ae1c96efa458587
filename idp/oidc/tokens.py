"""Codes and tokens: made once, stored hashed, redeemed in one statement, ended with their family."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import parts
from idp.oidc import binding, devices, families, handles, interactions, pushed, replays, subjects
from idp.oidc.binding import Confirmation
from idp.oidc.client import Client
from idp.oidc.families import (
    Family,
    end_for_citizen,
    end_for_client,
    end_for_grant,
    end_for_mandate,
    end_for_session,
    end_offline,
)
from idp.oidc.tables import access_token, authorization, code, refresh_token
from keys import signing

# Beside what stands here:
__all__ = [
    "end_for_citizen",
    "end_for_client",
    "end_for_grant",
    "end_for_mandate",
    "end_for_session",
    "end_offline",
]

REPLAY_MEMORY = timedelta(days=1)
_MOMENT = code.c.expires_at.type
_ADD_CODE = insert(code)
_USE_CODE = (
    update(code)
    .where(code.c.code_hash == bindparam("given"), code.c.used_at.is_(None))
    .values(used_at=bindparam("at", type_=_MOMENT))
    .returning(
        code.c.authorization_id,
        code.c.client_id,
        code.c.redirect_uri,
        code.c.challenge,
        code.c.cnf,
        code.c.expires_at,
    )
)
_USED_CODE = select(code.c.authorization_id).where(code.c.code_hash == bindparam("given"))
_ADD_ACCESS = insert(access_token)
_ACCESS = (
    select(
        access_token,
        authorization.c.client_id.label("origin"),
        authorization.c.citizen,
        authorization.c.sid,
        authorization.c.attributes,
        authorization.c.scope.label("agreed"),
        authorization.c.acr,
        authorization.c.auth_time,
        authorization.c.details,
        authorization.c.grant_id,
        authorization.c.actor,
        authorization.c.acting_until,
        authorization.c.ended_at,
    )
    .select_from(access_token.outerjoin(authorization))
    .where(access_token.c.token_hash == bindparam("given"))
)
_ADD_REFRESH = insert(refresh_token)
_REFRESH = select(refresh_token).where(refresh_token.c.token_hash == bindparam("given"))
_USE_REFRESH = (
    update(refresh_token)
    .where(refresh_token.c.token_hash == bindparam("given"), refresh_token.c.used_at.is_(None))
    .values(used_at=bindparam("at", type_=_MOMENT))
    .returning(refresh_token.c.authorization_id)
)


@dataclass(frozen=True)
class Redeemed:
    """A code that was just redeemed, and what it was bound to. `redirect_uri` is as it was sent."""

    family: Family
    redirect_uri: str
    challenge: str
    cnf: Confirmation | None = None


@dataclass(frozen=True)
class Access:
    """An access token that is good now. Without a family it is the client's own.

    `attributes` and `agreed` (scopes) are the family's; `scope`, the token's own, may be less. `offline` if
    it came of a refresh token with offline access, so that its citizen may be away. `act` names the services that it
    was passed on by and who signed in for the citizen (RFC 8693, 4.1), `origin` the client of the sign-in, `actor` the
    citizen ID of who acts for the citizen.
    """

    token_hash: str
    authorization_id: str | None
    client_id: str
    scope: str
    audience: str
    offline: bool
    issued_at: datetime
    expires_at: datetime
    citizen: str | None
    sid: str | None
    attributes: list[str] | None
    agreed: str | None
    acr: str | None
    auth_time: datetime | None
    details: list[dict[str, Any]] | None = None
    grant_id: str | None = None
    cnf: Confirmation | None = None
    act: dict[str, Any] | None = None
    origin: str | None = None
    actor: str | None = None

    @property
    def scopes(self) -> list[str]:
        """The scopes one by one."""
        return self.scope.split()


@dataclass(frozen=True)
class Refresh:
    """A refresh token and its family."""

    token_hash: str
    family: Family
    scope: str
    expires_at: datetime
    used: bool
    cnf: Confirmation | None = None


def digest(token: str) -> str:
    """Return what is stored of a code or token: its SHA-256, so that a stolen table opens nothing."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue_code(
    db: Session, family: Family, *, redirect_uri: str, challenge: str, cnf: Confirmation | None = None
) -> str:
    """Return a new code of a family: one use, and at most a minute (FAPI 2.0 Security Profile, 5.3.2.1)."""
    made = secrets.token_urlsafe(32)
    db.execute(
        _ADD_CODE,
        {
            "code_hash": digest(made),
            "authorization_id": family.id,
            "client_id": family.client_id,
            "redirect_uri": redirect_uri,
            "challenge": challenge or None,
            "cnf": cnf,
            "expires_at": clock.now() + timedelta(seconds=parts(db).settings.code_seconds),
        },
    )
    return made


def redeem(db: Session, given: str, client: Client) -> Redeemed | None:
    """Use a code up, whoever brings it, and return what it stands for; None if it is not good.

    One statement marks it used, so of two at once one wins. A second use ends the family (RFC 6749,
    4.1.2), and so does another client's. The trace is kept by returning: the caller commits either way.
    """
    at = clock.now()
    row = db.execute(_USE_CODE, {"given": digest(given), "at": at}).first()
    if row is None:
        used = db.scalar(_USED_CODE, {"given": digest(given)})
        if used is not None:
            families.stop_replay(db, families.read(db, used), client, what="code")
        return None
    family = families.read(db, row.authorization_id)
    if row.client_id != client.client_id:
        families.stop_replay(db, family, client, what="code of another client")
        return None
    if row.expires_at <= at or not family.is_live:
        return None
    return Redeemed(family, row.redirect_uri or "", row.challenge or "", row.cnf)


def issue_access(
    db: Session,
    client: Client,
    *,
    scope: str,
    audience: str,
    family: Family | None,
    refreshed: bool = False,
    cnf: Confirmation | None = None,
    act: dict[str, Any] | None = None,
    until: datetime | None = None,
) -> tuple[str, int]:
    """Return a new access token and its life in seconds; without a family it is the client's own.

    `refreshed` says that it comes of a refresh token and not of a code, `cnf` what it is bound to, `act` who
    passed it on; it ends by `until` at the latest.

    Opaque for Erti's own endpoints; for any other resource a JWT (RFC 9068) of at most five minutes, which
    is stored hashed as well, so that introspection and revocation treat both alike.
    """
    settings, at = parts(db).settings, clock.now()
    if family is not None and family.acting_until is not None:
        until = min(until or family.acting_until, family.acting_until)
    act = act or subjects.act(db, client, family.actor if family else None)
    if audience == settings.issuer:
        seconds = _life(settings.access_token_seconds, until, at)
        made = secrets.token_urlsafe(32)
    else:
        seconds = _life(settings.jwt_access_token_seconds, until, at)
        made = _signed(
            db, client, scope=scope, audience=audience, family=family, seconds=seconds, cnf=cnf, act=act
        )
    db.execute(
        _ADD_ACCESS,
        {
            "token_hash": digest(made),
            "authorization_id": family.id if family else None,
            "client_id": client.client_id,
            "scope": scope,
            "audience": audience,
            "offline": refreshed and family is not None and family.offline,
            "cnf": cnf,
            "act": act,
            "issued_at": at,
            "expires_at": at + timedelta(seconds=seconds),
        },
    )
    return made, seconds


def live(db: Session, given: str) -> Access | None:
    """Return an access token that is neither expired nor ended, always by a live look-up; None for any other."""
    row = db.execute(_ACCESS, {"given": digest(given)}).first()
    if row is None or row.ended_at is not None or row.expires_at <= clock.now():
        return None
    facts = row._asdict()
    del facts["ended_at"]
    acting_until = facts.pop("acting_until")
    return None if acting_until is not None and acting_until <= clock.now() else Access(**facts)


def end_access(db: Session, found: Access) -> None:
    """End one access token."""
    db.execute(delete(access_token).where(access_token.c.token_hash == found.token_hash))


def issue_refresh(db: Session, family: Family, *, scope: str, cnf: Confirmation | None = None) -> str:
    """Return a new refresh token of a family, which ends when all of them do; `cnf` is what it is bound to."""
    made = secrets.token_urlsafe(32)
    db.execute(
        _ADD_REFRESH,
        {
            "token_hash": digest(made),
            "authorization_id": family.id,
            "scope": scope,
            "cnf": cnf,
            "issued_at": clock.now(),
            "expires_at": family.refresh_until,
        },
    )
    return made


def refresh(db: Session, given: str, client: Client) -> Refresh | None:
    """Return a refresh token of this client, used or not, whose family lives; None for any other."""
    row = db.execute(_REFRESH, {"given": digest(given)}).first()
    if row is None or row.expires_at <= clock.now():
        return None
    family = families.read(db, row.authorization_id)
    if family.client_id != client.client_id or not family.is_live:
        return None
    return Refresh(row.token_hash, family, row.scope, row.expires_at, row.used_at is not None, row.cnf)


def refreshable(
    db: Session, given: str, client: Client, *, held: Confirmation | None = None
) -> Refresh | None:
    """Return a refresh token that this client may use now, without using it; None for any other.

    `held` is all that the client shows: one that is bound to something else is left alone. One that was used
    before ends its family (RFC 9700, 4.14.2): it may be in two hands.
    """
    found = refresh(db, given, client)
    if found is None or not binding.holds(found.cnf, held or {}):
        return None
    if found.used:
        families.stop_replay(db, found.family, client, what="refresh token")
        return None
    return found


def rotate(db: Session, found: Refresh, client: Client, *, cnf: Confirmation | None = None) -> str | None:
    """Use a refresh token and return the one to go on with; None if it was used in the meantime.

    Where the client's tokens rotate, one statement uses it up and a new one takes its place; else the
    same token goes on. Neither makes the family live longer. The new one is bound to what the old one was, and to `cnf`.
    """
    if not client.rotate_refresh_tokens:
        return ""
    used = db.execute(_USE_REFRESH, {"given": found.token_hash, "at": clock.now()}).first()
    if used is None:
        families.stop_replay(db, found.family, client, what="refresh token")
        return None
    return issue_refresh(
        db, found.family, scope=found.scope, cnf={**(found.cnf or {}), **(cnf or {})} or None
    )


def purge(db: Session) -> None:
    """Delete what is over: tokens past their time, and families that have nothing left to end or to replay."""
    at = clock.now()
    interactions.purge(db)
    devices.purge(db)
    pushed.purge(db)
    handles.purge(db)
    replays.purge(db)
    db.execute(delete(access_token).where(access_token.c.expires_at <= at))
    db.execute(delete(refresh_token).where(refresh_token.c.expires_at <= at))
    held = or_(
        exists().where(access_token.c.authorization_id == authorization.c.id),
        exists().where(refresh_token.c.authorization_id == authorization.c.id),
    )
    over = authorization.c.created_at <= at - REPLAY_MEMORY
    db.execute(delete(authorization).where(over, ~held))


def _life(seconds: int, until: datetime | None, at: datetime) -> int:
    """Return how many seconds a token lasts that ends no later than another."""
    return seconds if until is None else max(0, min(seconds, int((until - at).total_seconds())))


def _signed(
    db: Session,
    client: Client,
    *,
    scope: str,
    audience: str,
    family: Family | None,
    seconds: int,
    cnf: Confirmation | None,
    act: dict[str, Any] | None,
) -> str:
    """Return an access token as a JWT with the claims of RFC 9068, section 2.2."""
    at = clock.seconds(clock.now())
    who = {"sub": client.client_id}
    if family is not None:
        who = {"sub": subjects.sub(db, client, family.citizen)}
    claims = {
        "iss": parts(db).settings.issuer,
        "aud": audience,
        "client_id": client.client_id,
        "iat": at,
        "exp": at + seconds,
        "jti": secrets.token_urlsafe(16),
        "scope": scope,
        **who,
        **({"cnf": cnf} if cnf else {}),
        **({"act": act} if act else {}),
    }
    if family is not None:
        claims |= {"auth_time": clock.seconds(family.auth_time), "acr": family.acr, "amr": family.amr}
    return signing.sign(db, claims, typ="at+jwt")
