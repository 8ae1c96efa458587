"""What entries say about where a citizen is reached, and about coming back into the account by it."""

from consent.said import Data, Names, Said, Sentence
from core.language import Lazy, _


def _of(mail: Lazy, phone: Lazy) -> Sentence:
    def say(data: Data, _names: Names) -> Said:
        return Said(str(phone if data["what"] == "phone" else mail))

    return say


def _plain(title: Lazy, state: str = "") -> Sentence:
    def say(_data: Data, _names: Names) -> Said:
        return Said(str(title), (), state)

    return say


def _chosen(data: Data, _names: Names) -> Said:
    counter = _("You chose that your account is given back at a counter only")
    mail = _("You chose that your account may be given back by e-mail")
    return Said(str(counter if data["counter_only"] else mail))


def _released(data: Data, _names: Names) -> Said:
    if data.get("at_counter"):
        return Said(str(_CARD.get(data["how"], _CARD_GONE)))
    said = {
        "time": _("What was set up with a recovery code signs in from then on: its waiting time was over"),
        "mail": _(
            "What was set up with a recovery code signs in from then on: a code by e-mail confirmed it"
        ),
    }
    gone = _("What was set up with a recovery code was removed: you said that it was not you")
    return Said(str(said.get(data["how"], gone)))


def _held(data: Data, _names: Names) -> Said:
    counter = _("A clerk made a card for your account alone, so it has to wait before it signs in")
    code = _("With a recovery code a new way to sign in was set up, which has to wait")
    return Said(str(counter if data.get("at_counter") else code), (), "bad")


_CARD: dict[str, Lazy] = {
    "time": _("The card from the counter signs in from then on: its waiting time was over"),
    "owner": _("The card from the counter signs in from then on: you said so, signed in"),
    "official": _("What a counter made for you works from then on: a second official saw you"),
}
_CARD_GONE = _("The card from the counter was removed: you said that it was not you")
# kind -> (group, what it says)
KINDS: dict[str, tuple[str, Sentence]] = {
    "contact-added": ("account", _of(_("An e-mail address was added"), _("A mobile number was added"))),
    "contact-removed": (
        "account",
        _of(_("An e-mail address was removed"), _("A mobile number was removed")),
    ),
    "contact-change-undone": (
        "account",
        _plain(_("A change of your addresses was taken back, and every sign-in ended"), "bad"),
    ),
    "reentry-begun": (
        "account",
        _plain(
            _("Somebody who reads your mail asked to come back into your account, and has to wait"), "bad"
        ),
    ),
    "reentry-stopped": ("account", _plain(_("The way back into your account by e-mail was stopped"))),
    "account-regained": (
        "account",
        _plain(_("Your account was regained by e-mail after the waiting time; older ways to sign in ended")),
    ),
    "reentry-chosen": ("account", _chosen),
    "hold-began": ("account", _held),
    "hold-ended": ("account", _released),
}
