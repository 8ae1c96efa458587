"""What each kind of entry says to the citizen whose history it is in: a sentence, and what else to know."""

from dataclasses import replace

from consent import allowances, arrivals, cards, counters, errands, returning, secrecy, showing, standing
from consent.said import Data, Names, Said, Sentence
from core.language import Lazy, _

__all__ = ["GROUPS", "KINDS", "RULES", "Names", "Said", "group", "kinds", "say"]

GROUPS: dict[str, Lazy] = {
    "reads": _("Who looked"),
    "sharing": _("Your permissions"),
    "sign-in": _("Signing in"),
    "account": _("Your account"),
    "registers": _("The registers"),
    "disputes": _("Your disputes"),
}
# What a read rests on.
BASES: dict[str, Lazy] = {
    "consent": _("what you allowed"),
    "law": _("a law"),
    "staff": _("the work of Erti's staff"),
}
OUTCOMES: dict[str, Lazy] = {"released": _("got an answer"), "refused": _("was refused")}


# How a read came about, as its citizen is told.
CHANNELS: dict[str, Lazy] = {
    "sign-in": _("{agency} read {attributes} when you signed in"),
    "offline": _("{agency} read {attributes} while you were away, as you allowed when you signed in"),
    "standing": _("{agency} read {attributes}, as you allowed"),
    "law": _("{agency} read {attributes}, because a law allows it"),
    "behalf": _("{agency} read {attributes}, asked by {who}, who acts for you"),
    "desk": _("A clerk at {office} read {attributes} for {agency}, as you confirmed there"),
}
_ACTED = _("{agency} read {attributes} of {who}, for whom you act")
_ACTED_REFUSED = _(
    "{agency} asked for {attributes} of {who}, naming you as the one who acts, and was refused"
)


def _disclosed(data: Data, names: Names) -> Said:
    refused = data.get("outcome") != "released"
    acted = bool(data.get("representative")) and names.reader == data.get("representative")
    facts = {
        "agency": names.agency(data["agency"]),
        "attributes": showing.labels(data["attributes"]),
        "office": data.get("office", ""),
        "who": showing.person(data.get("citizen" if acted else "representative", "")),
    }
    if acted:
        title = _ACTED_REFUSED if refused else _ACTED
    elif refused:
        title = _("{agency} asked for {attributes} and was refused")
    elif data["channel"] in ("sign-in", "offline") and not data["attributes"]:
        title = _("{agency} learned that it is you, and nothing else")
    else:
        title = CHANNELS.get(data["channel"], CHANNELS["standing"])
        if data.get("basis") == "law" and data["channel"] in ("standing", "law"):
            title = CHANNELS["law"]
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
        (_("Case"), "" if data.get("channel") in ("sign-in", "offline") else data.get("case", "")),
        (_("Official"), data.get("official", "")),
        (_("Office"), data.get("office", "")),
        (_withheld(data), showing.labels(data.get("withheld", ())) if data.get("withheld") else ""),
        (_("Why it was refused"), str(rule or data.get("rule", ""))),
        (_("System"), data.get("client", "")),
    )
    return tuple((str(term), str(text)) for term, text in pairs if text)


def _withheld(data: Data) -> Lazy:
    if data.get("basis") == "law":
        return _("Asked also for, which its purpose does not name")
    if data.get("channel") == "desk":
        return _("Asked also for, which you did not confirm")
    return _("Asked also for, which you had not allowed")


