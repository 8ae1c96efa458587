"""Bearer tokens at Erti's own endpoints: where they may stand, and what is answered when one is not good."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from consent import agencies
from core.database import parts
from core.forms import Posted
from idp.oidc import binding, clients, tokens
from idp.oidc.calls import Call
from idp.oidc.client import Client
from idp.oidc.tokens import Access

STATUS = {"": 401, "invalid_request": 400, "invalid_token": 401, "insufficient_scope": 403}


@dataclass(frozen=True)
class Denied:
    """A refusal of RFC 6750, section 3. Without an error code: no token was given at all."""

    error: str
    description: str = ""

    @property
    def code(self) -> int:
        """The HTTP status that belongs to the error."""
        return STATUS[self.error]

    @property
    def challenge(self) -> str:
        """The value of `WWW-Authenticate`; a description that is not plain ASCII is left out of it."""
        if not self.error:
            return "Bearer"
        facts = [f'error="{self.error}"']
        plain = self.description.isascii() and self.description.isprintable()
        if self.description and plain and not set(self.description) & {'"', "\\"}:
            facts.append(f'error_description="{self.description}"')
        return f"Bearer {', '.join(facts)}"

    @property
    def body(self) -> dict[str, str]:
        """The same as JSON."""
        return {"error": self.error or "invalid_token", "error_description": self.description}


OWN = Denied("insufficient_scope", "A token of the client's own is needed (client credentials).")
NOT_GOOD = Denied("invalid_token", "The access token is unknown, has expired or was ended.")


@dataclass(frozen=True)
class Shown:
    """An access token as it was shown, and the call that it came with."""

    token: str
    call: Call


def given(call: Call, posted: Posted | None = None) -> Shown | Denied:
    """Return the token of a call: from its one `Authorization` header or from its form (RFC 6750, 2.1 and 2.2)."""
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
    if (
        found is None
        or found.audience != parts(db).settings.issuer
        or not binding.holds(found.cnf, shown.call)
    ):
        return NOT_GOOD
    if scope not in found.scopes:
        return Denied("insufficient_scope", f"The token lacks the scope {scope}.")
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
        return NOT_GOOD
    return OWN if found.citizen is not None else (client, found)
