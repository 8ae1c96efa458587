"""What can go wrong with an event stream."""

from core.errors import Conflict, Invalid, Missing, TooMany
from core.language import _


class StreamUnknown(Missing):
    """This client has no stream with this ID, or none at all."""

    code = "stream-unknown"
    text = _("You have no event stream with this ID.")


class StreamExists(Conflict):
    """A client has one stream (Shared Signals Framework 1.0, 8.1.1.1)."""

    code = "stream-exists"
    text = _("You have an event stream already. Change it, or delete it first.")


class StreamRefused(Invalid):
    """A stream's configuration, or a request about it, that cannot be; `mistake` says why."""

    code = "stream-refused"
    text = _("The request is not what this endpoint takes. See the documentation of event streams.")


class ChangedTooOften(TooMany):
    """A client changes its stream all the time."""

    code = "stream-changed-too-often"
    text = _("Your event stream was changed too often. Wait a little.")


class VerifiedJustNow(TooMany):
    """Verification events come no faster than `min_verification_interval`."""

    code = "verified-just-now"
    text = _("A verification event was asked for just now. Wait a little.")
