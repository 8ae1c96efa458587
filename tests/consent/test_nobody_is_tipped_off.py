import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from consent import disclosure, history
from consent.ledger import bundle, signer
from core import sessions
from core.database import Database
from registry_sync import people
from tests.consent import country, secrecy
from tests.consent.country import CITIZEN, OTHER, ask

PAGES = (
    "/my",
    "/my/history",
    "/my/history?page=2",
    "/my/history?agency=revenue",
    "/my/history?kind=reads",
    "/my/history?month=2031-01",
    "/my/history?q=inquiry",
    "/my/history/picture",
    "/my/history.csv",
    "/my/history.json",
    "/my/history/bundle",
    "/my/history/bundle?earlier=3",
    "/my/history/entry/00000000-0000-4000-8000-000000000000",
    "/my/history/entry/00000000-0000-4000-8000-000000000000/receipt",
    "/my/sharing",
    "/my/disputes",
    "/my/alerts",
    "/my/erasing",
    "/my/nothing",
    "/about/withheld",
    "/about/coverage",
    "/ledger/checkpoint",
    "/ledger/logs",
    "/ledger/logs/10001/checkpoint",
)
TOKENS = re.compile(rb'name="csrf_token" value="[^"]+"|nonce-[^\'" ;]+|problem-reference"[^>]*>[0-9A-Z-]+')
MADE_AT = re.compile(rb'"made_at":"[^"]+"|data-left="[0-9]+"')
# What is random or a moment: each has one length, so nothing about lengths is lost by covering it.
RANDOM = (
    re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    re.compile(rb"[0-9a-f]{32}([0-9a-f]{32})?"),
    re.compile(rb"[A-Za-z0-9+/]{43}="),
    re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+\d\d:\d\d)"),
    re.compile(rb"\d{1,2}:\d\d:\d\d"),
)


