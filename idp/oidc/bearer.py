"""Access tokens at Erti's own endpoints: where they may stand, who may show them, and what is answered otherwise."""

from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from consent import agencies
from core.database import Database, parts
from core.forms import Posted
from idp.oidc import binding, clients, dpop, protected, tokens
from idp.oidc.calls import Call
from idp.oidc.client import Client
from idp.oidc.dpop import Proof, ProofRefused
from idp.oidc.tokens import Access

STATUS = {
    "": 401,
    "invalid_request": 400,
    "invalid_token": 401,
    "insufficient_scope": 403,
    "insufficient_user_authentication": 401,
    "invalid_dpop_proof": 401,
    "use_dpop_nonce": 401,
}
ALGORITHMS = f'algs="{" ".join(dpop.ALGORITHMS)}"'


@dataclass(frozen=True)
class Denied:
    """A refusal of RFC 6750, section 3, RFC 9449, 7.1, or RFC 9470. Without an error code: no token was given at all.

    `nonce` is what the next proof must hold, `acr` the assurance that a sign-in needs for it, `resource` the address
    that was called.
    """

    error: str
    description: str = ""
    scheme: str = "Bearer"
    nonce: str = ""
    acr: str = ""
    resource: str = ""

    @property
    def code(self) -> int:
        """The HTTP status that belongs to the error."""
        return STATUS[self.error]

    @property
    def challenge(self) -> str:
        """The value of `WWW-Authenticate`; a description that is not plain ASCII is left out of it."""
        described = f'resource_metadata="{protected.described_at(self.resource)}"' if self.resource else ""
        if not self.error:
            first = f"Bearer {described}" if described else "Bearer"
            return ", ".join(one for one in (first, f"{dpop.SCHEME} {ALGORITHMS}", described) if one)
        facts = [f'error="{self.error}"']
        plain = self.description.isascii() and self.description.isprintable()
        if self.description and plain and not set(self.description) & {'"', "\\"}:
            facts.append(f'error_description="{self.description}"')
        if self.acr:  # RFC 9470, section 3
            facts.append(f'acr_values="{self.acr}"')
        if self.scheme == dpop.SCHEME:
            facts.append(ALGORITHMS)
        if described:  # RFC 9728, section 5.1
            facts.append(described)
        return f"{self.scheme} {', '.join(facts)}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say it."""
        return {"WWW-Authenticate": self.challenge, **({dpop.NONCE_HEADER: self.nonce} if self.nonce else {})}

    @property
    def body(self) -> dict[str, str]:
        """The same as JSON."""
        return {"error": self.error or "invalid_token", "error_description": self.description}


OWN = Denied("insufficient_scope", "A token of the client's own is needed (client credentials).")
NOT_GOOD = Denied("invalid_token", "The access token is unknown, has expired or was ended.")
NOT_HELD = Denied("invalid_token", "The access token is not bound to what was shown.")


@dataclass(frozen=True)
class Shown:
    """An access token as it was shown, the call that it came with, and the proof in it that was found good."""

    token: str
    call: Call
    proof: Proof | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What every answer to it has to say: the nonce to go on with, where there is a new one (RFC 9449, 8.2)."""
        return self.proof.headers if self.proof else {}

    def refused(self, denied: Denied) -> Denied:
        """Return a refusal in the scheme that the token came by, about the address that it came to."""
        scheme = dpop.SCHEME if self.proof else denied.scheme
        return replace(denied, scheme=scheme, resource=self.call.url)


def presented(database: Database, call: Call, posted: Posted | None = None) -> Shown | Denied:
    """Return the token of a call, or the refusal, which says where the resource is described (RFC 9728, section 5)."""
    found = _presented(database, call, posted)
    return replace(found, resource=call.url) if isinstance(found, Denied) else found


def _presented(database: Database, call: Call, posted: Posted | None) -> Shown | Denied:
    """Return the token of a call, by the scheme Bearer or by DPoP; by the latter with a proof that is good.

    The proof is used up here, in a transaction of its own (RFC 9449, 7.1).
    """
    in_form = posted.all("access_token") if posted else []
    scheme, _blank, token = call.authorization[0].partition(" ") if call.authorization else ("", "", "")
    if scheme.lower() != "dpop" or not token.strip() or len(call.authorization) + len(in_form) > 1:
        return given(call, posted)
    return _proven(database, token.strip(), call)


def given(call: Call, posted: Posted | None = None) -> Shown | Denied:
    """Return the bearer token of a call: from its one `Authorization` header or from its form (RFC 6750, 2.1 and 2.2)."""
    in_form = posted.all("access_token") if posted else []
    schemes = [header.partition(" ") for header in call.authorization]
    if len(schemes) + len(in_form) > 1:
        return Denied("invalid_request", "The token stands in more than one place.")
    if in_form:
        return Shown(in_form[0], call)
    if schemes and schemes[0][0].lower() == "bearer" and schemes[0][2].strip():
        return Shown(schemes[0][2].strip(), call)
    return Denied("", "An access token is needed.")


def access(db: Session, shown: Shown, *, scope: str) -> Access | Denied:
    """Return what a token stands for, if it is good at Erti's own endpoints, in the hands it is bound to, and has the scope."""
    found = tokens.live(db, shown.token)
    if found is None or found.audience != parts(db).settings.issuer:
        return shown.refused(NOT_GOOD)
    if not binding.holds(found.cnf, binding.shown(shown.call, shown.proof)):
        # A bound token that comes as if it were not: the thief's way (RFC 9449, 7.2).
        scheme = dpop.SCHEME if binding.KEY in (found.cnf or {}) else "Bearer"
        return shown.refused(replace(NOT_HELD, scheme=scheme))
    if scope not in found.scopes:
        return shown.refused(Denied("insufficient_scope", f"The token lacks the scope {scope}."))
    return found


def own(
    db: Session, shown: Shown, *scopes: str, even_suspended: bool = False
) -> tuple[Client, Access] | Denied:
    """Return the client that calls for itself: the token is its own (client credentials), with one of the scopes.

    The agency must be active, unless what is asked is refused at the door, where the refusal joins a history.
    """
    tried = [access(db, shown, scope=scope) for scope in scopes]
    found = next((one for one in tried if not isinstance(one, Denied)), tried[-1])
    if isinstance(found, Denied):
        return found
    client = clients.find(db, found.client_id)
    agency = agencies.find(db, client.agency) if client else None
    if client is None or agency is None or not (even_suspended or agency.state == "active"):
        return shown.refused(NOT_GOOD)
    return shown.refused(OWN) if found.citizen is not None else (client, found)


def _proven(database: Database, token: str, call: Call) -> Shown | Denied:
    """Return a token whose proof is good, is by the key that the token is bound to, and came for the first time."""
    try:
        proof = dpop.verify(database.parts, call, token=token)
        with database.writing() as db:
            found = tokens.live(db, token)
            if found is None or (found.cnf or {}).get(binding.KEY) != proof.jkt:
                return replace(NOT_GOOD if found is None else NOT_HELD, scheme=dpop.SCHEME)
            dpop.first_use(db, proof)
    except ProofRefused as refused:
        dpop.tell(refused, call)
        return Denied(refused.error, refused.description, dpop.SCHEME, refused.nonce)
    return Shown(token, call, proof)
