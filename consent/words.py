"""What each kind of entry says to the citizen whose history it is in: a sentence, and what else to know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consent import showing
from core.language import Lazy, _

GROUPS: dict[str, Lazy] = {
    "reads": _("Who looked"),
    "sharing": _("Your permissions"),
    "sign-in": _("Signing in"),
    "account": _("Your account"),
    "registers": _("The registers"),
}


@dataclass(frozen=True)
class Names:
    """What agencies and purposes are called, by their IDs."""

    agencies: Mapping[str, str] = field(default_factory=dict)
    purposes: Mapping[str, str] = field(default_factory=dict)

    def agency(self, agency_id: Any) -> str:
        """Return an agency's name, or its ID if it is not known."""
        return self.agencies.get(str(agency_id), str(agency_id))

    def purpose(self, purpose_id: Any) -> str:
        """Return a purpose's title, or its ID if it is not known."""
        return self.purposes.get(str(purpose_id), str(purpose_id))


@dataclass(frozen=True)
class Said:
    """An entry in words. `state` is empty, bad, or quiet; `details` are pairs of a term and a text."""

    title: str
    details: tuple[tuple[str, str], ...] = ()
    state: str = ""


Data = Mapping[str, Any]
Sentence = Callable[[Data, Names], Said]


def _disclosed(data: Data, names: Names) -> Said:
    refused = data.get("outcome") != "released"
    facts = {"agency": names.agency(data["agency"]), "attributes": showing.labels(data["attributes"])}
    if refused:
        title = _("{agency} asked for {attributes} and was refused")
    elif data["channel"] == "sign-in" and not data["attributes"]:
        title = _("{agency} learned that it is you, and nothing else")
    elif data["channel"] == "sign-in":
        title = _("{agency} read {attributes} when you signed in")
    elif data.get("basis") == "law":
        title = _("{agency} read {attributes}, because a law allows it")
    else:
        title = _("{agency} read {attributes}, as you allowed")
    return Said(str(title.format(**facts)), _read_details(data, names), "bad" if refused else "")


def _resolved(data: Data, names: Names) -> Said:
    refused = data.get("outcome") != "released"
    title = (
        _("{agency} tried to find you by an identifier and was refused")
        if refused
        else _("{agency} looked up your citizen ID by an identifier it knows, because a law allows it")
    )
    return Said(
        str(title.format(agency=names.agency(data["agency"]))),
        _read_details(data, names),
        "bad" if refused else "",
    )


def _read_details(data: Data, names: Names) -> tuple[tuple[str, str], ...]:
    rule = RULES.get(data.get("rule", ""))
    pairs = (
        (_("What for"), names.purpose(data["purpose"]) if data.get("purpose") else ""),
        (_("Law"), data.get("law", "")),
        (_("Case"), data.get("case", "")),
        (_("Official"), data.get("official", "")),
        (_("Why it was refused"), str(rule or data.get("rule", ""))),
        (_("System"), data.get("client", "")),
    )
    return tuple((str(term), str(text)) for term, text in pairs if text)


RULES: dict[str, Lazy] = {
    "agency-not-active": _("The agency may not read anything at present."),
    "purpose-unknown": _("It named a purpose that does not exist."),
    "purpose-of-another-agency": _("It named a purpose of another agency."),
    "attribute-outside-purpose": _("It asked for something that its purpose does not name."),
    "case-missing": _("It did not say for which case."),
    "assurance-too-low": _("The sign-in was not strong enough."),
    "no-grant": _("You have not allowed it, or no longer do."),
    "attribute-not-agreed": _("You have not allowed all of it."),
    "citizen-deceased": _("The purpose does not cover people who have died."),
    "grant-ended": _("You had just taken your permission back."),
}


def _staff(data: Data, _names: Names) -> Said:
    title = _("Staff of Erti looked at {attributes}").format(attributes=showing.labels(data["attributes"]))
    details = ((_("Office"), data["office"]), (_("Reason"), data["reason"]), (_("Who"), data["staff"]))
    return Said(str(title), tuple((str(term), str(text)) for term, text in details))


def _unmasked(data: Data, _names: Names) -> Said:
    title = _("Before it was known to be yours, staff of Erti opened a record of the {source}").format(
        source=showing.source(data["source"])
    )
    details = ((_("Office"), data["office"]), (_("Reason"), data["reason"]), (_("Who"), data["staff"]))
    return Said(str(title), tuple((str(term), str(text)) for term, text in details))


def _given(data: Data, names: Names) -> Said:
    title = _("You allowed {agency} to read {attributes}").format(
        agency=names.agency(data["agency"]), attributes=showing.labels(data["attributes"])
    )
    details = [
        (_("What for"), names.purpose(data["purpose"])),
        (_("Until"), showing.day(str(data["expires_at"])[:10])),
    ]
    if data.get("left_out"):
        details.append((_("Left out by you"), showing.labels(data["left_out"])))
    return Said(str(title), tuple((str(term), text) for term, text in details))


def _grant(title: Lazy, state: str = "") -> Sentence:
    def say(data: Data, names: Names) -> Said:
        said = title.format(
            agency=names.agency(data["agency"]), attributes=showing.labels(data.get("attributes", ()))
        )
        details = [(str(_("What for")), names.purpose(data["purpose"]))]
        reason = END_REASONS.get(data.get("reason", ""))
        if reason:
            details.append((str(_("Why")), str(reason)))
        return Said(str(said), tuple(details), state)

    return say


