"""What entries about mandates and about procedures at a desk say."""

from dataclasses import replace
from datetime import date

from consent import showing
from consent.said import Data, Names, Said, Sentence
from core.language import Lazy, _


def mandate(giver: Lazy, holder: Lazy, state: str = "") -> Sentence:
    """Return the sentence about a mandate, as its giver and as its holder read it."""

    def say(data: Data, names: Names) -> Said:
        held, until = names.reader == data["holder"], data.get("expires_at")
        title = (holder if held else giver).format(who=showing.person(data["giver" if held else "holder"]))
        details = [
            (_("At"), ", ".join(names.agency(one) for one in data.get("agencies", ()))),
            (_("What for"), ", ".join(names.purpose(one) for one in data.get("purposes", ()))),
            (_("Until"), _until(data, names.day(until)) if until else ""),
            (_("Why"), str(MANDATE_ENDS.get(data.get("reason", ""), ""))),
            (_("Why"), ground(data)),
        ]
        return Said(str(title), tuple((str(term), text) for term, text in details if text), state)

    return say


def _until(data: Data, day: date) -> str:
    """Return the last day in words; a guardian without one acts until a court says otherwise."""
    endless = data.get("ground") == "guardian" and day.year - date.fromisoformat(data["as_of"]).year > ENDLESS
    return "" if endless else showing.day(day.isoformat())


def ground(data: Data) -> str:
    """Say on whose word somebody acts by birth or law; empty where a citizen gave the mandate."""
    title = BY_LAW.get(data.get("ground") or "")
    return (
        str(title.format(source=showing.source(data["source"]), day=showing.day(data["as_of"])))
        if title
        else ""
    )


def acted(own: Sentence, theirs: Lazy, mine: Lazy) -> Sentence:
    """Return a sentence that says who acted: as it is, by somebody else for the reader, or by the reader for another."""

    def say(data: Data, names: Names) -> Said:
        said = own(data, names)
        if not data.get("representative"):
            return said
        held = names.reader == data["representative"]
        title = (mine if held else theirs).format(
            agency=names.agency(data["agency"]),
            attributes=showing.labels(data.get("attributes", ())),
            who=showing.person(data["citizen" if held else "representative"]),
        )
        return replace(said, title=str(title))

    return say


ENDLESS = 50
BY_LAW: dict[str, Lazy] = {
    "parent": _("by birth: parent and child, says the {source} (as of {day})"),
    "guardian": _("by law: guardian and ward, says the {source} (as of {day})"),
}
MANDATE_ENDS: dict[str, Lazy] = {
    "withdrawn": _("The one who gave it took it back."),
    "declined": _("It was not accepted."),
    "resigned": _("The one who held it gave it up."),
    "expired": _("Its time was over."),
    "deceased": _("A register told us of a death."),
    "erased": _("Somebody's data here was erased."),
    "register": _("A register says that it is over."),
    "changed": _("A register says something new about it."),
    "guarded": _("One of the two has a guardian now."),
    "disavowed": _("The one who offered it said that it was somebody else."),
    "account": _(
        "The account of the one who offered it was locked or begun anew, and it was not accepted before."
    ),
}


def desk(title: Lazy, state: str = "") -> Sentence:
    """Return a sentence about a procedure at a desk."""

    def say(data: Data, names: Names) -> Said:
        details = [
            (_("What for"), names.purpose(data["purpose"])),
            (_("Agency"), names.agency(data["agency"])),
            (_("Case"), data.get("case", "")),
            (_("Clerk"), data["clerk"]),
            (_("Left out by you"), showing.labels(data["left_out"]) if data.get("left_out") else ""),
        ]
        attributes = showing.labels(data.get("attributes", ()))
        said = str(title.format(office=data["office"], attributes=attributes))
        return Said(said, tuple((str(term), str(text)) for term, text in details if text), state)

    return say


def desk_answered(data: Data, names: Names) -> Said:
    """Say what became of a procedure at a desk."""
    if data["outcome"] == "confirmed":
        return desk(_("You let a clerk at {office} see {attributes}, once"))(data, names)
    if data.get("reason") == "wrong-code":
        return desk(_("A wrong code was typed too often for a procedure at {office}"), "bad")(data, names)
    if data["outcome"] == "closed":
        return desk(_("The clerk at {office} ended the procedure"), "quiet")(data, names)
    return desk(_("You did not let a clerk at {office} see your data"), "quiet")(data, names)


# kind -> (group, what it says)
KINDS: dict[str, tuple[str, Sentence]] = {
    "mandate-offered": (
        "sharing",
        mandate(_("You offered {who} to act for you"), _("You were offered to act for {who}")),
    ),
    "mandate-given": (
        "sharing",
        mandate(_("{who} may now act for you"), _("You may now act for {who}")),
    ),
    "mandate-ended": (
        "sharing",
        mandate(_("{who} does not act for you any more"), _("You do not act for {who} any more"), "quiet"),
    ),
    "desk-opened": ("sharing", desk(_("A clerk at {office} began a procedure for you"))),
    "desk-answered": ("sharing", desk_answered),
}
