"""`erti ledger erase` and `erti ledger erasures`: making entries unreadable for good, and what became of it."""

from typing import Annotated, Any

import typer
from rich.table import Table

from admin import approvals
from consent.ledger import erasure, logs
from registry_sync import people
from service.commands.store import USAGE, fail, opened, out, show

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]


HELP = """Ask for the erasure of a citizen's history of a year, of all years, or of single entries: nobody can read them again.

This command erases nothing by itself. It takes a second person, as the console does: a registrar, signed in there with
their own passkey, reads the request at /admin/approvals within three days and agrees. The worker then carries it out.

The keys that sealed them are destroyed. Of each entry its place and commitment stay, so the ledger and the citizen's
proof still hold, and say that it was erased. The citizen's history says who erased what on which basis, and a
public record says that somebody's was.

A wish is refused as long as the law wants an entry kept (`retention_file`); a court's order is not, and needs --reference
and --reason. What is past its time the worker erases by itself.

It is final, for backups of the database too, once every sealing epoch up to now is destroyed: `erti keys epoch`
tells how, and `erti ledger erasures` what still waits for it.

Examples:

erti ledger erase K7QD2M9XWT4BB --year 2019 --wish

erti ledger erase K7QD2M9XWT4BB --year 2026 --entry 1204 --reference 3/1234-26 --reason "City court, 2 May 2026"
"""
WISHED = "The citizen wishes it."
Years = Annotated[list[int] | None, typer.Option("--year", help="A year; can be given several times.")]
Every = Annotated[bool, typer.Option("--all", help="Every year of which anything can be read.")]
Entries = Annotated[
    list[int] | None, typer.Option("--entry", help="One entry of the year, by its place in the ledger.")
]
InLog = Annotated[int, typer.Option("--log", help="In which log the entries stand.")]
Wish = Annotated[bool, typer.Option("--wish", help="The citizen wishes it; without this, a court orders it.")]
Reference = Annotated[str, typer.Option(help="The order's reference. The citizen will read it.")]
Reason = Annotated[str, typer.Option(help="Why, in words that the citizen understands.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many entries it would be.")]


def erase(
    citizen: Annotated[str, typer.Argument(help="The citizen ID.")],
    *,
    year: Years = None,
    every: Every = False,
    entry: Entries = None,
    log: InLog = logs.FIRST,
    wish: Wish = False,
    reference: Reference = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Do what HELP says: check what is asked for, and ask."""
    known = people.compact(citizen)
    if known is None:
        raise fail(f"{citizen} is not a citizen ID: a character is wrong or missing", USAGE)
    if bool(year) == every or (entry and (every or len(year or ()) != 1)):
        raise fail(
            "say which: --year (one or several), or --all; --entry needs the one --year it is of", USAGE
        )
    if not wish and not (reference and reason):
        raise fail("an order needs --reference and --reason; what the citizen wants is --wish", USAGE)
    basis = erasure.WISH if wish else erasure.COURT
    places = [(log, index) for index in entry or ()]
    said: dict[str, Any] = {"basis": basis, "places": places, "reference": reference, "reason": reason}
    with opened() as database:
        database.parts.sequencer.drain(known)
        with database.reading() as db:
            wanted = [one.year for one in erasure.years(db, known)] if every else sorted(set(year or ()))
            counts = {one: erasure.check(db, known, one, basis=basis, places=places) for one in wanted}
        if dry_run or not wanted:
            text = ", ".join(f"{one}: {count:,} entries" for one, count in counts.items())
            show({"would_erase": counts}, as_json=as_json, text=text or "nothing to erase")
            return
        with database.writing() as db:
            asked = [
                approvals.ask_from_command_line(
                    db, "erase-history", {"citizen": known, "year": one, **said}, reason=reason or WISHED
                )
                for one in wanted
            ]
        issuer = database.parts.settings.issuer
    text = "\n".join(
        f"{one.subject['year']}: {counts[one.subject['year']]:,} entries; nothing is erased before a registrar agrees at "
        f"{issuer}/admin/approvals, until {one.asked_at + approvals.LASTS:%Y-%m-%d %H:%M} UTC"
        for one in asked
    )
    facts = [
        {"approval": one.id, "year": one.subject["year"], "entries": counts[one.subject["year"]]}
        for one in asked
    ]
    show(facts, as_json=as_json, text=text)


def erasures(
    most: Annotated[int, typer.Option(help="How many, the newest first.")] = 50, as_json: Json = False
) -> None:
    """List the erasures: asked for, done, or final. Whose they were is not known any more.

    Final means that backups cannot bring it back either: every sealing epoch of that time is destroyed.
    """
    with opened() as database, database.reading() as db:
        found = erasure.listing(db, most=most)
        waits = erasure.awaiting(db)
    if as_json:
        show({"awaiting_finality": waits, "erasures": [vars(one) for one in found]}, as_json=True, text="")
        return
    table = Table("erasure", "basis", "year", "entries", "erased", "beyond recovery since")
    for one in found:
        erased = f"{one.erased_at:%Y-%m-%d %H:%M} UTC" if one.erased_at else "asked for"
        final = f"{one.final_since:%Y-%m-%d %H:%M} UTC" if one.final_since else "not yet"
        table.add_row(one.id, one.basis, str(one.year), f"{one.entries:,}", erased, final)
    out.print(table)
    out.print(f"{waits:,} erasures are not final yet: `erti keys epoch --help` says what makes them so.")