END_REASONS: dict[str, Lazy] = {
    "expired": _("The time you allowed it for was over."),
    "deceased": _("A register told us of a death."),
    "erased": _("Your data here was erased."),
}


def _withdrawn(data: Data, names: Names) -> Said:
    if data["whole"]:
        return _grant(_("You took back your permission for {agency}"))(data, names)
    return _grant(_("You took {attributes} out of your permission for {agency}"))(data, names)


def _plain(title: Lazy, state: str = "") -> Sentence:
    def say(_data: Data, _names: Names) -> Said:
        return Said(str(title), (), state)

    return say


def _signed_in(data: Data, names: Names) -> Said:
    return Said(str(_("You signed in at {agency}").format(agency=names.agency(data["agency"]))))


def _replay(data: Data, names: Names) -> Said:
    title = _("A sign-in at {agency} was ended, because one of its codes was used twice")
    return Said(str(title.format(agency=names.agency(data["agency"]))), (), "bad")


def _session_began(data: Data, _names: Names) -> Said:
    known = data.get("known_device")
    return Said(str(_("You signed in") if known else _("You signed in at a new browser or device")))


def _changed(title: Lazy) -> Sentence:
    def say(data: Data, _names: Names) -> Said:
        facts = {
            "source": showing.source(data["source"]),
            "attributes": showing.labels(data.get("attributes", ())),
        }
        return Said(str(title.format(**facts)), (), "quiet")

    return say


# kind -> (group, what it says)
KINDS: dict[str, tuple[str, Sentence]] = {
    "disclosed": ("reads", _disclosed),
    "citizen-resolved": ("reads", _resolved),
    "staff-looked": ("reads", _staff),
    "record-unmasked": ("reads", _unmasked),
    "grant-given": ("sharing", _given),
    "grant-declined": ("sharing", _grant(_("You did not allow {agency} to read {attributes}"), "quiet")),
    "grant-withdrawn": ("sharing", _withdrawn),
    "grant-ended": ("sharing", _grant(_("Your permission for {agency} ended"), "quiet")),
    "signed-in": ("sign-in", _signed_in),
    "session-began": ("sign-in", _session_began),
    "session-ended": ("sign-in", _plain(_("A sign-in ended"), "quiet")),
    "sign-in-refused": ("sign-in", _plain(_("A sign-in was refused, because the account is locked"), "bad")),
    "guessing-stopped": (
        "sign-in",
        _plain(_("Somebody tried too many wrong passwords or codes, and was stopped"), "bad"),
    ),
    "second-factor-failed": (
        "sign-in",
        _plain(
            _("Somebody knew your password but not your code. If it was not you, change your password"), "bad"
        ),
    ),
    "replay-stopped": ("sign-in", _replay),
    "passkey-clone-suspected": (
        "sign-in",
        _plain(_("A passkey was refused, because it looked like a copy"), "bad"),
    ),
    "recovery-code-used": ("sign-in", _plain(_("You signed in with a recovery code, which is now used up"))),
    "activation-code-made": ("account", _plain(_("An activation code was printed for you at a counter"))),
    "account-activated": ("account", _plain(_("Your account was activated"))),
    "test-citizen-enrolled": ("account", _plain(_("This account was made for testing"))),
    "sign-in-name-changed": ("account", _plain(_("Your sign-in name was changed"))),
    "passkey-added": ("account", _plain(_("A passkey was added"))),
    "passkey-renamed": ("account", _plain(_("A passkey was given another name"), "quiet")),
    "passkey-removed": ("account", _plain(_("A passkey was removed"))),
    "password-set": ("account", _plain(_("Your password was set"))),
    "password-removed": ("account", _plain(_("Your password was removed"))),
    "totp-added": ("account", _plain(_("An authenticator app was added"))),
    "recovery-codes-made": ("account", _plain(_("New recovery codes were made"))),
    "account-locked": ("account", _plain(_("Your account was locked"), "bad")),
    "account-reopened": ("account", _plain(_("Your account was opened again"))),
    "account-closed": ("account", _plain(_("Your account was closed"))),
    "citizen-born": ("registers", _changed(_("The {source} registered your birth"))),
    "citizen-died": ("registers", _changed(_("The {source} reported a death"))),
    "citizen-erased": ("registers", _plain(_("Your data here was erased"))),
    "death-reversed": (
        "registers",
        _changed(_("The {source} took back a report of death that was made by mistake")),
    ),
    "name-changed": ("registers", _changed(_("The {source} changed your name"))),
    "attributes-changed": ("registers", _changed(_("The {source} changed {attributes}"))),
    "message-outdated": (
        "registers",
        _changed(_("The {source} sent something older than what is known; nothing changed")),
    ),
    "record-matched": ("registers", _changed(_("A record of the {source} was found to be yours"))),
}


def group(kind: str) -> str:
    """Return the group a kind of entry belongs to."""
    return KINDS[kind][0] if kind in KINDS else "account"


def kinds(group_name: str) -> list[str]:
    """Return the kinds of a group."""
    return [kind for kind, (name, _sentence) in KINDS.items() if name == group_name]


def say(kind: str, data: Data, names: Names) -> Said:
    """Return what an entry says. A kind that nobody foresaw is named, never left out."""
    if kind not in KINDS or data.get("unreadable"):
        return Said(str(_("Something was recorded: {kind}").format(kind=kind)), (), "quiet")
    return KINDS[kind][1](data, names)
