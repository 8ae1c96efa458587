"""`erti support`: what a reference number was about."""

from dataclasses import asdict
from typing import Annotated

import typer

from admin import advice
from admin import refusals as room
from core import clock, refusals
from service.commands.store import OPERATOR, USAGE, fail, opened, show


def support(
    reference: Annotated[str, typer.Argument(help="The reference number, as the person reads it out.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")] = False,
) -> None:
    """Say what a refusal was about and what helps. The look-up is on record."""
    compact = refusals.compact(reference)
    if compact is None:
        raise fail("a reference number has eight letters and digits, such as 7KQD-2M9X.", USAGE)
    with opened() as database, database.writing() as db:
        found = room.look_up(db, compact, actor=OPERATOR)
    if found is None:
        raise fail(f"nothing is kept under {compact}: too old, misread, or only in the log of the servers.")
    said = {**asdict(found), "at": clock.wire(found.at), "advice": str(advice.on(found))}
    text = "\n".join(f"{name + ':':10} {value}" for name, value in said.items())
    show(said, as_json=as_json, text=text)
