"""What is told by text message as well: in two segments at most (GSM 03.38: 306 characters, or 134 of other alphabets)."""

from core.language import Lazy, _
from idp.notices import printed

_STOP = _(
    "Erti: somebody wants into your account by e-mail. Not you? Sign in, or stop it at {host}/recover/stop, code {code}"
)
_HELD = _(
    "Erti: a recovery code set up a new way into your account. Not you? Sign in at {host} as always and remove it."
)
_SHUT = _("Erti: your account was shut. Any public service hall tells you why, and what you can do.")
_CLOSING = _(
    "Erti: your account closes on {until}. Not you? Sign in at {host} before then, or go to a public service hall."
)
SHORT: dict[str, Lazy] = {
    **printed.SHORT,
    "contact-code": _(
        "Erti code: {code}, until {until}. Type it only where you asked for it; tell it to nobody."
    ),
    "contact-checked": _("Erti: from now on this number is told when something about your account changes."),
    "contact-added": _(
        "Erti: an address or number was added to your account. Not you? Take it back at {host}/undo, code {code}"
    ),
    "contact-removed": _(
        "Erti: an address or number was removed from your account. Not you? Take it back at {host}/undo, code {code}"
    ),
    "contact-gone": _(
        "Erti: an address or number was removed from your account. Not you? Go to a public service hall."
    ),
    "contact-undone": _(
        "Erti: a change of your addresses was taken back. Sign in as always and look at your account."
    ),
    "counter-only": _(
        "Erti: your account is now given back at a counter only. Not you? Sign in as always and look."
    ),
    "mail-again": _(
        "Erti: your account may be given back by e-mail again. Not you? Sign in as always and look."
    ),
    "held": _HELD,
    "held-soon": _HELD,
    "held-counter": _HELD,
    "held-over": _("Erti: what was set up with a recovery code opens your account from now on."),
    "recovery-begun": _STOP,
    "recovery-goes-on": _STOP,
    "recovery-soon": _STOP,
    "recovery-open": _STOP,
    "recovery-stopped": _("Erti: the way back into your account by e-mail was stopped."),
    "recovered": _(
        "Erti: your account has new ways to sign in. Not you? Go to a public service hall at once."
    ),
    "activated": _(
        "Erti: your account was opened with an activation code. Not you? Go to a public service hall."
    ),
    "passkey-added": _(
        "Erti: a passkey was added to your account. Not you? Sign in at {host} as always and remove it."
    ),
    "passkey-removed": _(
        "Erti: a passkey was removed. Not you? Sign in at {host} as always, or go to a public service hall."
    ),
    "password-set": _(
        "Erti: your password was changed. Not you? Sign in at {host} as always, or go to a public service hall."
    ),
    "password-removed": _(
        "Erti: your password was removed. Not you? Sign in at {host} as always, or go to a public service hall."
    ),
    "totp-added": _(
        "Erti: an authenticator app was set up. Not you? Sign in at {host} as always, or go to a public service hall."
    ),
    "codes-made": _(
        "Erti: new recovery codes were made. Not you? Sign in at {host} as always, or go to a public service hall."
    ),
    "code-used": _(
        "Erti: a recovery code was used. Not you? Sign in at {host} as always, or go to a public service hall."
    ),
    "name-changed": _(
        "Erti: your sign-in name was changed. Not you? Sign in at {host} as always, or go to a public service hall."
    ),
    "new-device": _(
        "Erti: a new browser signed in. Not you? Sign in at {host} as always, or go to a public service hall."
    ),
    "card-issued": _(
        "Erti: a card for your account was printed. Not you? Sign in at {host} and block it, or go to a public service hall."
    ),
    "card-pin-changed": _(
        "Erti: the PIN of your card was changed. Not you? Sign in at {host} and block it, or go to a public service hall."
    ),
    "card-blocked": _(
        "Erti: your card was blocked. Not you? Sign in at {host} as always, or go to a public service hall."
    ),
    "card-removed": _(
        "Erti: your card was removed. Not you? Sign in at {host} as always, or go to a public service hall."
    ),
    "alerts-changed": _(
        "Erti: your alerts about looks at your data were changed. Not you? Sign in at {host} as always and look."
    ),
    "mandate-offered": _(
        "Erti: somebody was offered the right to act for you. Not you? Sign in at {host} as always and take it back."
    ),
    "paused": _(
        "Erti: your account was paused. To open it again: a public service hall, or sign in with a recovery code."
    ),
    "reopening": _(
        "Erti: your paused account opens on {until}. Not you? Sign in at {host} before then and keep it paused."
    ),
    "closing": _CLOSING,
    "closing-soon": _CLOSING,
    "suspended": _SHUT,
    "locked": _SHUT,
}
