"""What helps somebody who was refused something: words for support to say, by what refused it."""

from core.language import Lazy, _
from core.refusals import Refusal

_BY_CODE: dict[str, Lazy] = {
    "account-locked": _(
        "The account is paused, suspended, about to be closed or locked for another reason. Its page after the sign-in "
        "says which, and what opens it. Say nothing about somebody else's account."
    ),
    "account-missing": _("There is no account yet. A counter prints a letter with an activation code."),
    "not-living": _(
        "Say gently that a counter has to look at this with the person's papers. Do not guess at the reason."
    ),
    "activation-code-spent": _(
        "The code was used, or a newer letter replaced it. A counter prints another letter."
    ),
    "authorization-request": _(
        "The agency's site made a mistake in its request; the rule says which. The person can do nothing: tell the "
        "agency, and let the person use another way to it."
    ),
    "authorization-request-over": _(
        "The sign-in took too long. It helps to begin again at the agency's site."
    ),
    "interaction-over": _("The sign-in took too long. It helps to begin again at the agency's site."),
    "forged-form": _(
        "The page was open for very long, cookies are switched off, or the browser signed in elsewhere meanwhile. It helps to load the page "
        "again; if it does not, to allow cookies for this site."
    ),
    "passkey-refused": _(
        "The passkey is not this account's, was removed, or belongs to another site. Another way to sign in helps, "
        "or a letter from a counter."
    ),
    "too-many": _("Too many attempts from one place. Waiting helps; the account itself is not locked by it."),
    "too-young": _(
        "Below the age of consent a parent or guardian decides. A counter can print the letter for them and the child."
    ),
    "decides-otherwise": _(
        "A guardian or a court decides for this person in this matter. A counter can say who, against papers."
    ),
    "problem": _(
        "A mistake on our side. Give the reference number to the operators: the log of the servers explains it."
    ),
}
_BY_RULE: dict[str, Lazy] = {
    "login: password": _(
        "Name and password do not go together. Nobody is told which is wrong. The person may use a recovery code, "
        "a passkey, or a letter from a counter."
    ),
    "login: wait": _(
        "Too many wrong attempts at this name or from this place. A browser used before, or a passkey, gets in at once; "
        "else waiting helps."
    ),
    "code: totp-code": _(
        "The app's code was wrong, used before, or the phone's clock is wrong. Setting the phone's time by itself helps."
    ),
    "code: recovery-code": _("The recovery code was used before or misread; each works once."),
    "recovery: recovery-code": _(
        "Where there is a password, it comes first and the recovery code takes the app's place."
    ),
    "shut: paused": _(
        "The person paused the account, or somebody in their name. Its page opens it again with a recovery code after some "
        "days, a counter at once."
    ),
    "shut: closing": _("The account is about to close. “Keep my account” on that page keeps it."),
    "shut: suspended": _(
        "Two of the staff suspended the account; the page says why. Whoever is its owner turns to a counter with a document."
    ),
    "shut: guarded": _(
        "A register says that a guardian acts in everything. A counter looks at it with the person and their papers."
    ),
    "shut: deceased": _(
        "A register told of a death. If it is a mistake, say so gently: a counter and the register put it right."
    ),
    "activate: activation-code": _(
        "Citizen ID and code do not go together, or the letter is too old. A counter prints another letter."
    ),
}
_LOOK_AGAIN = _("What was typed did not fit; the words told say what does. Nothing was kept or lost.")
_MAILED_CODE = _(
    "The code was mistyped, is over, or is not from the newest message. The person looks for that one, in the folder for "
    "unwanted mail too; the page sends another on request."
)
# By the page whose form came back; what stands above is more exact.
_BY_FORM: dict[str, Lazy] = {
    "account": _LOOK_AGAIN,
    "activate_method": _(
        "The passkey was not taken. Another browser or device helps, or a password with an app."
    ),
    "app": _(
        "The app's code was wrong. It has to be the newest, and the phone's clock must set itself; else the app is set up "
        "once more from the page."
    ),
    "activate": _(
        "Citizen ID and code stand on the letter. If they do not help, a counter prints another letter."
    ),
    "code": _("The app's code or the recovery code was wrong or used before. Each works once."),
    "login": _(
        "The sign-in was not right; the words told say how. A passkey or a browser used before helps."
    ),
    "recovery": _("Name and recovery code do not go together, or the code was used before. Each works once."),
    "card_block": _(
        "The card's number or the blocking code does not fit. A counter blocks the card at once, and so does its owner on their page."
    ),
    "card_new": _("The PIN does not fit, or cards were printed too often today. The words told say which."),
    "card_number": _(
        "The number is not one of a card: twelve digits, on its front. A lost card is blocked at a counter."
    ),
    "card_proof": _(
        "PIN and code do not go together with this card. Each code works once; after five wrong PINs the card is blocked, and "
        "a counter prints another."
    ),
    "choose_password": _("The password or the name does not fit; the words told say what does."),
    "contact": _("The address or number was not taken; the words told say why."),
    "contact_code": _MAILED_CODE,
    "device": _(
        "The code on the device was mistyped or is over. The device shows a new one when it is started again."
    ),
    "dispute_new": _LOOK_AGAIN,
    "history": _(
        "The filter does not fit, for example a day that does not exist. The history itself is all there."
    ),
    "mandate_new": _(
        "The mandate is not complete. The other's citizen ID, a day within five years, and at least one agency or purpose "
        "are needed."
    ),
    "my_desk": _(
        "The number is not the one on the clerk's screen, or the clerk's question is over. The clerk begins again."
    ),
    "pad": _(
        "The number is not the one on the clerk's screen, or the pad's time is over. The clerk gives another."
    ),
    "pad_card": _("Card, PIN and code do not go together. The code is the next one that is not crossed out."),
    "pad_pin": _("The PIN does not fit: the two must be alike, and no row, date or number from the papers."),
    "passkey": _(
        "The passkey was not taken: it is there already, the device said no, or it took too long. Trying again helps."
    ),
    "reentry": _(
        "The code by e-mail was mistyped or is over. Who waits for no letter may have no checked address: a counter helps."
    ),
    "reentry_stop": _(
        "The code stops nothing any more: what it was sent about is over. The person signs in and looks at their account, or "
        "goes to a counter if they cannot."
    ),
    "repair": _LOOK_AGAIN,
    "repair_code": _MAILED_CODE,
    "shut": _(
        "The account is shut; its page says why and what opens it. Say nothing about somebody else's account."
    ),
    "staff_join": _("The link was used or is over. An administrator sends another."),
    "staff_login": _("No colleague's passkey. An administrator invites anew whoever lost theirs."),
    "stepup": _(
        "What was shown beside the sign-in was wrong or used before. It is asked only where more certainty is needed; "
        "beginning again at the agency's site does no harm."
    ),
    "undo": _(
        "The code takes nothing back any more: its time is over, or the change is gone. The person looks at their addresses "
        "on their page, or goes to a counter."
    ),
}
_BY_STATUS: dict[int, Lazy] = {
    400: _("Something that was typed or sent was not as it must be; the words told say what."),
    403: _("A rule does not allow it; the words told say which. It will not help to try again."),
    404: _("The address, or what it named, is not there. It helps to begin at the start page."),
    409: _("It changed meanwhile. It helps to load the page again."),
    429: _("It came too often. Waiting helps."),
    503: _("Erti was busy for a moment. It helps to try again in a minute."),
}
_OTHERWISE = _("Read the words told to the person. If they do not help, ask the operators with this number.")


def on(refusal: Refusal) -> Lazy:
    """Return what to say to somebody with a refusal's reference number."""
    known = _BY_RULE.get(refusal.rule) or _BY_CODE.get(refusal.code) or _BY_CODE.get(refusal.rule)
    return known or _BY_FORM.get(refusal.rule.partition(":")[0]) or _BY_STATUS.get(refusal.status, _OTHERWISE)
