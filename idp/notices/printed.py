"""What is told of letters and cards that a counter made for an account: what each says, what is to be done, and the text message."""

from core.language import Lazy, _

NOTICES: dict[str, Lazy] = {
    "letter-made": _(
        "At a public service hall ({what}) a letter was printed that opens your Erti account. When its code is used, every "
        "older way to sign in ends and every browser is signed out. Until then all is as it was."
    ),
    "letter-waits": _(
        "At a public service hall ({what}) a letter was printed that opens your Erti account. One clerk alone vouches for it, so it "
        "works from {until}, or when a second one agrees. When its code is used, every older way to sign in ends and every "
        "browser is signed out. Until then all is as it was."
    ),
    "code-made": _(
        "An operator of Erti made a code that opens your Erti account. When it is used, every older way to sign in ends and "
        "every browser is signed out. Until then all is as it was."
    ),
    "letter-ended": _(
        "You, or somebody with the link from our e-mail, said that you did not ask for the letter that opens your Erti "
        "account. Its code no longer works."
    ),
    "counter-held": _(
        "At a counter a card for signing in to your Erti account was made, and an older one ended. Nobody else vouched for it, "
        "so until {until} it signs in nowhere, so that you can say if it was not you."
    ),
    "counter-held-soon": _(
        "A reminder: at a counter a card for your Erti account was made. On {until} it begins to open the account."
    ),
    "counter-held-over": _("The card that was made at a counter opens your Erti account from now on."),
}
_LETTER = _(
    "If you were there and asked for it, there is nothing to do. If you were not, open this page and say so; you need not be "
    "signed in: {issuer}/not-me/{link}\nThe letter ends then. If the page says that it cannot end it, go to a public service "
    "hall at once: somebody was there in your name. The link works once, and for a week."
)
_CARD = _(
    "If you were there, there is nothing to do but wait; signed in, you can let it begin at once: {issuer}/my/account\n"
    "If it was not you, open this page and say so; you need not be signed in: {issuer}/not-me/{link}\nThe card ends then. The "
    "link works once, and for a week. Your history says which clerk made it."
)
ADVICE: dict[str, Lazy] = {
    "letter-made": _LETTER,
    "letter-waits": _LETTER,
    "counter-held": _CARD,
    "counter-held-soon": _CARD,
    "code-made": _LETTER,
    "letter-ended": _(
        "If it was not you who said so, go to a public service hall again and open your account there, at once: the next "
        "letter cannot be ended by a link. Somebody else reads your mail; change the password of your mailbox."
    ),
}
SUBJECTS: dict[str, Lazy] = {
    "counter-held": _("A card for your Erti account was made at a counter"),
    "counter-held-soon": _("Reminder: a card for your Erti account was made at a counter"),
    "counter-held-over": _("The card from the counter works"),
    "letter-made": _("A letter that opens your Erti account was printed"),
    "letter-waits": _("A letter that is to open your Erti account was printed"),
    "code-made": _("A code that opens your Erti account was made"),
    "letter-ended": _("A letter for your Erti account no longer works"),
}
_CARD_SHORT = _(
    "Erti: a counter made a card for your account; it waits some days. Not you? Sign in and block it."
)
SHORT: dict[str, Lazy] = {
    "counter-held": _CARD_SHORT,
    "counter-held-soon": _CARD_SHORT,
    "letter-waits": _(
        "Erti: at a counter a letter was printed that opens your account. Not you? Go to a public service hall at once."
    ),
    "letter-made": _(
        "Erti: at a counter a letter was printed that opens your account. Not you? Go to a public service hall at once."
    ),
    "code-made": _(
        "Erti: an operator made a code that opens your account. Not you? Go to a public service hall at once."
    ),
}
