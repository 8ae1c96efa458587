"""What can go wrong for staff."""

from core.errors import Conflict, Invalid, Missing, Refused
from core.language import _


class StaffExists(Conflict):
    """The first invitations are made only while there is nobody to make others."""

    code = "staff-exists"
    text = _("There is staff already. New people are invited by an administrator in the console.")


class LastAdministrators(Conflict):
    """Two administrators stay, so that there is always a second person."""

    code = "last-administrators"
    text = _("Two administrators have to stay. Invite another one first, with the second one's agreement.")


class StaffUnknown(Missing):
    """No such staff member."""

    code = "staff-unknown"
    text = _("There is no such staff member.")


class InvitationSpent(Refused):
    """The invitation was used, replaced, has expired, or never existed."""

    code = "invitation-spent"
    text = _("This invitation does not work any more. Ask an administrator for a new one.")


class PasskeyRefused(Refused):
    """The passkey's answer does not prove what it should; the reason stays in the log."""

    code = "staff-passkey-refused"
    text = _("The passkey was not accepted. Load the page again and try once more, or ask an administrator.")


class RoleUnknown(Invalid):
    """There is no such role."""

    code = "role-unknown"
    text = _("There is no such role. Choose one from the list.")


class TwoPeopleNeeded(Invalid):
    """The house begins with two people, never with one."""

    code = "two-people-needed"
    text = _("Give the names of two different people.")
