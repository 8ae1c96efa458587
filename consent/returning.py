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
}
