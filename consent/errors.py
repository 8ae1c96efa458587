"""What can go wrong between a citizen, an agency and a purpose."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import Conflict, Invalid, Missing, Refused, TooMany
from core.language import Lazy, _


class AgencyUnknown(Missing):
    """No agency has this ID."""

    code = "agency-unknown"
    text = _("There is no agency with this ID.")


class PurposeUnknown(Missing):
    """No purpose has this ID, or not this version."""

    code = "purpose-unknown"
    text = _("There is no such purpose. Check its ID with the agency that published it.")


class GrantUnknown(Missing):
    """The citizen has no such grant."""

    code = "grant-unknown"
    text = _("There is no such permission. Look at your list of permissions.")


class ReceiptUnknown(Missing):
    """There is no such entry, or it is not for whoever asks to have a receipt of it."""

    code = "receipt-unknown"
    text = _("There is no entry with this reference number, or it is not yours.")


class GrantOver(Conflict):
    """The grant ended or changed since the page was shown."""

    code = "grant-over"
    text = _("This permission has changed in the meantime. Look at it again before you decide.")


class RequiredMissing(Invalid):
    """A decision leaves out an attribute that the purpose requires."""

    code = "required-missing"
    text = _("Something that this purpose needs was left out. Allow it, or refuse the whole request.")


class NotAsked(Invalid):
    """A decision names an attribute that the purpose does not."""

    code = "not-asked"
    text = _("The answer names something that was not asked. Load the page again and decide there.")


class TextChanged(Conflict):
    """The citizen read a text that is not the current one."""

    code = "text-changed"
    text = _("The request was changed while you were reading. Please read it again.")


class AskMalformed(Invalid):
    """A read was asked for in a way that no rule can be applied to."""

    code = "ask-malformed"
    text = _("The request is not complete or one of its parts is too long. Check it and send it again.")


class MandateUnknown(Missing):
    """The citizen neither gave nor holds such a mandate."""

    code = "mandate-unknown"
    text = _("There is no such mandate. Look at your list of mandates.")


class MandateOver(Conflict):
    """The mandate was answered or ended since the page was shown."""

    code = "mandate-over"
    text = _("This mandate has changed in the meantime. Look at it again before you decide.")


class TooYoung(Refused):
    """Below the age of consent a parent or guardian decides."""

    code = "too-young"
    text = _(
        "You are not yet of the age at which people decide this alone. A parent or guardian can allow it for you: they sign "
        "in themselves, here or at a public service hall, and say that they are here for you."
    )


class DecidesOtherwise(Refused):
    """A register names a guardian, who decides."""

    code = "decides-otherwise"
    text = _(
        "Somebody helps you with this by law and decides it with you: they sign in themselves and say that they are here "
        "for you. If that is not right, any public service hall takes the time to look at it with you."
    )


class MandateByLaw(Refused):
    """Who acts by birth or law does so until a register says otherwise."""

    code = "mandate-by-law"
    text = _("This is so by birth or law. If it is wrong, turn to the register that says so.")


class MandateMalformed(Invalid):
    """A mandate is for nobody else, for nothing, or for too long."""

    code = "mandate-malformed"
    text = _("This mandate is not complete. Say for whom, for what and until when.")


class SittingUnknown(Missing):
    """There is no such sitting at a desk, or it is somebody else's."""

    code = "sitting-unknown"
    text = _("This is over, or it is not yours. Ask the clerk to begin again.")


class RefusedTooOften(TooMany):
    """A client goes on asking for what the door refuses, or for people it does not find."""

    code = "refused-too-often"
    text = _(
        "Too many requests were refused. Look at the rule that refused them, and wait before trying again."
    )


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in a file: where, as a path in it, and what."""

    path: str
    says: str | Lazy

    def __str__(self) -> str:
        return f"{self.path}: {self.says}"


class EntryUnknown(Missing):
    """The citizen's history has no such entry."""

    code = "entry-unknown"
    text = _("There is no such entry in your history. Look for it in the list.")


class NotDisputable(Conflict):
    """The entry is no look at anybody's data, or its content was erased."""

    code = "not-disputable"
    text = _("Only a look at your data can be disputed, and only while its content is kept.")


class DisputeMalformed(Invalid):
    """What was written in a dispute or its answer is missing, too long, or of no known category."""

    code = "dispute-malformed"
    text = _("The text is missing or too long, or the answer's category is unknown.")


class DisputeUnknown(Missing):
    """There is no such dispute, or it is somebody else's."""

    code = "dispute-unknown"
    text = _("There is no such dispute.")


class DisputeAnsweredAlready(Conflict):
    """The dispute has its answer, and an answer is never replaced."""

    code = "dispute-answered-already"
    text = _("This dispute has been answered already. An answer cannot be changed.")


class DisputesTooMany(TooMany):
    """The citizen opened many disputes within a day."""

    code = "disputes-too-many"
    text = _("You have disputed many looks today. Go on tomorrow; the entries stay where they are.")


class FileRefused(Invalid):
    """A file of agencies and purposes holds mistakes; nothing of it was taken."""

    code = "file-refused"

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        lines = [str(mistake) for mistake in mistakes]
        super().__init__(
            "\n".join(lines),
            detail="1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes",
            mistakes=lines,
        )
        self.mistakes = tuple(mistakes)
