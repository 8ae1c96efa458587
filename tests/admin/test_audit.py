"""The ledger's room shows every log there is."""

import re
from collections.abc import Callable
from typing import Any

from consent.ledger import freezing, logs, signer
from core.database import Database
from tests.admin.conftest import Colleague

NEXT = "ledger.erti.example/2027"


def test_the_room_shows_every_log(
    client: Any, database: Database, colleague: Callable[[str], Colleague]
) -> None:
    """After a year was closed its log stands there with its last checkpoint, below the one that grows."""
    me = colleague("auditor")
    assert database.parts.sequencer.drain()
    signer.sign_if_due(database)
    freezing.freeze(database, origin=NEXT)
    signer.sign_if_due(database)
    with database.reading() as db:
        every = logs.every(db)
        old = next(log for log in every if log.frozen)
        signed = signer.newest(db, old.number)
    text = me.get("/admin/ledger").text
    rows = dict(re.findall(r'<tr id="log-(\d+)">(.*?)</tr>', text, re.DOTALL))
    assert list(map(int, rows)) == [2, logs.FIRST_WITHHELD, 1]
    assert all(log.origin in rows[str(log.number)] for log in every)
    assert "frozen for good" in rows["1"]
    assert signed is not None
    assert f">{signed.size}<br>" in rows["1"]
    assert "grows" in rows["2"]
    assert "none are asked for" in rows["2"]
