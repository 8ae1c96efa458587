"""A provider under test: a browser, a client's back channel, and a citizen who signs in and decides."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.testclient import TestClient

from consent import decisions
from consent.grants import Grant
from core import sessions
from core.database import Database
from core.events import Actor
from keys import signing
from tests.conftest import ISSUER
from tests.consent import country
from tests.consent.country import SUBSTANTIAL

CITIZEN, OTHER = "K7QD2M9XWT4BB", "4RZ8N1PV6HJ3G"
PORTAL, PUBLIC, NATIVE, COMPANY = "portal", "spa", "app", "shop"
SECRET = "a secret of the portal: 40% & more + enough"
CALLBACK = "https://portal.example/cb"
VERIFIER = "a-verifier-of-more-than-forty-three-characters-is-enough"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
API = "https://api.portal.example/"
SIGNED_IN = {"scope": "openid", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}

CLIENTS: list[dict[str, Any]] = [
    {
        "client_id": PORTAL,
        "agency": "revenue",
        "client_name": "Tax account",
        "client_secret": SECRET,
        "redirect_uris": [CALLBACK, "https://portal.example/other?with=query"],
        "post_logout_redirect_uris": ["https://portal.example/bye"],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "sign_in_purpose": "revenue-sign-in",
        "purposes": ["revenue-assessment", "revenue-relief"],
        "resources": [API],
    },
    {
        "client_id": PUBLIC,
        "agency": "revenue",
        "redirect_uris": ["https://spa.example/cb"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "sign_in_purpose": "revenue-sign-in",
    },
    {
        "client_id": NATIVE,
        "agency": "revenue",
        "application_type": "native",
        "redirect_uris": ["http://127.0.0.1/cb", "org.example.app:/cb"],
        "token_endpoint_auth_method": "none",
        "sign_in_purpose": "revenue-sign-in",
    },
    {
        "client_id": COMPANY,
        "agency": "mill",
        "client_secret": SECRET,
        "redirect_uris": ["https://shop.example/cb"],
        "grant_types": ["authorization_code", "client_credentials"],
        "sign_in_purpose": "mill-sign-in",
        "id_token_signed_response_alg": "RS256",
    },
    {
        "client_id": "api",
        "agency": "revenue",
        "client_secret": SECRET,
        "grant_types": ["client_credentials"],
        "serves": [API],
    },
]


@dataclass
class Provider:
    """The provider, a browser at it, and the clients' own calls."""

    database: Database
    web: TestClient
    session: sessions.BrowserSession | None = None

    def sign_in(self, citizen: str = CITIZEN, *, acr: str = SUBSTANTIAL) -> sessions.BrowserSession:
        """Begin a session of the citizen in this browser."""
        with self.database.writing() as db:
            self.session, token = sessions.begin(
                db, subject=citizen, kind="citizen", acr=acr, amr=["pwd", "otp", "mfa"],
                user_agent="test", network="127.0.0.1",
            )  # fmt: skip
        self.web.cookies.set("__Host-erti_session", token)
        return self.session

    def allow(self, *names: str, purpose: str = "revenue-sign-in") -> Grant:
        """Let the citizen allow attributes."""
        with self.database.writing() as db:
            return country.allow(db, *names, purpose=purpose, citizen=CITIZEN)

    def withdraw(self, grant: Grant, *names: str) -> None:
        """Let the citizen take a permission back, whole or in part."""
        with self.database.writing() as db:
            decisions.withdraw(db, grant, attributes=names or None, actor=Actor("citizen", CITIZEN))

    def history(self, chain: str = CITIZEN) -> list[dict[str, Any]]:
        """Return what a chain of the ledger says, oldest first."""
        return country.history(self.database, chain)

    def authorize(self, client: str = PORTAL, **changes: Any) -> Any:
        """Send an authorization request with PKCE; `None` leaves a parameter out."""
        return self.web.get("/authorize", params=request(client, **changes))

    def code(self, client: str = PORTAL, **changes: Any) -> str:
        """Return the code of a request that needs nothing more, or fail."""
        answer = answered(self.authorize(client, **changes))
        assert "code" in answer, answer
        return answer["code"]

    def token(self, client: str = PORTAL, secret: str | None = SECRET, **form: Any) -> Any:
        """Post to the token endpoint; clients with a secret authenticate by Basic."""
        return self.post("/token", client, secret, **form)

    def post(self, path: str, client: str = PORTAL, secret: str | None = SECRET, **form: Any) -> Any:
        """Post a form to one of the endpoints that authenticate clients."""
        headers = {"Authorization": basic(client, secret)} if secret is not None else {}
        if secret is None:
            form.setdefault("client_id", client)
        return self.web.post(path, data=form, headers=headers)

    def redeem(self, code: str, client: str = PORTAL, secret: str | None = SECRET, **changes: Any) -> Any:
        """Redeem a code at the token endpoint."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri(client),
            "code_verifier": VERIFIER,
            **changes,
        }
        return self.token(
            client, secret, **{name: value for name, value in form.items() if value is not None}
        )

    def tokens(self, client: str = PORTAL, **changes: Any) -> dict[str, Any]:
        """Go through the whole flow and return the token response."""
        secret = None if client in (PUBLIC, NATIVE) else SECRET
        answer = self.redeem(self.code(client, **changes), client, secret)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def own_token(self, client: str = PORTAL) -> str:
        """Return a token of the client's own."""
        answer = self.token(client, grant_type="client_credentials", scope="attributes")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def userinfo(self, token: str) -> Any:
        """Ask UserInfo."""
        return self.web.get("/userinfo", headers={"Authorization": f"Bearer {token}"})

    def introspected(self, token: str, client: str = PORTAL) -> dict[str, Any]:
        """Ask what a token is worth."""
        return dict(self.post("/introspect", client, token=token).json())

    def send(self, page: Any, **fields: Any) -> Any:
        """Send the form of a page with its hidden fields and these."""
        action = re.search(r'<form action="([^"]+)"', page.text)
        assert action, page.text
        hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        return self.web.post(action[1], data={**hidden, **fields})

    def read(self, body: Any, *, client: str = PORTAL, path: str = "/attributes/read") -> Any:
        """Post a body with a token of the client's own."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.web.post(
            path, content=content, headers={"Authorization": f"Bearer {self.own_token(client)}"}
        )


def request(client: str = PORTAL, **changes: Any) -> dict[str, Any]:
    """Return the parameters of an authorization request; `None` leaves one out."""
    parameters = {
        "client_id": client,
        "redirect_uri": redirect_uri(client),
        "response_type": "code",
        "state": "xyz",
        "nonce": "n-1",
        **SIGNED_IN,
        **changes,
    }
    return {name: value for name, value in parameters.items() if value is not None}


def redirect_uri(client: str) -> str:
    """Return the first redirect URI of a client under test."""
    return next(str(one["redirect_uris"][0]) for one in CLIENTS if one["client_id"] == client)


def basic(client: str, secret: str) -> str:
    """Return a Basic header with form-encoded parts (RFC 6749, 2.3.1)."""
    return "Basic " + base64.b64encode(f"{quote_plus(client)}:{quote_plus(secret)}".encode()).decode()


def answered(response: Any) -> dict[str, str]:
    """Return the parameters with which a response leads back to a client."""
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    assert not location.startswith(("/", ISSUER)), location
    return dict(parse_qsl(urlsplit(location).query))


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a JWT without looking at its signature."""
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def receipt(provider: Provider, text: str) -> dict[str, Any]:
    """Return what a signed receipt says, checked as its reader would: with the published keys."""
    found = jwt.decode(text, KeySet.import_key_set(provider.web.get("/jwks.json").json()))
    assert found.header["typ"] == "erti-receipt+jwt"
    return dict(found.claims)


def expired(provider: Provider, id_token: str) -> str:
    """Return the same ID token as it would be a day after its end, signed by the provider's own key."""
    claims = claims_of(id_token)
    claims |= {"iat": claims["iat"] - 90_000, "exp": claims["exp"] - 90_000}
    with provider.database.reading() as db:
        return signing.sign(db, claims, typ="JWT")