RULES: dict[str, Lazy] = {
    "agency-not-active": _("The agency may not read anything at present."),
    "purpose-unknown": _("It named a purpose that does not exist."),
    "purpose-of-another-agency": _("It named a purpose of another agency."),
    "attribute-outside-purpose": _("It asked for something that its purpose does not name."),
    "case-missing": _("It did not say for which case."),
    "official-missing": _("It did not say for which official."),
    "withheld-not-alone": _("What a law keeps back may be read by the agency's own system alone."),
    "mandate-missing": _("There was no mandate for it."),
    "mandate-ended": _("The mandate had just ended."),
    "desk-not-confirmed": _("You had not confirmed it at the desk."),
    "desk-ended": _("The sitting at the desk had just ended."),
    "purpose-not-registered": _("That system was not registered for the purpose."),
    "assurance-too-low": _("The sign-in was not strong enough."),
    "no-grant": _("You have not allowed it, or no longer do."),
    "attribute-not-agreed": _("You have not allowed all of it."),
    "citizen-deceased": _("The purpose does not cover people who have died."),
    "grant-ended": _("You had just taken your permission back."),
    "grant-used-up": _("You allowed a number of reads, and all of them were made."),
    "too-often": _("You allowed it less often."),
    "too-early": _("You allowed it from a later day on."),
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


WHY_ERASED: dict[str, Lazy] = {
    "wish": _("because you wanted it"),
    "court": _("because a court ordered it"),
    "retention": _("because the time for which it is kept was over"),
}


def _erased(data: Data, _names: Names) -> Said:
    title = (
        _("What happened in {year} was erased (entries: {count})")
        if data["whole"]
        else _("Some of what happened in {year} was erased (entries: {count})")
    ).format(year=data["year"], count=data["entries"])
    pairs = (
        (_("Why it was erased"), str(WHY_ERASED.get(data["basis"], data["basis"]))),
        (_("Order"), data.get("reference", "")),
        (_("Reason"), data.get("reason", "")),
    )
    return Said(str(title), tuple((str(term), text) for term, text in pairs if text))


def _given(title: Lazy) -> Sentence:
    def say(data: Data, names: Names) -> Said:
        said = title.format(
            agency=names.agency(data["agency"]), attributes=showing.labels(data["attributes"])
        )
        details = [
            (_("What for"), names.purpose(data["purpose"])),
            (_("Until"), showing.day(names.day(data["expires_at"]).isoformat())),
            (_("How often"), ", ".join(allowances.of(data.get("limits")).phrases())),
            (_("Left out by you"), showing.labels(data["left_out"]) if data.get("left_out") else ""),
        ]
        return Said(str(said), tuple((str(term), text) for term, text in details if text))

    return say


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


def _ended(data: Data, names: Names) -> Said:
    title = ENDED.get(data.get("reason", ""), _("Your permission for {agency} ended"))
    said = _grant(title, "quiet")(data, names)
    if not data.get("why"):
        return said
    # Beside the reason of its kind, the authority's own.
    return replace(said, details=(*said.details, (str(_("The authority's reason")), str(data["why"]))))


ENDED: dict[str, Lazy] = {
    "expired": _("Your permission for {agency} has run out"),
    "used-up": _("Your permission for {agency} is used up"),
    "agency": _("{agency} gave back the permission that it had from you"),
    "invalidated": _("Your permission for {agency} was declared invalid by an authority"),
}
END_REASONS: dict[str, Lazy] = {
    "expired": _("The time you allowed it for was over."),
    "used-up": _("The last of the reads that you allowed was made."),
    "deceased": _("A register told us of a death."),
    "closed": _("You closed your account."),
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


def _changed(title: Lazy) -> Sentence:
    def say(data: Data, _names: Names) -> Said:
        facts = {
            "source": showing.source(data["source"]),
            "attributes": showing.labels(data.get("attributes", ())),
        }
        return Said(str(title.format(**facts)), (), "quiet")

    return say


def _dispute(title: Lazy, state: str = "") -> Sentence:
    def say(data: Data, names: Names) -> Said:
        who = names.agency(data["agency"]) if data.get("agency") else "Erti"
        answered = ANSWERS.get(data.get("outcome", ""))
        pairs = [
            (_("Answer"), answered),
            (_("Who"), data.get("staff")),
            (_("Dispute"), data["dispute"]),
            (_("About entry"), data["entry"]),
        ]
        details = tuple((str(term), str(text)) for term, text in pairs if text)
        return Said(str(title.format(agency=who)), details, state)

    return say


def _dispute_seen(data: Data, names: Names) -> Said:
    at_agency, by_staff = _("Your dispute was read at {agency}"), _("Staff of Erti read your dispute")
    return _dispute(by_staff if data.get("staff") else at_agency, "quiet")(data, names)


ANSWERS: dict[str, Lazy] = {
    "justified": _("The look was in order"),
    "mistake": _("It was a mistake"),
    "unauthorised": _("It was not allowed"),
}


def _alerts(data: Data, names: Names) -> Said:
    rules = [str(ALERTS[rule]) for rule in data["rules"] if rule in ALERTS]
    watched = [names.agency(agency) for agency in data["agencies"]]
    details = tuple((str(_("Alert about")), text) for text in (*rules, *watched))
    return Said(str(_("You chose which looks you are told about by e-mail")), details)


ALERTS: dict[str, Lazy] = {
    "new-body": _("A body that has never looked before"),
    "by-law": _("Any look because of a law"),
    "outside-hours": _("A look outside office hours"),
    "staff": _("A look by staff of Erti"),
}


# kind -> (group, what it says)
KINDS: dict[str, tuple[str, Sentence]] = {
    "disclosed": ("reads", _disclosed),
    "citizen-resolved": ("reads", _resolved),
    "withheld-revealed": ("reads", secrecy.revealed(lambda *read: say(*read))),  # noqa: PLW0108  (it is below)
    "staff-looked": ("reads", _staff),
    "record-unmasked": ("reads", _unmasked),
    "grant-given": (
        "sharing",
        errands.acted(
            _given(_("You allowed {agency} to read {attributes}")),
            _("{who}, who acts for you, allowed {agency} to read {attributes}"),
            _("You allowed {agency} to read {attributes} of {who}, for whom you act"),
        ),
    ),
    "grant-extended": ("sharing", _given(_("You let {agency} go on reading {attributes}"))),
    "grant-declined": (
        "sharing",
        errands.acted(
            _grant(_("You did not allow {agency} to read {attributes}"), "quiet"),
            _("{who}, who acts for you, did not allow {agency} to read {attributes}"),
            _("You did not allow {agency} to read {attributes} of {who}, for whom you act"),
        ),
    ),
    "grant-withdrawn": (
        "sharing",
        errands.acted(
            _withdrawn,
            _("{who}, who acts for you, took back your permission for {agency}"),
            _("You took back a permission of {who}, for whom you act, for {agency}"),
        ),
    ),
    "grant-ended": ("sharing", _ended),
    **errands.KINDS,
    **arrivals.KINDS,
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
    "replay-stopped": ("sign-in", arrivals.replay),
    "passkey-clone-suspected": (
        "sign-in",
        _plain(_("A passkey was refused, because it looked like a copy"), "bad"),
    ),
    "recovery-code-used": ("sign-in", _plain(_("A recovery code was used, and is used up"))),
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
    **standing.KINDS,
    "account-closed": ("account", _plain(_("Your account was closed"))),
    "history-erased": ("account", _erased),
    "event-set-aside": ("account", _plain(_("Something about you could not be recorded yet; it is kept"))),
    "citizen-born": ("registers", _changed(_("The {source} registered your birth"))),
    "citizen-died": ("registers", _changed(_("The {source} reported a death"))),
    "citizen-erased": ("registers", _plain(_("Your data here was erased"))),
    "death-reversed": (
        "registers",
        _changed(_("The {source} took back a report of death that was made by mistake")),
    ),
    "name-changed": ("registers", _changed(_("The {source} changed your name"))),
    "attributes-changed": ("registers", _changed(_("The {source} changed {attributes}"))),
    "representative-stated": ("registers", _changed(_("The {source} said who acts for you by law"))),
    "representative-ended": (
        "registers",
        _changed(_("The {source} said that somebody does not act for you by law any more")),
    ),
    "message-outdated": (
        "registers",
        _changed(_("The {source} sent something older than what is known; nothing changed")),
    ),
    "record-matched": ("registers", _changed(_("A record of the {source} was found to be yours"))),
    "dispute-opened": ("disputes", _dispute(_("You told {agency} that you do not recognise a look"))),
    "dispute-seen": ("disputes", _dispute_seen),
    "dispute-answered": ("disputes", _dispute(_("{agency} answered your dispute"))),
    "dispute-overdue": (
        "disputes",
        _dispute(_("{agency} let the time pass in which it had to answer your dispute"), "bad"),
    ),
    "dispute-closed": ("disputes", _dispute(_("Your dispute was closed: the look was erased"), "quiet")),
    "alerts-changed": ("account", _alerts),
    "disavowed": ("account", arrivals.disavowed),
    **cards.KINDS,
    **counters.KINDS,
    **returning.KINDS,
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
