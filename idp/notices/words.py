"""The notices: what each says in a letter."""

from core.language import Lazy, _

NOTICES: dict[str, Lazy] = {
    "activated": _("Your Erti account was opened with an activation code from a counter."),
    "passkey-added": _("A passkey was added to your Erti account."),
    "passkey-removed": _("A passkey was removed from your Erti account."),
    "passkey-clone": _(
        "A sign-in with one of your passkeys was refused, because the passkey may have been copied."
    ),
    "password-set": _("The password of your Erti account was changed."),
    "password-removed": _("The password of your Erti account was removed."),
    "totp-added": _("An authenticator app was set up for your Erti account."),
    "codes-made": _("New recovery codes were made for your Erti account. The old ones no longer work."),
    "code-used": _("A recovery code was used to sign in to your Erti account."),
    "name-changed": _("The sign-in name of your Erti account was changed."),
    "new-device": _("Your Erti account was used from a browser we had not seen before."),
    "guessing": _(
        "Somebody gave many wrong passwords or codes for your Erti account. They did not get in. "
        "You can sign in as usual with a browser you have used before, or with a passkey."
    ),
    "locked": _("Your Erti account was locked."),
    "register-name": _(
        "A register changed your name. The old and the new one stand on your page until you have read them: {issuer}/my"
    ),
    "paused": _("Your Erti account was paused: nobody can sign in until it is opened again."),
    "reopening": _(
        "It was asked, with one of your recovery codes, to open your paused Erti account again. It opens after the waiting "
        "time. If it was not you, sign in before then and keep it paused."
    ),
    "closing": _(
        "It was asked to close your Erti account. Everybody is signed out now. If you think better of it, or it was not "
        "you, sign in and keep the account: the page says until when."
    ),
    "suspended": _(
        "Your Erti account was suspended by staff. Sign in to read why and what you can do, or ask at a public service hall."
    ),
    "guarded": _(
        "A register says that somebody acts for you by law in all matters, so your Erti account rests until that is over. If "
        "this is not right, any public service hall takes the time to look at it with you."
    ),
    "of-age": _(
        "You are now of the age at which you decide about your data yourself, and your parents do not act for you here any "
        "more. Look at what they allowed, and keep or stop it: {issuer}/my/sharing"
    ),
    "reopened": _("Your Erti account can be used again."),
    "disavowed": _(
        "It was said that something in your Erti account was not you. What it came from was signed out. Sign in and "
        "go through what to secure: {issuer}/my/sessions/secure"
    ),
    "card-issued": _("A card for signing in to your Erti account was printed. An older one no longer works."),
    "card-few": _(
        "Few codes are left on your Erti card. Print a new one, or ask for one at a public service hall."
    ),
    "card-used-up": _("Your Erti card has no codes left. Ask for a new one at a public service hall."),
    "card-pin-changed": _("The PIN of your Erti card was changed."),
    "card-blocked": _("Your Erti card was blocked. It no longer signs in."),
    "card-removed": _("Your Erti card was removed."),
}
# What somebody else can have done: letters about it carry a link that says "this was not me".
DISAVOWABLE = frozenset({
    "activated", "passkey-added", "passkey-removed", "password-set", "password-removed", "totp-added", "codes-made",
    "code-used", "name-changed", "new-device",
})  # fmt: skip
# About one's data; no name, value or reference stands in them.
DATA_NOTICES: dict[str, Lazy] = {
    "dispute-answered": _("A look at your data that you did not recognise has been answered."),
    "dispute-overdue": _("A look at your data that you did not recognise was not answered in time."),
    "alerts-changed": _("It was changed which looks at your data you are told about by e-mail."),
    "alert": _("You asked to be told about looks at your data:\n\n{looks}"),
    "alert-summary": _(
        "There were more looks yesterday that you asked to be told about, beyond those already mailed: {more}."
    ),
}
