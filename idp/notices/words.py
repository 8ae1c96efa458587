"""The notices: what each says in a letter, and what is to be done about it."""

from core.language import Lazy, _
from idp.notices import printed, returning

NOTICES: dict[str, Lazy] = {
    **printed.NOTICES,
    **returning.NOTICES,
    "activated": _("Your Erti account was opened with an activation code."),
    "passkey-added": _("A passkey was added to your Erti account."),
    "passkey-removed": _("A passkey was removed from your Erti account."),
    "passkey-clone": _(
        "A sign-in with one of your passkeys was refused, because the passkey may have been copied."
    ),
    "password-set": _("The password of your Erti account was changed."),
    "password-removed": _("The password of your Erti account was removed."),
    "totp-added": _("An authenticator app was set up for your Erti account."),
    "codes-made": _("New recovery codes were made for your Erti account. The old ones no longer work."),
    "code-used": _("A recovery code of your Erti account was used."),
    "held": _(
        "With a recovery code a new way to sign in to your Erti account was set up. Until {until} it shows nothing and "
        "signs in nowhere, so that you can say if it was not you."
    ),
    "held-soon": _(
        "A reminder: with a recovery code a new way to sign in to your Erti account was set up. On {until} it begins to "
        "open the account."
    ),
    "held-code": _(
        "Somebody who has one of your recovery codes set up a new way to sign in to your Erti account. If it is you, type "
        "this code on the page that asks for it:\n\n{code}"
    ),
    "held-over": _("What was set up with a recovery code opens your Erti account from now on."),
    "name-changed": _("The sign-in name of your Erti account was changed."),
    "new-device": _("Your Erti account was used from a browser we had not seen before."),
    "guessing": _(
        "Somebody gave many wrong passwords or codes for your Erti account. They did not get in. "
        "You can sign in as usual with a browser you have used before, or with a passkey."
    ),
    "locked": _("Your Erti account was locked."),
    "register-name": _(
        "A register changed your name. The old and the new one stand on your page at Erti until you have read them."
    ),
    "paused": _("Your Erti account was paused: every browser was signed out, and nobody can sign in."),
    "reopening": _(
        "Somebody asked, with one of your recovery codes, to open your paused Erti account again. It opens on {until}."
    ),
    "closing": _(
        "Somebody who was signed in asked to close your Erti account. It closes on {until}. Every browser is signed out now."
    ),
    "closing-soon": _("Your Erti account closes on {until}, as you asked."),
    "suspended": _("Your Erti account was suspended by staff."),
    "guarded": _(
        "A register says that somebody acts for you by law in all matters, so your Erti account rests until that is over."
    ),
    "of-age": _(
        "You are now of the age at which you decide about your data yourself, and your parents do not act for you here any "
        "more."
    ),
    "child-activated": _(
        "A child for whom you act by law opened an account at Erti with a letter from a counter. Your history says who. "
        "They sign in and read; permissions are still given by you."
    ),
    "child-way-in": _(
        "At a counter a letter or a card was made with which a child for whom you act by law can open an Erti account. "
        "Your history says for whom, and who was there and agreed."
    ),
    "reopened": _("Your Erti account can be used again."),
    "disavowed": _(
        "You, or somebody with a link from one of our e-mails, said that something in your Erti account was not you. The "
        "browser it came from was signed out."
    ),
    "mandate-offered": _(
        "Somebody who was signed in to your Erti account offered another person the right to act for you."
    ),
    "mandate-offer": _("Another citizen offers you the right to act for them at Erti."),
    "mandate-given": _("Another person accepted what you offered, and may act for you from now on."),
    "mandate-ended": _("A right to act for another, which you gave or held at Erti, is over."),
    "alerts-changed": _("The choice of looks at your data that we tell you about by e-mail was changed."),
    "card-issued": _("A card for signing in to your Erti account was printed. An older one no longer works."),
    "card-few": _("Few codes are left on your Erti card."),
    "card-used-up": _("Your Erti card has no codes left."),
    "card-pin-changed": _("The PIN of your Erti card was changed."),
    "card-blocked": _("Your Erti card was blocked. It no longer signs in."),
    "card-removed": _("Your Erti card was removed."),
    "contact-code": _("Your code: {code}"),
    "contact-checked": _("We write here from now on when something about your Erti account changes."),
    "contact-added": _("{what} was added to your Erti account. From now on we write there as well."),
    "contact-removed": _("{what} was removed from your Erti account. We still write there until {until}."),
    "contact-gone": _(
        "{what} was removed from your Erti account again, by somebody who signed in safely. This stays so."
    ),
    "contact-changed": _("An address or number of an Erti account that named this address was changed."),
    "contact-undone": _(
        "A change of your addresses and numbers at Erti was taken back, and every sign-in was ended."
    ),
    "recovery-code": _(
        "Somebody said that they cannot get into your Erti account any more. If it is you, type this code on the "
        "page that asks for it:\n\n{code}"
    ),
    "recovery-begun": _(
        "Somebody who read a code in your mail asked to come back into your Erti account without a passkey or a "
        "password. On {until} they may choose new ones, and the old ones will stop working."
    ),
    "recovery-goes-on": _(
        "A reminder: somebody asked to come back into your Erti account without a passkey or a password. On "
        "{until} they may choose new ones, and the old ones will stop working."
    ),
    "recovery-soon": _(
        "A last reminder: very soon, on {until}, somebody who asked to come back into your Erti account may choose "
        "a new passkey or password, and the old ones will stop working."
    ),
    "recovery-open": _(
        "The waiting time is over: with a code that we sent by e-mail, whoever asked to come back into your Erti "
        "account may now choose a new passkey or password."
    ),
    "recovery-finish": _(
        "The waiting time is over. To come back into your Erti account, open {issuer}/recover in the browser in "
        "which you asked, and type this code there:\n\n{code}"
    ),
    "recovery-stopped": _("The way back into your Erti account that somebody had asked for was stopped."),
    "recovered": _(
        "Somebody came back into your Erti account with codes by e-mail, after the waiting time. A new passkey or "
        "password was chosen, every older one was removed and every sign-in ended. What you share and your history "
        "stay as they were."
    ),
}
_UNDO = _(
    "If this was you, there is nothing to do. If it was not, take it back until {until}:\n"
    "{issuer}/undo?code={code}\n"
    "Every sign-in at your account ends with it."
)
_STOP = _(
    "If it was you, there is nothing to do but wait.\n\n"
    "If it was not you, stop it: sign in with a passkey, or with password and code, or open this page:\n"
    "{issuer}/recover/stop?code={code}\n"
    "Then change the password of your mailbox: whoever asked could read in it."
)
_STOP_NOW = _(
    "If it was you, go on with the code in the e-mail that we sent to the address you came back by.\n\n"
    "If it was not you, stop it at once: sign in with a passkey, or with password and code, or open this page:\n"
    "{issuer}/recover/stop?code={code}\n"
    "Then change the password of your mailbox: whoever asked could read in it."
)
_HELD = _(
    "If it was you, there is nothing to do but wait. If it was not, open this page and say so; you need not be signed in: "
    "{issuer}/not-me/{link}\nWhat was set up is removed then. The link works once, and for a week. Afterwards make new "
    "recovery codes, because somebody else has the old ones: {issuer}/my/account"
)
# What to do about it, where it is more than to look at the account.
ADVICE: dict[str, Lazy] = {
    **printed.ADVICE,
    **returning.ADVICE,
    "passkey-clone": _(
        "That passkey no longer signs in. Open {issuer}/my/account, remove it and make a new one. If it was not you who "
        "signed in, somebody has a copy: look at {issuer}/my/sessions as well."
    ),
    "guessing": _(
        "There is nothing you have to do. If you want to sign in with your password in a browser that you have not used "
        "before, and it says that you have to wait, open this page in it: {issuer}/try/{link}\nThe link works once, and for a "
        "day; it signs nobody in. If it happens again, choose a sign-in name that others do not know, or use a passkey: it "
        "cannot be guessed."
    ),
    "locked": _("A public service hall can tell you why, and open it again. Bring an identity document."),
    "register-name": _(
        "You find it on {issuer}/my. If the new name is wrong, turn to the register; any public service hall helps you with that."
    ),
    "paused": _(
        "To open it again, go to a public service hall, or sign in and give one of your recovery codes. If it was not you who "
        "paused it, do the same, and then look at {issuer}/my/sessions."
    ),
    "reopening": _(
        "If this was you, there is nothing to do but wait. If it was not, sign in before then and keep the account paused."
    ),
    "closing": _(
        "If this was you, there is nothing to do. If you think better of it, or it was not you, sign in before then and keep "
        "the account."
    ),
    "closing-soon": _(
        "If you think better of it, or it was not you, sign in before then and keep the account."
    ),
    "suspended": _("Sign in to read why and what you can do, or ask at a public service hall."),
    "guarded": _("If this is not right, any public service hall takes the time to look at it with you."),
    "of-age": _("Look at what they allowed, and keep or stop it: {issuer}/my/sharing"),
    "mandate-offer": _(
        "Accept it only if you know this person and agreed on it. Look at it here: {issuer}/my/mandates"
    ),
    "mandate-given": _("See who it is and for what, and end it whenever you like: {issuer}/my/mandates"),
    "mandate-ended": _("Your history says which one and why: {issuer}/my/history"),
    "child-activated": _(
        "If you think it is too early, any public service hall talks about it with you and the child."
    ),
    "child-way-in": _(
        "If it says that you were there and you were not, or if you do not agree, go to any public service hall soon: it ends "
        "the letter or the card, and talks about it with you and the child."
    ),
    "reopened": _(
        "There is nothing to do. If something looks wrong when you sign in, a public service hall helps you."
    ),
    "disavowed": _("Sign in, and go through what to secure: {issuer}/my/sessions/secure"),
    "card-few": _(
        "Print a new card on {issuer}/my/account, or ask for one at a public service hall. The old one then ends."
    ),
    "card-used-up": _("Print a new card on {issuer}/my/account, or ask for one at a public service hall."),
    "contact-checked": _("You can change where we write at any time: {issuer}/my/account/contact"),
    "recovery-stopped": _(
        "If you asked for it yourself, you can ask again at {issuer}/recover. If you did not, change the password of your "
        "mailbox: whoever asked could read in it."
    ),
    "contact-code": _(
        "Type it on the page that asks for it. It works once, until {until}. If you asked for no code, somebody "
        "typed your address by mistake, and there is nothing to do."
    ),
    "contact-changed": _(
        "If you think that the account is yours, any public service hall looks at it with you and an identity document."
    ),
    "contact-added": _UNDO,
    "contact-removed": _UNDO,
    "contact-undone": _(
        "Sign in again, and look through {issuer}/my/account and {issuer}/my/account/contact for what you do not know."
    ),
    "recovery-code": _(
        "It works until {until}. If it was not you, do nothing: without the code nobody gets further. Whoever asks "
        "you for it is not from us.\n\n"
        "On {issuer}/my/account/contact you can choose that your account is given back at a counter only."
    ),
    "recovery-begun": _STOP,
    "recovery-goes-on": _STOP,
    "recovery-soon": _STOP,
    "recovery-open": _STOP_NOW,
    "recovery-finish": _(
        "It works until {until}, in that browser and nowhere else. If you asked for nothing, stop it now: sign in "
        "with a passkey, or with password and code, or use the page that our earlier e-mails name."
    ),
    "held": _HELD,
    "held-soon": _HELD,
    "held-counter": _HELD,
    "held-code": _(
        "It works once, until {until}. If it was not you, tell it to nobody, whoever asks, and use the link in our "
        "e-mail about the new way to sign in to say that it was not you."
    ),
    "recovered": _(
        "If this was you, there is nothing to do. If it was not, go to a public service hall with an identity document at "
        "once: there your account is given back to you, and whoever is in it is put out."
    ),
}
# Each says what happened: who reads only this knows whether to open it.
SUBJECTS: dict[str, Lazy] = {
    **printed.SUBJECTS,
    **returning.SUBJECTS,
    "activated": _("Your Erti account was opened"),
    "passkey-added": _("A passkey was added to your Erti account"),
    "passkey-removed": _("A passkey was removed from your Erti account"),
    "passkey-clone": _("A passkey of your Erti account may have been copied"),
    "password-set": _("The password of your Erti account was changed"),
    "password-removed": _("The password of your Erti account was removed"),
    "totp-added": _("An app was set up for your Erti account"),
    "codes-made": _("New recovery codes were made for your Erti account"),
    "code-used": _("A recovery code of your Erti account was used"),
    "name-changed": _("The sign-in name of your Erti account was changed"),
    "new-device": _("New sign-in to your Erti account"),
    "guessing": _("Somebody tried to get into your Erti account"),
    "locked": _("Your Erti account was locked"),
    "register-name": _("A register changed your name"),
    "paused": _("Your Erti account is paused"),
    "reopening": _("Your paused Erti account will be opened again"),
    "closing": _("Your Erti account will be closed"),
    "closing-soon": _("Your Erti account closes soon"),
    "suspended": _("Your Erti account was suspended"),
    "guarded": _("Your Erti account rests"),
    "of-age": _("You now decide about your data yourself"),
    "child-activated": _("A child for whom you act opened an Erti account"),
    "child-way-in": _("A child for whom you act can open an Erti account"),
    "reopened": _("Your Erti account can be used again"),
    "disavowed": _("Somebody was signed out of your Erti account"),
    "mandate-offered": _("Somebody was offered the right to act for you"),
    "mandate-offer": _("You were offered the right to act for somebody"),
    "mandate-given": _("Somebody may act for you from now on"),
    "mandate-ended": _("A right to act for another is over"),
    "alerts-changed": _("Your alerts about looks at your data were changed"),
    "card-issued": _("A card for your Erti account was printed"),
    "card-few": _("Few codes are left on your Erti card"),
    "card-used-up": _("Your Erti card has no codes left"),
    "card-pin-changed": _("The PIN of your Erti card was changed"),
    "card-blocked": _("Your Erti card was blocked"),
    "card-removed": _("Your Erti card was removed"),
    "contact-checked": _("We write to you here about your Erti account"),
    "contact-gone": _("An address or a number was removed from your Erti account for good"),
    "contact-changed": _("Something changed at an Erti account"),
    "contact-undone": _("A change at your Erti account was taken back"),
    "counter-only": _("Your Erti account is given back at a counter only"),
    "mail-again": _("Your Erti account may be given back by e-mail"),
    "dispute-answered": _("Your question about a look at your data was answered"),
    "dispute-overdue": _("Your question about a look at your data was not answered in time"),
    "alert": _("Somebody looked at your data"),
    "alert-summary": _("More looks at your data"),
    "contact-code": _("Your code for Erti"),
    "contact-added": _("An address or a number was added to your Erti account"),
    "contact-removed": _("An address or a number was removed from your Erti account"),
    "held": _("A recovery code set up a new way into your Erti account"),
    "held-soon": _("Reminder: a recovery code set up a new way into your Erti account"),
    "held-code": _("Your code to confirm your new way into Erti"),
    "held-over": _("The new way into your Erti account works"),
    "recovery-code": _("Your code for coming back into Erti"),
    "recovery-begun": _("Somebody wants to come back into your Erti account"),
    "recovery-goes-on": _("Reminder: somebody wants to come back into your Erti account"),
    "recovery-soon": _("Last reminder: somebody wants to come back into your Erti account"),
    "recovery-open": _("The waiting time for your Erti account is over"),
    "recovery-finish": _("Come back into your Erti account"),
    "recovery-stopped": _("The way back into your Erti account was stopped"),
    "recovered": _("Your Erti account was opened with new ways to sign in"),
}
# What holds a code that is over before long: sent late it is of no use.
CODES = frozenset({"contact-code", "held-code", "recovery-code", "recovery-finish"})
# What somebody else can have done: letters about it carry a link that says "this was not me".
DISAVOWABLE = frozenset({
    "activated", "passkey-added", "passkey-removed", "password-set", "password-removed", "totp-added", "codes-made",
    "code-used", "name-changed", "new-device", "held", "held-soon", "card-issued", "card-pin-changed", "card-blocked",
    "card-removed", "alerts-changed", "mandate-offered", "letter-made", "letter-waits", "code-made", "counter-held", "counter-held-soon",
    "held-counter",
})  # fmt: skip
# What another person did: the browser that it came from is theirs, and none of the reader's business.
BY_ANOTHER = frozenset({"child-activated", "mandate-offer", "mandate-given", "mandate-ended"})
# What only says again that something is near: when it was written is not when it happened.
REMINDERS = frozenset({"closing-soon", "held-soon", "counter-held-soon", "recovery-goes-on", "recovery-soon"})
# About one's data; no name, value or reference stands in them.
DATA_NOTICES: dict[str, Lazy] = {
    "dispute-answered": _(
        "You asked about a look at your data that you did not recognise, and there is an answer: {issuer}/my/disputes"
    ),
    "dispute-overdue": _(
        "You asked about a look at your data that you did not recognise, and no answer came in time. The auditor of Erti sees "
        "this too. What you can do now stands at {issuer}/my/disputes"
    ),
    "alert": _("You asked to be told about looks at your data:\n\n{looks}"),
    "alert-summary": _(
        "There were more looks yesterday that you asked to be told about, beyond those already mailed: {more}."
    ),
}
