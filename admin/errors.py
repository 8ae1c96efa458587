"""What the console refuses."""

from core.errors import Conflict, Missing, Refused
from core.language import _


class NotYourRole(Refused):
    """The official's role does not allow this."""

    code = "not-your-role"
    text = _("Your role does not allow this. Ask a colleague whose job it is, or an administrator.")


class ApprovalUnknown(Missing):
    """There is no such request for a second person."""

    code = "approval-unknown"
    text = _("There is no such request.")


class ApprovalOver(Conflict):
    """The request was decided already, or is too old."""

    code = "approval-over"
    text = _("This request is already decided or too old. Ask again if it is still needed.")


class SecondPersonNeeded(Refused):
    """Whoever asked cannot also be the one who agrees."""

    code = "second-person-needed"
    text = _("You asked for this yourself. Somebody else has to agree.")


class NotYourself(Refused):
    """Nobody suspends themselves: it would lock the house from inside."""

    code = "not-yourself"
    text = _("You cannot suspend yourself. Ask another administrator.")


class NothingShown(Refused):
    """The door refused what a clerk wanted to open: not confirmed, over, or not allowed; the text is the rule's."""

    code = "nothing-shown"


class SomebodyElseHasTo(Refused):
    """Nobody makes a letter or a card for themself, or vouches for one; whoever bears the clerk's name goes to a colleague."""

    code = "somebody-else-has-to"
    text = _("This person has your name. Let a colleague do it, also if it is a namesake.")
