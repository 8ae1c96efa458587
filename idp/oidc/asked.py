"""An authorization request as it came, while it is examined, and what it comes to."""

from dataclasses import dataclass, field

from consent import assurance
from consent.allowances import Allowance
from consent.purposes import Purpose
from core.forms import Posted
from idp.oidc.claims import Claims
from idp.oidc.client import Client


class Refusal(Exception):
    """An error for the client, by a code of the standard; the description is ASCII, for its developer."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


@dataclass(frozen=True)
class Arrived:
    """The parameters that count: those sent, those of a request object, or those pushed before.

    `pushed` names the stored request that they come from (RFC 9126), `signed` says that they are a signed request
    object's (RFC 9101). `unread` is why a request object or reference could not be read: then the parameters are those
    around it, which say where the error goes and no more.
    """

    posted: Posted
    pushed: str = ""
    signed: bool = False
    unread: Refusal | None = None


@dataclass
class Asked:
    """An authorization request; CHECKS fill it from top to bottom.

    `pushed`, `signed` and `unread` are those of `Arrived`. `device` names the device that asks (RFC 8628), where no
    browser is sent back. `response_mode` is one that says how, never ``jwt`` alone.
    `attributes` are those of the sign-in purpose that scopes and claims ask for, `beyond` what claims name
    that it does not cover, `extra` the further purposes. `acr` is the least assurance that is wanted, `subject` the
    `sub` that has to sign in, or for whom; `actor` is the `sub` of who acts for it as an ID token says that came back as a
    hint, empty if nobody does, and None without such a hint. `pieces` are
    purposes and attributes that `authorization_details` name beside the sign-in's, `details` all that they
    name, `limits` how they narrow a purpose. `action` is what shall become of the client's grant `grant_id`,
    `named` whom the request names so far. `jkt` is the thumbprint of the key that has to redeem the code.
    """

    posted: Posted
    pushed: str = ""
    signed: bool = False
    unread: Refusal | None = None
    device: str = ""
    client: Client = None  # type: ignore[assignment]  # the first check sees to it
    redirect_uri: str = ""
    state: str = ""
    response_mode: str = "query"
    scopes: tuple[str, ...] = ()
    purpose: Purpose | None = None
    attributes: frozenset[str] = frozenset()
    beyond: frozenset[str] = frozenset()
    extra: tuple[Purpose, ...] = ()
    resources: tuple[str, ...] = ()
    challenge: str = ""
    jkt: str = ""
    nonce: str = ""
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    claims: Claims = field(default_factory=Claims)
    acr: str = assurance.LEVELS[0]
    acr_essential: bool = False
    subject: str = ""
    pieces: tuple[tuple[Purpose, frozenset[str]], ...] = ()
    details: tuple[tuple[str, frozenset[str]], ...] = ()
    limits: dict[str, Allowance] = field(default_factory=dict)
    action: str = ""
    grant_id: str = ""
    named: set[str] = field(default_factory=set)
    actor: str | None = None

    def given(self, name: str) -> str:
        """Return a parameter, empty if it was not sent; one without a value counts as not sent (RFC 6749, 3.1)."""
        return self.posted.raw(name)


@dataclass(frozen=True)
class Refused:
    """A request that is answered with an error, at a redirect URI that was validated."""

    asked: Asked
    error: str
    description: str
