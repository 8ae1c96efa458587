"""What can go wrong with a key."""

from core.errors import Conflict, Invalid, Missing
from core.language import _


class Shredded(Missing):
    """The key that opened this has been destroyed, so nobody can read it again."""

    code = "shredded"
    text = _("This information was erased and cannot be recovered.")


class BadToken(Invalid):
    """A signed token is not one of ours, not for this use, or no longer valid."""

    code = "bad-token"
    text = _("The token is not valid. Sign in again to get a new one.")


class BadSeal(Conflict):
    """A sealed value was altered, or is not the one that belongs here."""

    code = "bad-seal"
    text = _("Stored information failed its integrity check. Tell the service desk the reference number.")


class CustodyBroken(Conflict):
    """The key folder or token does not hold what the database relies on."""

    code = "custody-broken"
    text = _("The key store is not the one that this database was made with. Restore the key folder.")


class EpochUnknown(Missing):
    """There is no key-encryption epoch of that number."""

    code = "epoch-unknown"
    text = _("There is no sealing epoch of that number.")


class EpochInUse(Conflict):
    """Something is still wrapped by the epoch, or it is the one that wraps: its key must not be destroyed."""

    code = "epoch-in-use"
    text = _("This sealing epoch is still in use. Begin a new one and move every key to it first.")


class KeysBusy(Conflict):
    """Somebody else holds these data keys at the moment; nothing was changed."""

    code = "keys-busy"
    text = _("These keys are in use at this moment. Try again shortly.")
