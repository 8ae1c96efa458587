"""Everything this portal says to the identity service, through Authlib's stock Starlette client."""

import hmac
import json
import secrets
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from settings import Portal, Reading
from starlette.requests import Request
from starlette.responses import Response

REGISTERS = {"civil": "Civil registry", "tax": "Tax register"}


class Unreachable(Exception):
    """The identity service does not answer."""


class NotSignedIn(Exception):
    """Signing in did not end well; the text says why in the service's own words."""


@dataclass
class Outcome:
    """What came of one reading: rows to show, or the reason why there are none."""

    title: str
    rows: list[list[str]] = field(default_factory=list)
    refused: str = ""
    said: str = ""
    receipt: str = ""
    at: str = ""
    milliseconds: int = 0
    told: bool = False


@contextmanager
def _telling() -> Iterator[None]:
    """Turn what Authlib and its HTTP client raise into the two things a page can say."""
    try:
        yield
    except httpx2.HTTPError as error:
        raise Unreachable from error
    except OAuthError as error:
        raise NotSignedIn(error.description or error.error) from error
    except JoseError as error:
        raise NotSignedIn("The answer was not signed as it should be.") from error


class Identity:
    """One agency's connection to the identity service."""

    def __init__(self, portal: Portal) -> None:
        """Nothing is fetched yet: the discovery document is read when the first person signs in."""
        self.portal = portal
        kwargs: dict[str, Any] = {"scope": portal.scope, "code_challenge_method": "S256", "timeout": 10}
        if portal.ca_file:
            kwargs["verify"] = ssl.create_default_context(cafile=portal.ca_file)
        self.client = OAuth().register(
            "erti",
            client_id=portal.client_id,
            client_secret=portal.client_secret,
            server_metadata_url=f"{portal.issuer}/.well-known/openid-configuration",
            client_kwargs=kwargs,
        )

    # ------------------------------------------------------------------------------ with the citizen there

    async def sign_in(self, request: Request, *, also: str = "") -> Response:
        """Send the browser to sign in; `also` names a further purpose to ask for."""
        asked = {"userinfo": dict.fromkeys(self.portal.claims)}
        scope = f"{self.portal.scope} purpose:{also}" if also else self.portal.scope
        with _telling():
            answer: Response = await self.client.authorize_redirect(
                request, f"{self.portal.url}/signed-in", claims=json.dumps(asked), scope=scope
            )
        return answer

    async def signed_in(self, request: Request) -> dict[str, Any]:
        """Turn the code into tokens (state, nonce, signature, issuer and audience are checked by Authlib)."""
        with _telling():
            token: dict[str, Any] = await self.client.authorize_access_token(request)
        return token

    async def about(self, token: dict[str, Any]) -> Outcome:
        """What the citizen shares with this portal now, from UserInfo."""
        outcome = _outcome("From Erti, just now")
        answer = await self._send("GET", "userinfo_endpoint", token)
        outcome.milliseconds = _milliseconds(answer)
        if answer.status_code != 200:
            outcome.refused = "You no longer share this with us, or your sign-in has ended."
            outcome.said = _words(answer)
            return outcome
        claims = answer.json()
        if "name" not in claims:
            claims["name"] = " ".join(
                claims[part] for part in ("given_name", "family_name") if claims.get(part)
            )
        outcome.rows = [[label, text(claims.get(name)), ""] for name, label in self.portal.shown]
        return outcome

    async def sign_out(self, request: Request, id_token: str) -> Response:
        """End the session at the identity service too (OpenID Connect RP-Initiated Logout 1.0)."""
        with _telling():
            answer: Response = await self.client.logout_redirect(
                request, post_logout_redirect_uri=f"{self.portal.url}/", id_token_hint=id_token
            )
        return answer

    # ------------------------------------------------------------------------------ on the agency's own

    async def read(
        self, reading: Reading, citizen_id: str, *, case: str = "", official: str = "", title: str = ""
    ) -> Outcome:
        """Read attributes for one purpose, the citizen being absent."""
        outcome = _outcome(title or reading.title)
        token = await self._own_token()
        body = {
            "citizen_id": citizen_id,
            "purpose": reading.purpose,
            "attributes": [name for name, _ in reading.shown],
            "request_id": secrets.token_urlsafe(16),
        }
        if case:
            body |= {"case": case, "official": official}
        answer = await self._send("POST", "/attributes/read", token, json=body)
        outcome.milliseconds = _milliseconds(answer)
        if answer.status_code != 200:
            outcome.refused = _words(answer)
            return outcome
        given = answer.json()
        outcome.receipt = str(given["receipt"]["entry"])
        for name, label in reading.shown:
            envelope = given["attributes"].get(name) or {}
            source = envelope.get("source", "")
            note = f"{REGISTERS.get(source, source)}, {envelope['as_of'][:10]}" if source else ""
            outcome.rows.append([label, text(envelope.get("value")), note])
        return outcome

    async def resolve(
        self, reading: Reading, number: str, *, case: str, official: str
    ) -> tuple[str, Outcome | None]:
        """The citizen ID behind a national identifier, for a reading that a law allows; or why there is none."""
        token = await self._own_token()
        body = {
            "identifier_type": "UIN",
            "identifier_value": number,
            "purpose": reading.purpose,
            "case": case,
            "official": official,
            "request_id": secrets.token_urlsafe(16),
        }
        answer = await self._send("POST", "/citizens/resolve", token, json=body)
        if answer.status_code == 200:
            return answer.json()["citizen_id"], None
        outcome = _outcome(reading.title)
        outcome.refused = _words(answer)
        return "", outcome

    def pseudonym(self, officer: str) -> str:
        """What Erti and the citizen see of an officer: nothing that names them, and the agency can find out who it was."""
        key = self.portal.client_secret.encode()
        return f"officer-{hmac.digest(key, officer.encode(), 'sha256').hex()[:16]}"

    async def _own_token(self) -> dict[str, Any]:
        with _telling():
            token: dict[str, Any] = await self.client.fetch_access_token(
                grant_type="client_credentials", scope="attributes"
            )
        return token

    async def _send(self, method: str, where: str, token: dict[str, Any], **kwargs: Any) -> httpx2.Response:
        with _telling():
            metadata = await self.client.load_server_metadata()
            url = metadata.get(where) or f"{self.portal.issuer}{where}"
            bare = {key: token[key] for key in ("access_token", "token_type") if key in token}
            answer: httpx2.Response = await self.client.request(method, url, token=bare, **kwargs)
        return answer


def text(value: Any) -> str:
    """A claim as people read it: an address in one line, nothing as an empty text."""
    if isinstance(value, dict):
        parts = [value.get(key) for key in ("street_address", "locality", "postal_code")]
        return ", ".join(part for part in parts if part) or str(value.get("formatted", ""))
    return "" if value is None else str(value)


def _outcome(title: str) -> Outcome:
    return Outcome(title, at=time.strftime("%H:%M:%S UTC", time.gmtime()))


def _milliseconds(answer: httpx2.Response) -> int:
    return round(answer.elapsed.total_seconds() * 1000)


def _words(answer: httpx2.Response) -> str:
    """Why the service refused: from an RFC 9457 problem, an OAuth error, or the WWW-Authenticate header."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    said = problem.get("detail") or problem.get("title") or problem.get("error_description") or ""
    header = answer.headers.get("www-authenticate", "")
    if not said and 'error_description="' in header:
        said = header.split('error_description="', 1)[1].split('"', 1)[0]
    return said or f"Erti answered {answer.status_code}."
