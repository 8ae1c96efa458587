"""Somebody with a printed card: made as the house makes it, without the pages of the counter."""

import json
from typing import Any

from sqlalchemy import select

from core.database import Database
from core.events import SYSTEM, waiting
from idp import accounts
from idp.login import pin, printing
from idp.login.printing import Issue, Printed

PIN = "4071 9326"
COUNTER = Issue(printing.DESK, "Hall Vashliani, counter 4", "S-1", "passport")


def hand_over(database: Database, citizen_id: str, chosen: str = PIN) -> Printed:
    """Give somebody a card, and an account if they have none."""
    verifier = pin.prepare(database.parts, chosen)
    with database.writing() as db:
        if accounts.find(db, citizen_id) is None:
            accounts.activate(db, citizen_id, handle=accounts.new_handle(), language="en", actor=SYSTEM)
        return printing.issue(db, citizen_id, COUNTER, verifier=verifier, actor=SYSTEM)


def told(database: Database, chain: str) -> list[dict[str, Any]]:
    """Return what waits to be entered into somebody's history, opened: kind and data together."""
    with database.reading() as db:
        rows = db.execute(select(waiting).where(waiting.c.chain == chain).order_by(waiting.c.id)).all()
        opened = [json.loads(database.parts.sealer.unseal(db, chain, row.sealed)) for row in rows]
    return [{"kind": said["kind"], "actor": said["actor"], **said["data"]} for said in opened]
