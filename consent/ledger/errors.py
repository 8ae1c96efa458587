"""What can go wrong in the ledger."""

from core.errors import Conflict, Invalid, Missing, Refused, TooMany
from core.language import _


class LedgerBusy(TooMany):
    """An entry was not durable in time, or cannot be made now; nothing may be released."""

    code = "ledger-busy"
    text = _("The record of this could not be made in time, so nothing was handed over. Try again shortly.")


class RequestReused(Conflict):
    """A request ID came back with another body, or later than a retry would."""

    code = "request-reused"
    text = _("This request ID was already used for another request. Use a new one.")


class LedgerMismatch(Conflict):
    """The ledger in the database was opened under another origin or with other keys."""

    code = "ledger-mismatch"
    text = _("The ledger in this database belongs to other keys. Check the data folder and the settings.")


class SignerRefused(Conflict):
    """What the database holds is not an extension of what was signed before; nothing is signed."""

    code = "signer-refused"
    text = _("The ledger does not extend what was signed before. Nothing is signed until this is resolved.")


class ClockBehind(SignerRefused):
    """This machine's clock is behind the time of a checkpoint that was signed; nothing is signed until it is right."""

    code = "clock-behind"
    text = _(
        "The clock of this machine is behind the time at which the newest checkpoint was signed. Nothing is signed until the clock is right."
    )


class BadOrigin(Invalid):
    """An origin that cannot be the name of a log's keys (C2SP signed-note)."""

    code = "bad-origin"
    text = _("A log's origin is one word without spaces or a plus sign, e.g. ledger.example.gov/2027.")


class OriginTaken(Conflict):
    """A log is to be started under an origin that another log here already has."""

    code = "origin-taken"
    text = _("There is already a log with this origin. Each year's log needs one of its own.")


class NothingToErase(Missing):
    """There is no such entry, or what there was is erased already."""

    code = "nothing-to-erase"
    text = _("There is nothing like that to erase.")


class MustBeKept(Refused):
    """A law wants the entries kept for longer; `text` says until when."""

    code = "must-be-kept"
    text = _("The law wants this kept for longer.")


class ErasureUnknown(Missing):
    """There is no such erasure."""

    code = "erasure-unknown"
    text = _("There is no such erasure.")


class AlreadyOrdered(Conflict):
    """The same erasure was asked for before and is on its way."""

    code = "already-ordered"
    text = _("This is being erased already.")


class PolicyWrong(Conflict):
    """The retention policy cannot be read; `detail` says where and why."""

    code = "policy-wrong"
    text = _("The retention policy cannot be read. Correct the file that the settings name.")


class NotRecoverable(Conflict):
    """A ledger cannot be brought back to what was signed with what there is; nothing was changed."""

    code = "not-recoverable"
    text = _("The ledger could not be brought back from what is there. Nothing was changed.")
