"""What can go wrong between a registry and its copy here."""

from core.errors import Conflict, Invalid, Missing
from core.language import Lazy, _


class SourceUnknown(Missing):
    """No register of that name is connected."""

    code = "source-unknown"
    text = _("No register has this name. Choose one that the service knows: civil or tax.")


class FileUnusable(Invalid):
    """A register's file cannot be read at all, as apart from bad records in it."""

    code = "file-unusable"
    text = _(
        "The file is not one this register writes: its first line does not name the columns. Ask for it again."
    )


class ImportRunning(Conflict):
    """Two processes import the same file at the same time."""

    code = "import-running"
    text = _("This file is being imported by another process. Wait until it has finished.")


class RecordUnknown(Missing):
    """Nothing with this number is in quarantine."""

    code = "record-unknown"
    text = _("This record is not in quarantine. It may have been settled since; load the list again.")


class RecordClosed(Conflict):
    """A record in quarantine that was settled or dismissed cannot be decided again."""

    code = "record-closed"
    text = _("This record was already settled or dismissed. Load the list again.")


class PersonUnknown(Missing):
    """The citizen ID belongs to nobody in the registers' copy."""

    code = "person-unknown"
    text = _("Nobody has this citizen ID. Check it: a wrong character never leads to another person.")


class IdentifierTaken(Conflict):
    """A national identifier belongs to one person only."""

    code = "identifier-taken"
    text = _("Somebody already has this national identifier. Check the number.")


class MessageRefused(Invalid):
    """A registry's message was not accepted; `err` is the code of RFC 8935, section 2.4."""

    code = "message-refused"
    text = _(
        "The message was not accepted. Check its signature, issuer, audience and form, and send it again."
    )

    def __init__(self, err: str, description: str | Lazy) -> None:
        super().__init__(description, detail=err)
        self.err = err
