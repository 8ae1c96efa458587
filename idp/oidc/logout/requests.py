"""A client's wish to end a session (OpenID Connect RP-Initiated Logout 1.0): what it proves, and where it leads."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from core.forms import Posted
from idp.oidc import clients, id_tokens, redirects
from idp.oidc.client import Client
from idp.oidc.errors import LogoutUnanswerable
from keys.errors import BadToken

PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales", "logout_hint")


@dataclass(frozen=True)
class Leaving:
    """A logout request that was examined. `target` is where to go afterwards, empty for nowhere."""

    client: Client | None
    target: str
    fields: dict[str, str]


def examine(db: Session, posted: Posted) -> Leaving:
    """Examine a logout request. It establishes, in this order (RP-Initiated Logout 1.0, sections 2 and 3):

    (1) no parameter is repeated;
    (2) a hint that is an ID token of ours, expired or not, names the client; any other counts for nothing;
    (3) `client_id` and the hint name the same client;
    (4) the redirect URI is registered by that client, character by character.

    Raises LogoutUnanswerable. It never ends anything: the person is asked.
    """
    fields = {name: posted.raw(name) for name in PARAMETERS if posted.raw(name)}
    if any(posted.repeated(name) for name in PARAMETERS):  # (1)
        raise LogoutUnanswerable(detail="repeated")
    hinted = _audience(db, fields.get("id_token_hint", ""))  # (2)
    named = fields.get("client_id", "")
    if named and hinted and named != hinted:  # (3)
        raise LogoutUnanswerable(detail="client_id")
    client = clients.find(db, named or hinted) if named or hinted else None
    uri = fields.get("post_logout_redirect_uri", "")
    if uri and (client is None or uri not in client.post_logout_redirect_uris):  # (4)
        raise LogoutUnanswerable(detail="post_logout_redirect_uri")
    state = {"state": fields["state"]} if "state" in fields else {}
    return Leaving(client, redirects.extended(uri, state) if uri else "", fields)


def _audience(db: Session, hint: str) -> str:
    if not hint:
        return ""
    try:
        return str(id_tokens.hinted(db, hint).get("aud", ""))
    except BadToken:
        return ""
