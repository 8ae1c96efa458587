"""What a certification run is made of: two clients, a browser that a citizen signs in with, and what both see."""

import base64
import html
import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from joserfc import jwk, jws, jwt
from joserfc.jwk import RSAKey
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from core import clock, sessions
from core.database import Database
from core.errors import Problem
from core.events import SYSTEM
from idp import enrol
from idp.oidc import clients, id_tokens, tables
from idp.oidc.logout.courier import LogoutCourier
from tests.conftest import ISSUER
from tests.idp.oidc.provider import basic
from tests.plain_browser import PlainBrowser

SUITE = "https://suite.example/test/a/erti"
CALLBACK = f"{SUITE}/callback"
BYE = f"{SUITE}/post_logout_redirect"
PASSWORD = "walnut ferry granite lantern"
CLAIMS: dict[str, Any] = {
    "name": "Ana Maria Test",
    "given_name": "Ana",
    "middle_name": "Maria",
    "family_name": "Test",
    "nickname": "Annie",
    "preferred_username": "ana",
    "profile": "https://ana.example/",
    "picture": "https://ana.example/me.png",
    "website": "https://ana.example/",
    "gender": "female",
    "birthdate": "1990-02-03",
    "zoneinfo": "Asia/Tbilisi",
    "locale": "ka-GE",
    "updated_at": 1_760_000_000,
    "email": "ana@example.org",
    "email_verified": True,
    "address": {"formatted": "1 Old Market Square\nVashliani", "locality": "Vashliani", "country": "GE"},
    "phone_number": "+995 32 2000000",
    "phone_number_verified": False,
}
PAGES = ("login-submit", "consent-allow", "form-post-submit")
MOST_PAGES = 8
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class NotRegistered(Exception):
    """The registration endpoint refused a client: the status, and what it said."""


@dataclass
class Answer:
    """What the browser brought back to the client, the pages on the way, or the page it got stuck on."""

    parameters: dict[str, str] = field(default_factory=dict)
    address: str = ""
    by_form: bool = False
    seen: list[str] = field(default_factory=list)
    stuck: httpx.Response | None = None

    @property
    def code(self) -> str:
        """The code; fails where the answer is something else."""
        assert "code" in self.parameters, self.parameters or (self.stuck and self.stuck.text)
        return self.parameters["code"]

    @property
    def error(self) -> str:
        """The error that came back; empty on success."""
        return self.parameters.get("error", "")

    @property
    def refused_on_a_page(self) -> bool:
        """Whether the person stands on an error page, and nothing went to the client."""
        return self.stuck is not None and self.stuck.status_code == 400 and not self.parameters


class Browser(PlainBrowser):
    """A person's browser at the application itself; cookies are the browser's business alone."""

    def __init__(self, web: TestClient) -> None:
        self.client = web
        self.cookies = {}
        self.stop_at = SUITE
        self.stopped_at = ""
        self.sent: list[tuple[str, str]] = []
        self.lay_out()

    def lay_out(self) -> None:
        """Forget what an earlier request led to."""
        self.stopped_at, self.sent = "", []

    def back_by_form(self) -> list[tuple[str, str]]:
        """Return the fields of the form that sends itself to the client."""
        return next(form for form in self._forms.forms if "form-post-submit" in form.offered).controls

    @property
    def back_address(self) -> str:
        """Where the form that sends itself leads."""
        return next(form for form in self._forms.forms if "form-post-submit" in form.offered).action

    def _send(
        self, method: str, url: str, values: list[tuple[str, str]] | None, came_from: str
    ) -> httpx.Response:
        self.client.cookies.clear()
        answer = super()._send(method, url, values, came_from)
        self.client.cookies.clear()
        return answer


