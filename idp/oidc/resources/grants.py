"""What a grant_id covers at this moment, and its end at the agency's wish (Grant Management for OAuth 2.0, section 6)."""

from typing import Any

from sqlalchemy.orm import Session

from consent.grants import Grant
from core import clock
from core.database import Database
from idp.oidc import bearer, details, handles
from idp.oidc.bearer import Denied, Shown
from idp.oidc.client import Client
from idp.oidc.errors import GrantNotFound
from idp.oidc.metadata import QUERY_SCOPE, REVOKE_SCOPE


def query(database: Database, shown: Shown, grant_id: str) -> dict[str, Any] | Denied:
    """Return scopes, claims and details of a handle, or of a single decision that one covers.

    Nothing in it names the citizen. Raises GrantNotFound for one that is unknown, ended or another client's.
    """
    with database.reading() as db:
        client = _caller(db, shown, QUERY_SCOPE)
        if isinstance(client, Denied):
            return client
        held = handles.find(db, grant_id, client)
        if held is not None and held.ended_at is None:
            covered, scope, times = (
                handles.live_parts(db, grant_id),
                held.scope,
                (held.created_at, held.changed_at),
            )
        else:
            one = handles.decision(db, grant_id, client)
            if one is None or not one.is_live:
                raise GrantNotFound(detail=client.client_id)
            covered, scope, times = [one], "", (one.given_at, one.given_at)
    return _described(client, covered, scope) | {
        "created_at": clock.seconds(times[0]),
        "last_updated_at": clock.seconds(times[1]),
    }


def revoke(database: Database, shown: Shown, grant_id: str) -> Denied | None:
    """End a handle with all that it covers, or a single decision; again is no mistake.

    Tokens end in the same transaction. Raises GrantNotFound for one that is unknown or another client's.
    """
    with database.writing() as db:
        client = _caller(db, shown, REVOKE_SCOPE)
        if isinstance(client, Denied):
            return client
        if handles.find(db, grant_id, client) is not None:
            handles.end(db, grant_id, client)
            return None
        one = handles.decision(db, grant_id, client)
        if one is None:
            raise GrantNotFound(detail=client.client_id)
        handles.end_decision(db, one, client)
    return None


def _caller(db: Session, shown: Shown, scope: str) -> Client | Denied:
    """Return the client, if the token is its own (client credentials), has the scope, and its agency is active."""
    found = bearer.own(db, shown, scope)
    return found if isinstance(found, Denied) else found[0]


def _described(client: Client, covered: list[Grant], scope: str) -> dict[str, Any]:
    signed_in = {name for one in covered if one.purpose == client.sign_in_purpose for name in one.attributes}
    return {
        "scopes": [{"scope": scope}] if scope else [],
        "claims": sorted(signed_in),
        "authorization_details": [
            details.described(one, one.attributes) | _reads_left(one) for one in covered
        ],
    }


def _reads_left(grant: Grant) -> dict[str, int]:
    left, now = grant.uses.left(grant.allowance), grant.uses.left_now(grant.allowance, clock.now())
    both = [count for count in (left, now) if count is not None]
    return {"reads_left": min(both)} if both else {}
