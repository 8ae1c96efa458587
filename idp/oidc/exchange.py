"""Token exchange: a service that was shown a citizen's token gets a narrower one to show to the next (RFC 8693)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from consent import agencies, kept
from core.database import parts
from core.events import Actor, record
from idp.oidc import binding, clients, families, protected, subjects, tokens
from idp.oidc.binding import Confirmation
from idp.oidc.client import Client
from idp.oidc.events import SignInPassedOn
from idp.oidc.families import Family
from idp.oidc.tokens import Access

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
MOST_ACTORS: Final = 3  # services in a row; who is further away has no business with a citizen's sign-in


class ExchangeRefused(Exception):
    """An error of RFC 8693, 2.2.2; the description is ASCII, for the client's developer."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


@dataclass(frozen=True)
class Wish:
    """What a client asks for. `held` is all that it shows, `cnf` what its new token will be bound to."""

    subject_token: str
    actor_token: str
    scope: str
    resources: Sequence[str]
    held: Confirmation
    cnf: Confirmation | None


@dataclass(frozen=True)
class Passed:
    """What a client gets."""

    token: str
    seconds: int
    scope: str


def exchange(db: Session, client: Client, wish: Wish) -> Passed:
    """Return a token for the next service, and say so in the citizen's history. It establishes:

    (1) the subject token is one of ours that lives, with its sign-in and its own client, and is about a citizen;
    (2) it was meant for this client: issued to it, or for a resource that it serves;
    (3) it is in the right hands: bound to what its own client shows, and never exchanged into one that is not bound;
    (4) an actor token, if any, is this client's own: nobody acts in another's name;
    (5) with this client, no more services stand in the row than may (RFC 8693, 4.1);
    (6) the citizen is called the same by both clients, so that nobody learns another name for them;
    (7) the resource is another's that this client was registered for, never Erti itself;
    (8) the scope is not wider, and the life not longer.

    `act` always names who exchanged it, whether it sent an actor token or not, and innermost who signed in for the citizen.
    Raises ExchangeRefused.
    """
    subject = tokens.live(db, wish.subject_token)
    owner = _active(db, subject.client_id) if subject else None
    if subject is None or owner is None or subject.citizen is None or subject.authorization_id is None:
        raise ExchangeRefused("invalid_request", "The subject_token is unknown, over, or nobody's.")  # (1)
    _check_meant(client, subject)  # (2)
    _check_hands(client, subject, wish)  # (3)
    _check_actor(db, client, wish.actor_token)  # (4)
    act = {"sub": client.client_id, **({"act": subject.act} if subject.act else {})}
    if _actors(act) > MOST_ACTORS + (subject.actor is not None):  # (5)
        raise ExchangeRefused("invalid_request", "The subject_token was passed on too often.")
    if subjects.sub(db, owner, subject.citizen) != subjects.sub(db, client, subject.citizen):  # (6)
        raise ExchangeRefused("invalid_request", "The citizen has another ID at this client.")
    resource = _resource(db, client, wish.resources)  # (7)
    scope = _scope(subject, wish.scope)  # (8)
    family = families.read(db, subject.authorization_id)
    made, seconds = tokens.issue_access(
        db,
        client,
        scope=scope,
        audience=resource,
        family=family,
        cnf=wish.cnf,
        act=act,
        until=subject.expires_at,
    )
    _announce(db, client, family, resource)
    return Passed(made, seconds, scope)


def _active(db: Session, client_id: str) -> Client | None:
    """Return a client that is switched on, of an agency that is not suspended."""
    found = clients.find(db, client_id)
    agency = agencies.find(db, found.agency) if found else None
    return found if agency is not None and agency.state == "active" else None


def _check_meant(client: Client, subject: Access) -> None:
    if subject.client_id != client.client_id and subject.audience not in client.serves:
        raise ExchangeRefused("invalid_request", "The subject_token was not meant for this client.")


def _check_hands(client: Client, subject: Access, wish: Wish) -> None:
    if subject.client_id == client.client_id and not binding.holds(subject.cnf, wish.held):
        raise ExchangeRefused("invalid_request", "The subject_token is not bound to what was shown.")
    # A service cannot show the key of the client that called it. It has checked that client's proof itself.
    if subject.cnf and not wish.cnf:
        raise ExchangeRefused(
            "invalid_request", "A bound token is exchanged only into one that is bound too."
        )


def _check_actor(db: Session, client: Client, actor_token: str) -> None:
    actor = tokens.live(db, actor_token) if actor_token else None
    own = actor is not None and actor.citizen is None and actor.client_id == client.client_id
    if actor_token and not own:
        raise ExchangeRefused("invalid_request", "The actor_token is not a live token of this client's own.")


def _actors(act: dict[str, Any]) -> int:
    return 1 + (_actors(act["act"]) if "act" in act else 0)


def _resource(db: Session, client: Client, asked: Sequence[str]) -> str:
    settings = parts(db).settings
    may = [one for one in client.resources if protected.audience(settings, one) != settings.issuer]
    if not asked and len(may) == 1:
        return may[0]
    if len(asked) != 1 or asked[0] not in may:
        raise ExchangeRefused("invalid_target", "Name one resource that this client may ask tokens for.")
    return asked[0]


def _scope(subject: Access, asked: str) -> str:
    wanted = list(dict.fromkeys(asked.split())) or subject.scopes
    if not set(wanted) <= set(subject.scopes):
        raise ExchangeRefused("invalid_scope", "The scope is wider than that of the subject_token.")
    return " ".join(wanted)


def _announce(db: Session, client: Client, family: Family, resource: str) -> None:
    receiver = kept.look_up(db, ("agency behind", resource), lambda: _behind(db, resource)) or ""
    event = SignInPassedOn(
        agency=client.agency, client=client.client_id, receiver=receiver, resource=resource
    )
    record(db, event, actor=Actor("client", client.client_id), about=family.both)


def _behind(db: Session, resource: str) -> str | None:
    return next((one.agency for one in clients.listing(db) if resource in one.serves), None)
