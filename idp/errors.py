"""What can go wrong with a citizen's account."""

from core.errors import Conflict, Invalid, Missing, Refused
from core.language import _


class AccountMissing(Missing):
    """This citizen has not activated an account."""

    code = "account-missing"
    text = _("There is no active account. Activate it with the code from a public service hall.")


class AccountLocked(Refused):
    """The account is locked or closed, so nobody can sign in to it."""

    code = "account-locked"
    text = _("This account is locked. A public service hall can tell you why and what opens it again.")


class GuardianNeeded(Refused):
    """A child gets a letter or card only with a parent or guardian at the counter."""

    code = "guardian-needed"
    text = _(
        "This person is below the age at which people decide alone. Ask which parent or guardian is here, look at their "
        "document, and give their citizen ID. If none is here, the child comes back with one of them."
    )


class NotTheirGuardian(Refused):
    """Whoever is named at the counter does not act for this child, as far as a register says."""

    code = "not-their-guardian"
    text = _(
        "No register names this person as a parent or guardian of the child. Check the citizen ID. If it is right, the "
        "other parent can come, or the civil register has to be put right first, with the birth certificate or the court's order."
    )


class NobodyActs(Refused):
    """A register names no living parent or guardian of a child, so a second official has to agree."""

    code = "nobody-acts"
    text = _(
        "This person is below the age at which people decide alone, and no register names a living parent or guardian. A "
        "colleague has to agree first: say why the child needs it, and who takes care of it."
    )


class SomebodyActs(Refused):
    """A register names a parent or guardian, or the person is of age, so no second official stands in."""

    code = "somebody-acts"
    text = _(
        "The person is of age, or a register names a parent or guardian, who has to come to the counter."
    )


class NotLiving(Refused):
    """Only a living person in the civil register can have an account."""

    code = "not-living"
    # Relatives may read it, so it does not say what the register says.
    text = _(
        "This account cannot be opened just now. A public service hall can tell you more, and takes the time for it: "
        "bring an identity document."
    )


class NameUnfit(Invalid):
    """The chosen sign-in name cannot be a name."""

    code = "name-unfit"
    text = _("Use 3 to 64 letters or digits of one alphabet, with . - _ between them, or an e-mail address.")


class NameTaken(Conflict):
    """Somebody else's sign-in name is this one, or looks like it."""

    code = "name-taken"
    text = _("This name cannot be used. Choose another, or leave it empty and use your citizen ID.")


class PasswordUnfit(Invalid):
    """The chosen password is too easy to guess."""

    code = "password-unfit"
    text = _("Choose a longer password.")


class BreachedListWrong(Invalid):
    """The file of breached passwords that a setting names cannot be used, or nothing could be put into one."""

    code = "breached-list-wrong"
    text = _("The list of breached passwords cannot be used. Make one with `erti passwords build`.")


class PlacesWrong(Invalid):
    """The file of places that a setting names cannot be used."""

    code = "places-wrong"
    text = _(
        "The file of places (ERTI_PLACES_FILE) cannot be used. Download it anew, uncompressed, with cities or countries, "
        "or leave the setting empty."
    )


class CodeSpent(Conflict):
    """The activation code was used or replaced by a newer one in the meantime."""

    code = "activation-code-spent"
    text = _(
        "This activation code no longer works. Use the newest letter, or ask for another at the counter."
    )


class LastStrongMethod(Conflict):
    """Without this way of signing in the account could not be entered safely any more."""

    code = "last-strong-method"
    text = _("This is the last safe way into your account. Add another one first, then remove this.")


class PasskeyRefused(Refused):
    """The passkey's answer does not prove what it must."""

    code = "passkey-refused"
    text = _("The passkey was not accepted. Try again, or use another way to sign in.")


class LinkOver(Missing):
    """The link in a letter was used, is too old, or never was."""

    code = "link-over"
    text = _(
        "This link does not work any more: it was used, or is too old. Sign in and look at your sign-ins "
        "there. If you cannot, go to a public service hall."
    )


class PasskeyUnknown(PasskeyRefused):
    """The passkey was never added here, or was removed; its device may forget it."""

    code = "passkey-unknown"
    text = _("This passkey is not known here, or was removed. Use another one, or another way to sign in.")


class PasskeySuspected(PasskeyRefused):
    """The passkey's counter went back, so there may be a copy of it; it opens nothing any more."""

    code = "passkey-suspected"
    text = _(
        "This passkey may have been copied, so it no longer signs in. Sign in another way and remove it. If you have no "
        "other, set one up with a recovery code."
    )


class PasskeyUnproven(PasskeyRefused):
    """The country accepts passkeys of proven models only, and this one did not prove which it is."""

    code = "passkey-unproven"
    text = _(
        "This passkey cannot show which device holds it, and only devices that were checked are accepted here. "
        "Use a security key that is accepted, or a password and an app."
    )


class NoTestCitizens(Refused):
    """Test citizens exist only outside production."""

    code = "no-test-citizens"
    text = _("Test citizens cannot be made in production mode.")


class LockUnknown(Missing):
    """The account is not locked for this reason."""

    code = "lock-unknown"
    text = _("This account is not suspended. Look at its state again before you go on.")


class PinUnfit(Invalid):
    """The chosen PIN is too easy to guess."""

    code = "pin-unfit"
    text = _("Choose another PIN.")


class CardMissing(Missing):
    """There is no card that works."""

    code = "card-missing"
    text = _("There is no card that works. Print a new one, or ask for one at a public service hall.")


class OrderOver(Conflict):
    """A card was printed already, or its time at the counter ran out."""

    code = "card-order-over"
    text = _("This card was printed already, or its time ran out. Begin again.")


class VisitUnknown(Missing):
    """There is no such visit at this clerk's counter."""

    code = "visit-unknown"
    text = _("Nobody is at your counter under this number. Begin again.")


class VisitOver(Conflict):
    """Something came of a visit already, or its time ran out."""

    code = "visit-over"
    text = _("A letter was made or the account opened already, or the time ran out. Begin again.")


class CardHeld(Refused):
    """A card from a counter does not open yet an account that has other ways in."""

    code = "card-held"
    text = _(
        "This card does not open the account yet, because the account was in use before the card was made. It works after "
        "some days, or at once if you begin it under Sign-in and security, or if a second person at the counter sees you."
    )


class OrderUnknown(Missing):
    """There is no such card at this clerk's counter."""

    code = "card-order-unknown"
    text = _("There is no such card at your counter.")


class PadTaken(Conflict):
    """Two counters would show the same code."""

    code = "pad-taken"
    text = _("Another counter is using this code just now. Begin again.")


class AddressUnfit(Invalid):
    """What was typed is not an e-mail address that letters can be sent to."""

    code = "address-unfit"
    text = _("Enter an e-mail address such as nino@example.org.")


class NumberUnfit(Invalid):
    """What was typed is not a mobile number that messages can be sent to."""

    code = "number-unfit"
    text = _("Enter a mobile number with its country, such as +995 555 123 456.")


class ContactsFull(Conflict):
    """A citizen has as many addresses and numbers as one may have."""

    code = "contacts-full"
    text = _("You have as many addresses and numbers as can be kept. Remove one first.")


class WaitOver(Conflict):
    """The waiting time of somebody who comes back by e-mail was stopped or is over."""

    code = "reentry-over"
    text = _("This way back was stopped, or its time is over. Begin again, or go to a public service hall.")
