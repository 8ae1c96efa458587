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
    "activate: activation-code": _(
        "Citizen ID and code do not go together, or the letter is too old. A counter prints another letter."
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
    known = _BY_RULE.get(refusal.rule) or _BY_CODE.get(refusal.code)
    return known or _BY_STATUS.get(refusal.status, _OTHERWISE)