class Work:
    """What the database did for a request: statements, and the rows it gave."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.rows = 0


@contextmanager
def watched(database: Database) -> Iterator[Work]:
    """Count what the database does meanwhile."""
    work = Work()

    def executed(_connection: Any, cursor: Any, statement: str, *_more: Any) -> None:
        if threading.current_thread().name == "sequencer":  # it looks for work all the time
            return
        work.statements.append(statement)
        work.rows += max(cursor.rowcount, 0)

    event.listen(database.engine, "after_cursor_execute", executed)
    try:
        yield work
    finally:
        event.remove(database.engine, "after_cursor_execute", executed)


def sign_in(database: Database, citizen: str) -> dict[str, str]:
    """Return the cookie of a citizen who is signed in."""
    with database.writing() as db:
        _session, token = sessions.begin(
            db, subject=citizen, kind="citizen", acr=country.HIGH, amr=["hwk"], user_agent="", network=""
        )
    return {"cookie": f"__Host-erti_session={token}", "accept": "text/html"}


@pytest.fixture
def world(client: Any, database: Database) -> Database:
    """Give the whole application, with two citizens who have lived alike."""
    secrecy.settle(database)
    for citizen in (CITIZEN, OTHER):
        with database.writing() as db:
            country.allow(db, "given_name", "employer", citizen=citizen)
        assert database.parts.sequencer.drain()
        for _ in range(2):
            disclosure.release(database, ask("employer", citizen=citizen))
        disclosure.release(database, ask("address", citizen=citizen))
    secrecy.work(database)
    client.headers["accept"] = "text/html"
    return database


def seen(client: Any, database: Database, path: str, cookie: dict[str, str]) -> tuple[Any, ...]:
    """Return all that can be told from an answer: status, headers, body, and the work it made."""
    with watched(database) as work:
        answer = client.get(path, headers=cookie)
    headers = {name: value for name, value in answer.headers.items() if name not in ("set-cookie", "date")}
    body = MADE_AT.sub(b"", TOKENS.sub(b"", answer.content))
    return answer.status_code, TOKENS.sub(b"", str(headers).encode()), body, work.statements, work.rows


def differs(one: bytes, other: bytes) -> str:
    """Return where two bodies begin to differ."""
    place = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    return f"{one[place - 60 : place + 60]!r} and {other[place - 60 : place + 60]!r}"


def test_five_withheld_entries_change_nothing(client: Any, world: Database) -> None:
    """Before and after five reads that the law withholds every page, file, error and bundle of the citizen is the same
    to the byte, and costs the database the same statements and rows."""
    me = sign_in(world, CITIZEN)
    for path in PAGES * 2:  # what is cached is cached before
        seen(client, world, path, me)
    before = [seen(client, world, path, me) for path in PAGES]
    for names in (("given_name",), ("employer",), ("given_name", "employer"), ("address",), ("employer",)):
        disclosure.release(world, secrecy.inquiry(*names))
    assert len(secrecy.withheld_rows(world)) == 5
    after = [seen(client, world, path, me) for path in PAGES]
    for path, one, other in zip(PAGES, before, after, strict=True):
        assert one[2] == other[2], f"{path}: {differs(one[2], other[2])}"
        assert one == other, path
    assert any(status == 200 for status, *_rest in before)


def masked(content: bytes, citizen: str) -> bytes:
    """Cover what is random or a moment, and whose it is."""
    for pattern in RANDOM:
        content = pattern.sub(b"*", content)
    return content.replace(citizen.encode(), b"ME").replace(people.grouped(citizen).encode(), b"ME")


def test_two_citizens_alike_but_for_five_withheld_entries(client: Any, world: Database) -> None:
    """Of two citizens who lived alike, the one with five withheld entries cannot be told by any page, size, or work."""
    for _ in range(5):
        secrecy.inquire(world)
    secrecy.work(world)
    me, other = sign_in(world, CITIZEN), sign_in(world, OTHER)
    for path in PAGES:
        if "bundle" in path:
            continue  # entries stand at other places, so their proofs differ: the next test compares them
        for cookie in (me, other):
            seen(client, world, path, cookie)
        one, two = (seen(client, world, path, cookie) for cookie in (me, other))
        assert (one[0], one[3], one[4]) == (two[0], two[3], two[4]), path
        places = re.compile(rb"\b\d{1,3}\b")
        texts = [
            places.sub(b"#", masked(found[2], citizen)) for found, citizen in ((one, CITIZEN), (two, OTHER))
        ]
        assert texts[0] == texts[1], f"{path}: {differs(*texts)}"


def test_their_bundles_are_of_one_shape_and_size(world: Database) -> None:
    """Their bundles hold the same members with values of the same lengths; only places, and so paths, differ."""
    for _ in range(5):
        secrecy.inquire(world)
    secrecy.work(world)
    one, two = (json.loads(bundle.make(world, citizen)) for citizen in (CITIZEN, OTHER))
    assert shape(one) == shape(two)


def shape(value: Any, name: str = "") -> Any:
    """Return a bundle with every value replaced by its length, and without places and paths."""
    if name in ("proof", "siblings", "other", "index"):
        return None
    if isinstance(value, dict):
        return {key: shape(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return len(value) if isinstance(value, str) else value


def test_a_citizen_of_whom_nothing_is_known_stays_so(house: Database) -> None:
    """Whoever has no entry has an empty history, and a proof that there is none, with or without withheld ones."""
    secrecy.settle(house)
    secrecy.work(house)
    done = []
    for withheld in (0, 5):
        for _ in range(withheld):
            secrecy.inquire(house)
        secrecy.work(house)
        with watched(house) as work, house.reading() as db:
            assert history.entries(db, CITIZEN) == ([], 1)
            choices, standing = history.choices(db, CITIZEN), history.standing(db, CITIZEN)
        assert not any(vars(choices).values())
        assert (standing.count, standing.since, standing.covered) == (0, None, True)
        assert secrecy.verified(house).entries == []
        done.append((work.statements, work.rows))
    assert done[0] == done[1]


def test_ordinary_reads_are_as_before(world: Database) -> None:
    """A read by consent costs the same statements before and after withheld ones, and so does what waits."""
    counts = []
    for _ in range(2):
        disclosure.release(world, ask("employer"))
        signer.sign_if_due(world)
        with watched(world) as work:
            disclosure.release(world, ask("employer"))
            assert world.parts.sequencer.drain(CITIZEN)
        counts.append([text for text in work.statements if "ledger_" in text])
        for _again in range(5):
            secrecy.inquire(world)
    assert sorted(counts[0]) == sorted(counts[1])
