"""What can go wrong between Erti, a client and a person's browser, outside the standards' own error answers."""

import re

from core.errors import Conflict, Invalid, Missing, Refused
from core.language import _

_CLIENT_ID = re.compile(r"[\x21-\x7e]{1,128}")


class ClientUnknown(Missing):
    """No client has this ID, or it is switched off."""

    code = "client-unknown"
    text = _("There is no client with this ID.")


class ClientKeysWrong(Invalid):
    """A client's JWK Set cannot be used."""

    code = "client-keys"
    text = _("The keys of this client cannot be used. Publish a JWK Set with public keys only.")


class ClientKeysAway(Conflict):
    """An answer has to be encrypted, and the client has no key that can be used for it now; nothing was done."""

    code = "client-keys-away"
    text = _(
        "The key to encrypt this answer with could not be read at the client's address. Try again shortly."
    )


class RequestUnanswerable(Invalid):
    """An authorization request whose answer cannot be sent back, because client or redirect URI is not known."""

    code = "authorization-request"
    text = _(
        "The site that sent you here made a mistake in its request, so we cannot send you back to it. "
        "Go back to the site and start again; if it happens again, tell the site."
    )

    def __init__(self, rule: str, says: str, *, client_id: str = "") -> None:
        """`says` tells the client's developer what to change; who asks for the page's reference is told it."""
        super().__init__(detail=says)
        known = client_id if _CLIENT_ID.fullmatch(client_id) else ""
        self.logged = {"client": known, "error": "invalid_request", "rule": rule}


class RequestOver(RequestUnanswerable):
    """A request that was pushed is answered, has expired, or is another client's: the three look alike (RFC 9126, 4)."""

    code = "authorization-request-over"
    text = _(
        "This sign-in took too long, or it is finished. Go back to the site you came from and start again."
    )


class InteractionOver(Missing):
    """The sign-in took too long, or was finished already."""

    code = "interaction-over"
    text = _("This sign-in has ended. Go back to the site you came from and start again.")


class LogoutUnanswerable(Invalid):
    """A logout request that names a client or an address that do not fit together."""

    code = "logout-request"
    text = _(
        "The site that sent you here made a mistake in its request, so we cannot send you back to it. "
        "You can sign out of Erti on its own page."
    )


class BodyNotUnderstood(Invalid):
    """The JSON body is not what the endpoint takes; `mistake` says where."""

    code = "body-not-understood"
    text = _("The body is not what this endpoint takes. See the documentation of this endpoint.")


class ReadRefused(Refused):
    """A read that a rule of the door refused; `rule` names it."""

    code = "read-refused"
    text = _("This read is not allowed.")


class GrantNotFound(Missing):
    """There is no such grant, or none that was issued to this client: the two look alike."""

    code = "grant-not-found"
    text = _("We could not find a grant with this ID that was issued to you.")


class CitizenNotFound(Missing):
    """There is no such citizen, or none that this agency may find: the two look alike."""

    code = "citizen-not-found"
    text = _("We could not find a citizen that you may look up with what you gave.")
