"""What is told of whether an account is given back by e-mail, and to who asks for it while that cannot be: why, and where to go."""

from core.language import Lazy, _

NOTICES: dict[str, Lazy] = {
    "held-counter": _(
        "With a recovery code a new way to sign in to your Erti account was set up. It shows nothing and signs in nowhere, "
        "however long it waits, because you chose that your account is given back at a counter only. It begins to wait when "
        "you, signed in safely, take that choice back."
    ),
    # No line begins with "From ": mail programs put ">" before it (RFC 4155, appendix A).
    "counter-only": _(
        "Whoever has lost every way into your Erti account has to go to a counter from now on."
    ),
    "mail-again": _(
        "Whoever has lost every way into your Erti account may come back with a code by e-mail from now on, after a "
        "waiting time."
    ),
    "return-counter": _(
        "Somebody said that they cannot get into your Erti account any more. You chose that it is given back at a counter "
        "only, so there is no code by e-mail."
    ),
    "return-paused": _(
        "Somebody said that they cannot get into your Erti account any more. It is paused, so there is no code by e-mail."
    ),
    "return-closing": _(
        "Somebody said that they cannot get into your Erti account any more. It is about to be closed, as somebody who was "
        "signed in asked, so there is no code by e-mail."
    ),
    "return-locked": _(
        "Somebody said that they cannot get into your Erti account any more. It is suspended or rests, so there is no code by "
        "e-mail."
    ),
}
_AT_COUNTER = _(
    "If it was you, go to any public service hall with an identity document: there your account is given back at once. If it "
    "was not you, there is nothing to do."
)
ADVICE: dict[str, Lazy] = {
    "return-counter": _AT_COUNTER,
    "return-paused": _AT_COUNTER,
    "return-closing": _AT_COUNTER,
    "return-locked": _(
        "If it was you, any public service hall tells you why and what you can do; bring an identity document. If it was not "
        "you, there is nothing to do."
    ),
}
SUBJECTS: dict[str, Lazy] = {
    "held-counter": _("A recovery code set up a way into your Erti account that does not begin"),
    "return-counter": _("Your Erti account is given back at a counter, as you chose"),
    "return-paused": _("Your paused Erti account is given back at a counter"),
    "return-closing": _("Your Erti account that will be closed is given back at a counter"),
    "return-locked": _("Your Erti account cannot be given back by e-mail now"),
}
