"""What entries about a visit at a counter say: a letter that opens the account, and an account that was opened again."""

from consent.cards import clerk_and_document
from consent.said import Data, Names, Said, Sentence
from core.language import Lazy, _

_LETTERS: dict[str, Lazy] = {
    "desk": _("A letter that opens your account was printed at {office}"),
    "operator": _(
        "A code that opens your account was made by an operator of Erti; no clerk looked at anybody"
    ),
}
_EARLIER = _("An activation code was printed for you at a counter")


def _letter(data: Data, _names: Names) -> Said:
    title = _LETTERS.get(data.get("origin", ""), _EARLIER).format(office=data.get("office", ""))
    return Said(str(title), clerk_and_document(data) if data.get("clerk") else ())


def _opened(data: Data, _names: Names) -> Said:
    title = _("A clerk at {office} compared you with a document and opened your account again")
    return Said(str(title.format(office=data["office"])), clerk_and_document(data))


KINDS: dict[str, tuple[str, Sentence]] = {
    "activation-code-made": ("account", _letter),
    "opened-at-counter": ("account", _opened),
}
