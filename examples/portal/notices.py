"""What Erti tells this portal by itself: that a permission or a session has ended (OpenID Shared Signals, RFC 8935)."""

import hmac
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from identity import Identity
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from settings import Portal
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

LONGEST = 65_536
MOST = 10_000  # of each kind; an agency's real system would keep them in its database
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"


@dataclass
class Notices:
    """The receiver of one portal. `ended` is when a citizen stopped a purpose, `over` the sessions that ended."""

    portal: Portal
    identity: Identity
    ended: OrderedDict[tuple[str, str], str] = field(default_factory=OrderedDict)
    over: OrderedDict[str, str] = field(default_factory=OrderedDict)
    seen: OrderedDict[str, str] = field(default_factory=OrderedDict)

    async def take(self, request: Request) -> Response:
        """Take one event: 202 once it is dealt with, or the reason why it cannot be (RFC 8935, 2.2 to 2.4)."""
        expected = f"Bearer {self.portal.events_token}"
        given = request.headers.get("authorization", "")
        if not self.portal.events_token or not hmac.compare_digest(given.encode(), expected.encode()):
            return _error("authentication_failed", "The Authorization header is not the one we gave to Erti.")
        body = await request.body()
        try:
            claims = await self._checked(body.decode("ascii") if len(body) <= LONGEST else "")
        except (JoseError, ValueError):
            return _error("invalid_request", "This is not a security event for us, signed by Erti.")
        if claims["jti"] not in self.seen:  # the same event may come twice
            self._deal_with(claims)
            _keep(self.seen, claims["jti"])
        return Response(status_code=202)

    def begins_anew(self, sub: str, sid: str) -> None:
        """Forget what ended before somebody signed in again."""
        for key in [key for key in self.ended if key[0] == sub]:
            del self.ended[key]
        self.over.pop(sid, None)

    async def _checked(self, token: str) -> dict[str, Any]:
        """Check signature, type, issuer and audience; keys come from Erti's discovery, anew if one is unknown."""
        try:
            found = jwt.decode(token, await self._keys(force=False), algorithms=["ES256", "RS256"])
        except ValueError:  # signed with a key that is newer than what we hold
            found = jwt.decode(token, await self._keys(force=True), algorithms=["ES256", "RS256"])
        claims: dict[str, Any] = found.claims
        ours = (claims.get("iss"), claims.get("aud")) == (self.portal.issuer, self.portal.client_id)
        if (
            not ours
            or found.header.get("typ") != "secevent+jwt"
            or not isinstance(claims.get("events"), dict)
        ):
            raise ValueError("not a security event for us")
        return claims

    async def _keys(self, *, force: bool) -> KeySet:
        return KeySet.import_key_set(await self.identity.client.fetch_jwk_set(force=force))

    def _deal_with(self, claims: dict[str, Any]) -> None:
        subject = claims.get("sub_id", {})
        for uri, said in claims["events"].items():
            if uri == f"{self.portal.issuer}/events/consent-ended":
                _keep(self.ended, (subject.get("sub", ""), said.get("purpose", "")))
            elif uri == f"{CAEP}session-revoked":
                _keep(self.over, subject.get("session", {}).get("id", ""))


def _keep(held: OrderedDict[Any, str], key: Any) -> None:
    held[key] = time.strftime("%H:%M:%S UTC", time.gmtime())
    while len(held) > MOST:
        held.popitem(last=False)


def _error(code: str, description: str) -> Response:
    return JSONResponse({"err": code, "description": description}, status_code=400)
