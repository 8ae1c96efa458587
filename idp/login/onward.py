"""Where a sign-in leads: the client whose request sent somebody here."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from idp.oidc import clients, interactions, redirects

PATH = "/authorize/"
LONGEST_HINT = 254


@dataclass(frozen=True)
class Onward:
    """The client's name, the name it thinks its user has, and the origin that its answer goes to.

    The origin belongs into a page's `form-action`, because the answer to the page's form may lead there. `leave` is
    where a form goes back to the client: never anything else that an address could make of a path to go back to.
    """

    name: str = ""
    hint: str = ""
    origins: tuple[str, ...] = ()
    leave: str = ""


def read(db: Session, return_to: str) -> Onward:
    """Return what a path to go back to leads to; empty unless it is an interaction that is under way."""
    if not return_to.startswith(PATH):
        return Onward()
    interaction = return_to.removeprefix(PATH).partition("?")[0]
    found = interactions.find(db, interaction)
    client = clients.find(db, found.client_id) if found else None
    if found is None or client is None:
        return Onward()
    uri = found.posted.raw("redirect_uri")
    origins = (redirects.origin(uri),) if uri and client.accepts(uri) else ()
    hint = found.posted.raw("login_hint")[:LONGEST_HINT]
    return Onward(client.name, hint, origins, leave=f"{PATH}{interaction}/leave")
