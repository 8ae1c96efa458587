"""What entries about signing in at agencies say: in a browser, and on a device."""

from consent import errands
from consent.said import Data, Names, Said, Sentence
from core.language import Lazy, _


def signed_in(data: Data, names: Names) -> Said:
    """Say where somebody signed in."""
    return Said(str(_("You signed in at {agency}").format(agency=names.agency(data["agency"]))))


def device(title: Lazy, state: str = "") -> Sentence:
    """Return a sentence about a device that wanted to sign in."""

    def say(data: Data, names: Names) -> Said:
        details = ((str(_("System")), str(data["client"])),)
        return Said(str(title.format(agency=names.agency(data["agency"]))), details, state)

    return say


def passed_on(data: Data, names: Names) -> Said:
    """Say that one service passed a sign-in on to another."""
    to = names.agency(data["receiver"]) if data.get("receiver") else data["resource"]
    title = _("{agency} passed your sign-in on to {receiver}")
    details = ((_("System"), data["client"]), (_("For"), data["resource"]))
    said = str(title.format(agency=names.agency(data["agency"]), receiver=to))
    return Said(said, tuple((str(term), str(text)) for term, text in details))


def replay(data: Data, names: Names) -> Said:
    """Say that a sign-in ended because something came twice."""
    title = _("A sign-in at {agency} was ended, because one of its codes was used twice")
    return Said(str(title.format(agency=names.agency(data["agency"]))), (), "bad")


def session_began(data: Data, _names: Names) -> Said:
    """Say that somebody signed in to Erti itself."""
    known = data.get("known_device")
    return Said(str(_("You signed in") if known else _("You signed in at a new browser or device")))


def disavowed(data: Data, _names: Names) -> Said:
    """Say that the citizen said of something that it was not them."""
    ended = _("{count} sign-ins were ended").format(count=len(data["sids"]))
    details = [(_("What followed"), ended)]
    if data.get("letter"):
        details.append((_("How"), _("by the link in an e-mail to you")))
    said = _("You said that something in your account was not you")
    return Said(str(said), tuple((str(term), str(text)) for term, text in details), "bad")


# kind -> (group, what it says)
KINDS: dict[str, tuple[str, Sentence]] = {
    "signed-in": (
        "sign-in",
        errands.acted(
            signed_in,
            _("{who} signed in at {agency} for you"),
            _("You signed in at {agency} for {who}"),
        ),
    ),
    "device-signed-in": ("sign-in", device(_("You let a device sign in at {agency}"))),
    "device-refused": (
        "sign-in",
        device(_("You did not let a device sign in at {agency}"), "quiet"),
    ),
    "sign-in-passed-on": ("sign-in", passed_on),
    "session-began": ("sign-in", session_began),
}
