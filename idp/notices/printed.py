"""What is told of letters that open an account: what each says, what is to be done, and the text message."""

from core.language import Lazy, _

NOTICES: dict[str, Lazy] = {
    "letter-made": _(
        "At a public service hall ({what}) a letter was printed that opens your Erti account. When its code is used, every "
        "older way to sign in ends and every browser is signed out. Until then all is as it was."
    ),
    "code-made": _(
        "An operator of Erti made a code that opens your Erti account. When it is used, every older way to sign in ends and "
        "every browser is signed out. Until then all is as it was."
    ),
    "letter-ended": _(
        "You, or somebody with the link from our e-mail, said that you did not ask for the letter that opens your Erti "
        "account. Its code no longer works."
    ),
}
_LETTER = _(
    "If you were there and asked for it, there is nothing to do. If you were not, open this page and say so; you need not be "
    "signed in: {issuer}/not-me/{link}\nThe letter ends then. If the page says that it cannot end it, go to a public service "
    "hall at once: somebody was there in your name. The link works once, and for a week."
)
ADVICE: dict[str, Lazy] = {
    "letter-made": _LETTER,
    "code-made": _LETTER,
    "letter-ended": _(
        "If it was not you who said so, go to a public service hall again and open your account there, at once: the next "
        "letter cannot be ended by a link. Somebody else reads your mail; change the password of your mailbox."
    ),
}
SUBJECTS: dict[str, Lazy] = {
    "letter-made": _("A letter that opens your Erti account was printed"),
    "code-made": _("A code that opens your Erti account was made"),
    "letter-ended": _("A letter for your Erti account no longer works"),
}
SHORT: dict[str, Lazy] = {
    "letter-made": _(
        "Erti: at a counter a letter was printed that opens your account. Not you? Go to a public service hall at once."
    ),
    "code-made": _(
        "Erti: an operator made a code that opens your account. Not you? Go to a public service hall at once."
    ),
}
