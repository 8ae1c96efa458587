"""A test of the FAPI plans under way: pushed requests, answers that may be signed, tokens that are bound."""

from dataclasses import dataclass
from typing import Any

from joserfc import jwk, jws, jwt

from tests.certification.party import Party, Variant
from tests.certification.relying import CALLBACK, Answer, Browser, Relying, Run
from tests.conftest import ISSUER
from tests.idp.oidc.provider import CHALLENGE, VERIFIER

FAPI_ALGORITHMS = ["ES256", "PS256", "EdDSA"]


@dataclass
class Fapi(Relying):
    """Two clients of a variant, and a citizen."""

    me: Party
    other: Party
    variant: Variant

    @classmethod
    def starting(cls, run: Run, me: Party, other: Party) -> "Fapi":
        """Begin a test with the run's two clients as they were registered."""
        base = Relying.anew(run)
        return cls(**{**vars(base), "first": me, "second": other}, me=me, other=other, variant=me.variant)

    def endpoint(self, name: str) -> str:
        """Return an endpoint's address: the alias for client certificates where the client shows one (RFC 8705, 5)."""
        known = self.metadata
        aliases = known.get("mtls_endpoint_aliases", {}) if self.me.certificate else {}
        return str(aliases.get(name, known[name]))

    def asked(self, me: Party | None = None, **changes: Any) -> dict[str, Any]:
        """Return the parameters of an authorization request; `None` leaves one out."""
        pkce = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        mode = {"response_mode": "jwt"} if self.variant.signed else {}
        return self.request(me or self.me, **{**pkce, **mode, **changes})

    def push(
        self,
        parameters: dict[str, Any],
        me: Party | None = None,
        *,
        proof: dict[str, Any] | None = None,
        raw: bool = False,
        **how: Any,
    ) -> Any:
        """Push a request: plain, or as a request object where messages are signed; `raw` sends it as it stands."""
        party = me or self.me
        form = parameters
        if self.variant.signed and not raw:
            form = {"request": party.request_object(parameters)}
        endpoint = self.endpoint("pushed_authorization_request_endpoint")
        return party.post(self.web, endpoint, form, proof=proof, **how)

    def pushed(self, parameters: dict[str, Any], me: Party | None = None, **how: Any) -> str:
        """Push a request and return its request_uri."""
        response = self.push(parameters, me, **how)
        assert response.status_code == 201, response.text
        assert response.headers["content-type"].startswith("application/json")
        body = response.json()
        assert 0 < body["expires_in"] <= 600
        assert len(body["request_uri"]) > 40
        return str(body["request_uri"])

    def refused_when_pushed(self, response: Any, *errors: str) -> bool:
        """Tell whether a pushed request was refused, with one of these errors where there are any."""
        said = response.json().get("error", "") if response.status_code in (400, 401) else ""
        return bool(said) and (not errors or said in errors)

    def visit(
        self, request_uri: str, me: Party | None = None, *, expect: dict[str, Any] | None = None, **how: Any
    ) -> Answer:
        """Go to the authorization endpoint with a request_uri; `more` are parameters beside it."""
        more = how.pop("more", {})
        parameters = {"client_id": (me or self.me).client_id, "request_uri": request_uri, **more}
        return self.go(parameters, expect=expect, **how)

    def authorized(self, me: Party | None = None, **changes: Any) -> tuple[Answer, dict[str, Any]]:
        """Push a request and go through it; return the answer and what was asked."""
        parameters = self.asked(me, **changes)
        return self.visit(self.pushed(parameters, me), me, expect=parameters), parameters

    def opened(self, answer: Answer) -> Answer:
        """Open a signed answer (JARM, 2.4): its signature, iss, aud and lifetime are right, and nothing stands beside it."""
        if not self.variant.signed or not answer.parameters:
            return answer
        assert set(answer.parameters) == {"response"}, answer.parameters
        token = answer.parameters["response"]
        header = jws.extract_compact(token.encode()).headers()
        assert header["alg"] in FAPI_ALGORITHMS
        keys = jwk.KeySet.import_key_set(self.web.get(self.metadata["jwks_uri"]).json())
        claims = jwt.decode(token, keys, algorithms=FAPI_ALGORITHMS).claims
        assert claims["iss"] == ISSUER
        assert claims["aud"] in (self.me.client_id, self.other.client_id)
        assert claims["exp"] > claims.get("iat", 0)
        told = {
            name: str(value)
            for name, value in claims.items()
            if name not in ("aud", "exp", "iat", "nbf", "jti")
        }
        answer.parameters = told
        return answer

    def redeem_as(
        self, me: Party, code: str, *, proof: dict[str, Any] | None = None, bare: bool = False, **more: Any
    ) -> Any:
        """Redeem a code as a client, with what binds its tokens unless `bare`."""
        how = {name: more.pop(name) for name in ("assertion", "headers") if name in more}
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
            **more,
        }
        return self.call_token(me, form, proof=proof, bare=bare, **how)

    def call_token(
        self,
        me: Party,
        form: dict[str, Any],
        *,
        proof: dict[str, Any] | None = None,
        bare: bool = False,
        **how: Any,
    ) -> Any:
        """Call the token endpoint with what binds the client's tokens."""
        shown = None if bare or not self.variant.dpop else (proof or {})
        return me.post(self.web, self.endpoint("token_endpoint"), form, proof=shown, **how)

    def signed_in(self, me: Party | None = None, **changes: Any) -> dict[str, Any]:
        """Go through the whole flow; return the checked token response."""
        party = me or self.me
        answer, asked = self.authorized(party, **changes)
        return self.accepted(self.redeem_as(party, answer.code), party, nonce=asked.get("nonce"))

    def accepted(self, response: Any, me: Party | None = None, *, nonce: str | None) -> dict[str, Any]:
        """Check a token response: bound, and its ID token signed as FAPI wants."""
        assert response.status_code == 200, response.text
        body = dict(response.json())
        assert body["token_type"].lower() == ("dpop" if self.variant.dpop else "bearer")
        alg = jws.extract_compact(body["id_token"].encode()).headers()["alg"]
        assert alg in FAPI_ALGORITHMS
        body["claims"] = self.checked(body["id_token"], me or self.me, nonce=nonce)
        return body

    def resource(self, tokens: dict[str, Any], me: Party | None = None, **how: Any) -> Any:
        """Call UserInfo, the resource of these tests, as a client."""
        return (me or self.me).get(
            self.web, self.endpoint("userinfo_endpoint"), tokens["access_token"], **how
        )

    def anyone(self) -> Browser:
        """Return a browser that nobody has used."""
        return self.another_browser()


def parties(run: Run) -> tuple[Party, Party]:
    """Return the two clients of a FAPI run, made for its variant."""
    variant = Variant.of(run.variant)
    return Party.made("fapi-1", variant), Party.made("fapi-2", variant)
