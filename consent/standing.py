"""What entries about the state of one's account say: locked, paused, suspended, opened again."""

from datetime import date

from consent import showing
from consent.cards import DOCUMENTS
from consent.said import Data, Names, Said, Sentence
from core.language import Lazy, _

LOCKED: dict[str, Lazy] = {
    "paused": _("You paused your account"),
    "closing": _("You asked to close your account"),
    "suspended": _("Your account was suspended"),
}
_OTHERWISE = _("Your account was locked")
_REASONS: dict[str, Lazy] = {
    "paused": _("It had been paused."),
    "closing": _("It had been about to close."),
    "suspended": _("It had been suspended."),
    "closed": _("It had been closed."),
}


_WAYS_IN: dict[str, Lazy] = {
    "letter": _("A letter with which {who}, a child, can open an account was printed"),
    "card": _("A card with which {who}, a child, can sign in was printed"),
}
_RELATIONS: dict[str, Lazy] = {
    "parent": _("{who}, parent"),
    "guardian": _("{who}, guardian"),
    "office": _("A second official, because no register names a parent or guardian"),
}
_POSTED, _HANDED = _("Posted to the address that the register knows"), _("Handed over at the counter")


def locked(data: Data, names: Names) -> Said:
    """Say that an account was locked, by whose wish, and why."""
    title = LOCKED.get(data.get("reason", ""), _OTHERWISE)
    until = names.day(data["until"]) if data.get("until") else None
    details = ((_("Why"), data.get("why", "")), (_("It closes"), _day(until)))
    return Said(str(title), _filled(details), "bad")


def lifted(title: Lazy) -> Sentence:
    """Return the sentence about a lock that was taken away."""

    def say(data: Data, _names: Names) -> Said:
        before = _REASONS.get(data.get("reason", ""), "")
        return Said(str(title), _filled(((_("Before"), str(before)), (_("Why"), data.get("why", "")))), "")

    return say


def asked(title: Lazy) -> Sentence:
    """Return the sentence about a wish that comes true at a time."""

    def say(data: Data, names: Names) -> Said:
        return Said(str(title), _filled(((_("It opens"), _day(names.day(data["opens_at"]))),)), "")

    return say


def of_a_child(data: Data, _names: Names) -> Said:
    """Say to a parent or guardian whose account was opened."""
    title = _("{who}, for whom you act by law, opened an account")
    return Said(str(title.format(who=showing.person(data["citizen"]))))


def of_a_way_in(data: Data, names: Names) -> Said:
    """Say that a counter made a letter or card for a child, and who agreed; to the child, and to who acts for it."""
    title = _WAYS_IN.get(data["way"], _WAYS_IN["letter"]).format(who=showing.person(data["citizen"]))
    agreed = _RELATIONS.get(data["relation"], _RELATIONS["office"])
    details = (
        (_("Agreed at the counter"), str(agreed).format(who=showing.person(data["representative"]))),
        (_("Their document"), str(DOCUMENTS.get(data["document"], ""))),
        (_("Office"), data["office"]),
        (_("Where it went"), str(_POSTED if data["posted"] else _HANDED)),
    )
    return Said(str(title), _filled(details))


def plain(title: Lazy) -> Sentence:
    """Return a sentence that says no more than itself."""
    return lambda _data, _names: Said(str(title))


def _day(day: date | None) -> str:
    return showing.day(day.isoformat()) if day else ""


def _filled(details: tuple[tuple[Lazy, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((str(term), text) for term, text in details if text)


# kind -> (group, what it says)
KINDS: dict[str, tuple[str, Sentence]] = {
    "account-locked": ("account", locked),
    "child-activated": ("account", of_a_child),
    "child-way-in": ("account", of_a_way_in),
    "activation-code-ended": (
        "account",
        plain(_("A counter ended the letter with which your account could have been opened")),
    ),
    "account-reopened": ("account", lifted(_("Your account was opened again"))),
    "lock-lifted": ("account", lifted(_("One reason for which your account is locked was taken away"))),
    "reopening-asked": (
        "account",
        asked(_("It was asked, with a recovery code, to open your paused account again")),
    ),
    "reopening-stopped": (
        "account",
        plain(_("Your account stays paused; what was asked was taken back")),
    ),
}
