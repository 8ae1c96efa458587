"""What entries about a printed card say."""

from consent.said import Data, Names, Said, Sentence
from core.language import Lazy, _

DOCUMENTS: dict[str, Lazy] = {
    "identity-card": _("identity card"),
    "passport": _("passport"),
    "residence-permit": _("residence permit"),
    "other": _("another document"),
}


CALLED = "telephone"
_BY_TELEPHONE = _("none: by telephone")


def _ordered(data: Data, _names: Names) -> Said:
    title = _("A clerk at {office} began to make a card for you").format(office=data["office"])
    return Said(str(title), clerk_and_document(data))


def _issued(data: Data, _names: Names) -> Said:
    if data["origin"] == "self":
        return Said(str(_("You printed a card for signing in")))
    title = _("A card for signing in was printed for you at {office}").format(office=data["office"])
    return Said(str(title), clerk_and_document(data))


def _used(data: Data, _names: Names) -> Said:
    said = (
        _("Your card and PIN were used at a desk") if data["place"] == "desk" else _("You used card and PIN")
    )
    details = ((_("Code number"), data["number"]), (_("Codes left"), data["left"]))
    return Said(str(said), tuple((str(term), str(text)) for term, text in details))


def _blocked(data: Data, _names: Names) -> Said:
    if data["reason"] == "guessed":
        said = _("Your card was blocked: somebody had it and tried wrong PINs")
    elif data["reason"] == "disavowed":
        said = _(
            "Your card was blocked: you, or somebody with one of our letters, said that it may be a stranger’s"
        )
    else:
        said = _("Your card was blocked")
    why = ((str(_("Why")), str(data["why"])),) if data.get("why") else ()
    return Said(str(said), (*clerk_and_document(data), *why) if data.get("clerk") else (), "bad")


def _just(title: Lazy) -> Sentence:
    return lambda _data, _names: Said(str(title))


def clerk_and_document(data: Data) -> tuple[tuple[str, str], ...]:
    """Return which clerk it was, and what document they looked at, as details of an entry."""
    document = (
        _BY_TELEPHONE if data["document"] == CALLED else DOCUMENTS.get(data["document"], data["document"])
    )
    return ((str(_("Clerk")), str(data["clerk"])), (str(_("Document looked at")), str(document)))


KINDS: dict[str, tuple[str, Sentence]] = {
    "card-ordered": ("account", _ordered),
    "card-issued": ("account", _issued),
    "card-used": ("sign-in", _used),
    "card-pin-changed": ("account", _just(_("The PIN of your card was changed"))),
    "card-blocked": ("account", _blocked),
    "card-removed": ("account", _just(_("Your card was removed"))),
}