@dataclass
class Registered:
    """One of the suite's clients, as it was registered. `told` is what it was answered where it registered itself."""

    client_id: str
    secret: str = ""
    method: str = "client_secret_basic"
    metadata: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    signs_with: RSAKey | None = None

    def credentials(self, audience: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return what authenticates the client in a form, and in the headers."""
        if self.method == "client_secret_basic":
            return {}, {"Authorization": basic(self.client_id, self.secret)}
        if self.method == "client_secret_post":
            return {"client_id": self.client_id, "client_secret": self.secret}, {}
        assert self.signs_with is not None
        at = clock.seconds(clock.now())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(12),
            "iat": at,
            "exp": at + 60,
        }
        head = {"alg": "RS256", "kid": self.signs_with.kid}
        made = jwt.encode(head, claims, self.signs_with, algorithms=["RS256"])
        return {"client_assertion_type": ASSERTION, "client_assertion": made}, {}


@dataclass
class Run:
    """A run of one variant: the application and the suite's clients, kept for all its tests."""

    database: Database
    web: TestClient
    variant: str
    first: Registered
    second: Registered
    by_post: Registered

    @classmethod
    def beginning(cls, database: Database, web: TestClient, variant: str) -> "Run":
        """Register the suite's clients in the sandbox, as one who prepares a run would."""
        made = [_client("suite-1"), _client("suite-2"), _client("suite-post", method="client_secret_post")]
        run = cls(database, web, variant, *made)
        if variant == "dynamic":
            run.first, run.second = run.self_registered(), run.self_registered()
        else:
            with database.writing() as db:
                clients.load(db, {"clients": [one.metadata for one in made]}, actor=SYSTEM)
        return run

    def self_registered(self, **metadata: Any) -> Registered:
        """Register a client at the registration endpoint, with an RSA key and private_key_jwt; raises NotRegistered."""
        key = RSAKey.generate_key(2048, auto_kid=True)
        public = {**key.as_dict(private=False), "use": "sig", "alg": "RS256"}
        asked = {
            "client_name": "Certification",
            "contacts": ["certification@suite.example"],
            "redirect_uris": [CALLBACK],
            "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "private_key_jwt",
            **({} if "jwks_uri" in metadata else {"jwks": {"keys": [public]}}),
            **metadata,
        }
        endpoint = self.web.get("/.well-known/openid-configuration").json()["registration_endpoint"]
        response = self.web.post(endpoint, json=asked)
        assert response.headers["content-type"].startswith("application/json")
        if response.status_code != 201:
            raise NotRegistered(response.status_code, response.json())
        told = response.json()
        method = told["token_endpoint_auth_method"]
        return Registered(told["client_id"], told.get("client_secret", ""), method, asked, told, key)


@dataclass
class Relying:
    """A test of a run under way: its clients, a citizen of its own, and the browser they sign in with."""

    run: Run
    username: str
    citizen: str
    browser: Browser
    first: Registered
    second: Registered
    by_post: Registered

    @classmethod
    def anew(cls, run: Run) -> "Relying":
        """Enrol a citizen with every standard claim and give them a browser."""
        username = f"inspector-{secrets.token_hex(6)}"
        with run.database.writing() as db:
            citizen = enrol.enrol(db, username, PASSWORD, CLAIMS, actor=SYSTEM)
        mine = [replace(one) for one in (run.first, run.second, run.by_post)]
        return cls(run, username, citizen, Browser(run.web), *mine)

    @property
    def database(self) -> Database:
        """The run's database."""
        return self.run.database

    @property
    def web(self) -> TestClient:
        """Calls that come from the clients and not from the browser."""
        self.run.web.cookies.clear()
        return self.run.web

    @property
    def metadata(self) -> dict[str, Any]:
        """The discovery document."""
        return dict(self.web.get("/.well-known/openid-configuration").json())

    def later(self, seconds: int) -> None:
        """Let time pass: sign-ins, pushed requests, codes and tokens are as much older."""
        past = timedelta(seconds=seconds)
        session, code, access = sessions.browser_session, tables.code, tables.access_token
        pushed = tables.pushed_request
        with self.database.writing() as db:
            db.execute(update(session).values(auth_time=_earlier(db, session.c.auth_time, past)))
            db.execute(update(code).values(expires_at=_earlier(db, code.c.expires_at, past)))
            db.execute(update(pushed).values(expires_at=_earlier(db, pushed.c.expires_at, past)))
            db.execute(update(access).values(expires_at=_earlier(db, access.c.expires_at, past)))

    def work(self) -> None:
        """Do once what the worker does for clients that are to hear of a logout."""
        courier = LogoutCourier()
        courier.turn(self.database)
        courier.close()

    def registered(self, **metadata: Any) -> Registered:
        """Register one more client with this metadata, by the way of the variant."""
        if self.run.variant == "dynamic":
            return self.run.self_registered(**metadata)
        client = _client(f"suite-{secrets.token_hex(4)}", **metadata)
        with self.database.writing() as db:
            clients.load(db, {"clients": [client.metadata]}, actor=SYSTEM)
        return client

    def registration_fails(self, **metadata: Any) -> bool:
        """Tell whether a client with this metadata is refused."""
        try:
            self.registered(**metadata)
        except (Problem, NotRegistered):
            return True
        return False

    def another_browser(self) -> Browser:
        """Return a browser that nobody has used."""
        return Browser(self.run.web)

    def request(self, client: Registered | None = None, **changes: Any) -> dict[str, str]:
        """Return the parameters of an authorization request; `None` leaves one out."""
        given = {
            "client_id": (client or self.first).client_id,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid",
            "state": secrets.token_urlsafe(10),
            "nonce": secrets.token_urlsafe(10),
            **({"response_mode": "form_post"} if self.run.variant == "formpost" else {}),
            **changes,
        }
        return {name: str(value) for name, value in given.items() if value is not None}

    def authorize(
        self,
        client: Registered | None = None,
        *,
        post: bool = False,
        browser: Browser | None = None,
        decide: str = "consent-allow",
        **changes: Any,
    ) -> Answer:
        """Send an authorization request and do what its pages ask for, as the citizen would."""
        parameters = self.request(client, **changes)
        return self.go(parameters, post=post, browser=browser, decide=decide)

    def go(
        self,
        parameters: dict[str, str],
        *,
        post: bool = False,
        browser: Browser | None = None,
        decide: str = "consent-allow",
        expect: dict[str, Any] | None = None,
    ) -> Answer:
        """Send exactly these parameters to the authorization endpoint and follow to the end.

        `expect` are the parameters that the answer belongs to, where others were sent.
        """
        person = browser or self.browser
        person.lay_out()
        endpoint = self.metadata["authorization_endpoint"]
        if post:
            person._go("POST", endpoint, list(parameters.items()))
        else:
            person._go("GET", f"{endpoint}?{urlencode(parameters)}", None)
        return self._answered(person, expect or parameters, decide)

    def opened(self, answer: Answer) -> Answer:
        """Open an answer that came in a form of its own; here none does."""
        return answer

    def _answered(self, person: Browser, parameters: dict[str, str], decide: str) -> Answer:
        seen: list[str] = []
        for _ in range(MOST_PAGES):
            if person.stopped_at:
                query = dict(parse_qsl(urlsplit(person.stopped_at).query, keep_blank_values=True))
                answer = Answer(query, person.stopped_at, seen=seen)
                break
            page = next((one for one in PAGES if person.has(one)), "")
            if not page:
                return Answer(seen=seen, stuck=person.page)
            if page == "form-post-submit":
                sent = {name: html.unescape(value) for name, value in person.back_by_form()}
                answer = Answer(sent, person.back_address, by_form=True, seen=seen)
                break
            seen.append(page)
            if page == "login-submit":
                person.press(page, username=self.username, password=PASSWORD)
            else:
                person.press(decide)
        else:
            raise AssertionError(f"no end after {seen}")
        answer = self.opened(answer)
        if answer.parameters:
            assert answer.by_form == (parameters.get("response_mode") == "form_post")
            assert answer.parameters.get("state") == parameters.get("state")
            assert answer.parameters.get("iss") == ISSUER, "RFC 9207, section 2"
        return answer

    def token(self, client: Registered | None = None, **form: Any) -> Any:
        """Post to the token endpoint as the client authenticates."""
        endpoint = self.metadata["token_endpoint"]
        proven, headers = (client or self.first).credentials(form.pop("audience", endpoint))
        return self.web.post(endpoint, data={**form, **proven}, headers=headers)

    def redeem(self, code: str, client: Registered | None = None, **more: Any) -> Any:
        """Redeem a code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **more}
        return self.token(client, **form)

    def tokens(self, client: Registered | None = None, **changes: Any) -> dict[str, Any]:
        """Go through the whole flow; return the token response, whose ID token was checked."""
        parameters = self.request(client, **changes)
        answer = self.go(parameters)
        return self.redeemed(answer.code, client, nonce=parameters.get("nonce"))

    def redeemed(
        self, code: str, client: Registered | None = None, *, nonce: str | None, **more: Any
    ) -> dict[str, Any]:
        """Redeem a code and check the response as RFC 6749, 5.1 and OpenID Connect Core 1.0, 3.1.3.3 describe it."""
        response = self.redeem(code, client, **more)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("application/json")
        assert "no-store" in response.headers["cache-control"]
        body = dict(response.json())
        assert body["token_type"].lower() == "bearer"
        assert isinstance(body["expires_in"], int)
        body["claims"] = self.checked(body["id_token"], client, nonce=nonce)
        assert body["claims"]["at_hash"] == id_tokens.half_hash(body["access_token"])
        return body

    def checked(
        self, id_token: str, client: Registered | None = None, *, nonce: str | None
    ) -> dict[str, Any]:
        """Return an ID token's claims, verified as OpenID Connect Core 1.0, 3.1.3.7 has a client do it."""
        header = jws.extract_compact(id_token.encode()).headers()
        keys = jwk.KeySet.import_key_set(self.web.get(self.metadata["jwks_uri"]).json())
        named = [key for key in keys.keys if key.kid == header["kid"]]
        assert len(named) == 1, "the key set has the key once, by its kid"
        claims = jwt.decode(id_token, named[0], algorithms=[header["alg"]]).claims
        assert claims["iss"] == ISSUER
        assert claims["aud"] in ((client or self.first).client_id, [(client or self.first).client_id])
        assert 0 < len(claims["sub"]) <= 255
        assert claims["iat"] < claims["exp"] <= claims["iat"] + 86_400
        assert claims.get("nonce") == nonce
        assert isinstance(claims["auth_time"], int)
        return dict(claims)

    def userinfo(self, token: str) -> Any:
        """Ask UserInfo with the token in the header."""
        return self.web.get(self.metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {token}"})

    def told(self, tokens: dict[str, Any]) -> dict[str, Any]:
        """Return what UserInfo says, of the same sub as the ID token (OpenID Connect Core 1.0, 5.3.2)."""
        response = self.userinfo(tokens["access_token"])
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("application/json")
        said = dict(response.json())
        assert said["sub"] == tokens["claims"]["sub"]
        return said


def _earlier(db: Session, moment: Any, past: timedelta) -> datetime:
    # One row of each kind matters in these tests: the newest.
    newest = db.scalar(select(moment).order_by(moment.desc()).limit(1))
    return (newest or clock.now()) - past


def _client(name: str, *, method: str = "client_secret_basic", **more: Any) -> Registered:
    secret = secrets.token_urlsafe(32)
    metadata = {
        "client_id": name,
        "client_secret": secret,
        "client_name": f"Certification {name}",
        "profile": "basic",
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [BYE],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": method,
        **more,
    }
    return Registered(name, secret, method, metadata)


def essential(*names: str) -> str:
    """Return a `claims` parameter that asks for essential claims at UserInfo."""
    return json.dumps({"userinfo": {name: {"essential": True} for name in names}})


def unsigned(claims: dict[str, Any]) -> str:
    """Return claims as a JWT with alg none (RFC 7519, section 6)."""
    parts = ({"alg": "none"}, claims)
    return ".".join(jwk_base64(json.dumps(part).encode()) for part in parts) + "."


def jwk_base64(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def header(token: str) -> dict[str, Any]:
    """Return a JWT's header."""
    return dict(jws.extract_compact(token.encode()).headers())
