"""The right to act for another: given by one, accepted by the other, and gone at once when either ends it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given as example
from hypothesis import strategies as st
from sqlalchemy import select, update

from consent import disclosure, entrusting, evidence, mandates, tables
from consent.disclosure import NotReleased, Released
from consent.errors import MandateMalformed, MandateOver, MandateUnknown
from consent.mandates import Mandate
from consent.pages import acting
from core import clock, sessions
from core.database import Database
from core.events import SYSTEM, Actor, record
from registry_sync.events import CitizenDied
from tests.consent import country
from tests.consent.country import HIGH, LOW, ask, history, last
from tests.idp.oidc.provider import CITIZEN, OTHER

GIVER, HOLDER = CITIZEN, OTHER


@pytest.fixture
def pair(open_door: Database) -> Database:
    """Give a country with two people of whom the first may give the second a mandate."""
    with open_door.writing() as db:
        for citizen in (GIVER, HOLDER):
            country.be_born(db, citizen)
    return open_door


def offer(database: Database, **changes: Any) -> Mandate:
    """Let the giver offer the holder to act at the revenue agency."""
    facts: dict[str, Any] = {
        "giver": GIVER,
        "holder": HOLDER,
        "agencies": ["revenue"],
        "purposes": [],
        "until": clock.now() + timedelta(days=30),
        "actor": Actor("citizen", GIVER),
    }
    with database.writing() as db:
        return entrusting.offer(db, **{**facts, **changes})


def accept(database: Database, mandate: Mandate) -> Mandate:
    """Let the holder accept."""
    with database.writing() as db:
        return entrusting.accept(db, mandate.id, holder=HOLDER, actor=Actor("citizen", HOLDER))


def end(database: Database, mandate: Mandate, citizen: str = GIVER) -> Mandate:
    """Let one of the two end it."""
    with database.writing() as db:
        return mandates.end(db, mandate.id, citizen=citizen, actor=Actor("citizen", citizen))


def behalf(**changes: Any) -> disclosure.Ask:
    """Return what the portal asks on behalf of the giver, for the holder."""
    return ask(citizen=GIVER, channel="behalf", representative=HOLDER, **changes)


def read(database: Database, **changes: Any) -> Released | NotReleased:
    """Ask the door on behalf."""
    return disclosure.release(database, behalf(**changes))


def allow(database: Database) -> None:
    """Let the giver allow the purpose itself."""
    with database.writing() as db:
        country.allow(db, "given_name", citizen=GIVER)


def test_a_read_on_behalf_stands_in_both_histories(pair: Database) -> None:
    """With a mandate and a grant of the represented a read is released, as one event in two chains that names both."""
    allow(pair)
    mandate = accept(pair, offer(pair))
    found = read(pair)
    assert isinstance(found, Released)
    for chain in (GIVER, HOLDER):
        said = last(pair, chain)
        assert (said["channel"], said["outcome"], said["mandate"]) == ("behalf", "released", mandate.id)
        assert (said["citizen"], said["representative"]) == (GIVER, HOLDER)
    assert history(pair, GIVER)[-1]["event"] == history(pair, HOLDER)[-1]["event"]


@pytest.mark.parametrize(
    "what",
    ["none", "offered", "ended", "declined", "expired", "another agency", "another purpose", "reversed"],
)
def test_without_a_mandate_that_counts_nothing_is_read(pair: Database, what: str) -> None:
    """Not given, not accepted, ended, over, for another agency or purpose, or the other way round: refused, in both histories."""
    allow(pair)
    scopes: dict[str, Any] = {"another agency": {"agencies": ["health"]},
             "another purpose": {"agencies": [], "purposes": ["health-sign-in"]},
             "reversed": {"giver": HOLDER, "holder": GIVER}}  # fmt: skip
    scope = scopes.get(what, {})
    if what != "none":
        mandate = offer(pair, **scope)
        if what == "reversed":
            with pair.writing() as db:
                entrusting.accept(db, mandate.id, holder=GIVER, actor=Actor("citizen", GIVER))
        elif what not in ("offered", "declined"):
            accept(pair, mandate)
        if what in ("ended", "declined"):
            end(pair, mandate, GIVER if what == "ended" else HOLDER)
        if what == "expired":
            with pair.writing() as db:
                db.execute(update(tables.mandate).values(expires_at=clock.now() - timedelta(seconds=1)))
    refused = read(pair)
    assert isinstance(refused, NotReleased)
    assert refused.rule == "mandate-missing"
    assert last(pair, GIVER)["rule"] == last(pair, HOLDER)["rule"] == "mandate-missing"


def test_a_mandate_is_not_a_permission(pair: Database) -> None:
    """Whoever acts for somebody reads nothing that the represented did not allow."""
    accept(pair, offer(pair))
    refused = read(pair)
    assert isinstance(refused, NotReleased)
    assert refused.rule == "no-grant"


def test_a_mandate_that_ends_first_stops_the_read(pair: Database) -> None:
    """A read that was checked before a mandate ended, and not durable before it, is refused in both histories."""
    allow(pair)
    mandate = accept(pair, offer(pair))
    submit = pair.parts.sequencer.submit

    def late(entry: Any) -> Any:
        end(pair, mandate, HOLDER)
        return submit(entry)

    pair.parts.sequencer.submit = late
    refused = read(pair)
    assert isinstance(refused, NotReleased)
    assert refused.rule == "mandate-ended"
    for chain in (GIVER, HOLDER):
        kinds = [(facts["kind"], facts["data"]["outcome"]) for facts in history(pair, chain)][-2:]
        assert kinds == [("mandate-ended", "ended"), ("disclosed", "refused")]


def test_a_mandate_that_is_changing_is_waited_for(pair: Database) -> None:
    """What a read relies on is ok, ended or (where rows are locked) locked, and each of its versions is another."""
    mandate = accept(pair, offer(pair))
    name = f"mandate:{mandate.id}"
    with pair.writing() as db:
        found = evidence.stands(db, [(name, mandate.version), (name, 1), ("mandate:none", 1), ("none", 1)])
    assert found == {(name, mandate.version): "ok", (name, 1): "ended", ("mandate:none", 1): "ended", ("none", 1): "ended"}  # fmt: skip
    if not pair.is_sqlite:
        with pair.writing() as db:
            db.execute(select(tables.mandate).with_for_update())
            with pair.reading() as other:
                assert evidence.stands(other, [(name, mandate.version)]) == {
                    (name, mandate.version): "locked"
                }


def test_the_same_request_is_the_same_read_on_behalf_too(pair: Database) -> None:
    """Repeated within minutes a read on behalf is one entry in each history."""
    allow(pair)
    accept(pair, offer(pair))
    first = behalf(request_id="r-1")
    one, two = disclosure.release(pair, first), disclosure.release(pair, first)
    assert isinstance(one, Released)
    assert isinstance(two, Released)
    assert one.receipt.index == two.receipt.index
    for chain in (GIVER, HOLDER):
        assert [facts["kind"] for facts in history(pair, chain)].count("disclosed") == 1


def test_an_offer_is_answered_once_and_by_the_one_it_is_for(pair: Database) -> None:
    """Nobody else accepts or ends it; once answered it cannot be accepted again; ended twice is ended."""
    mandate = offer(pair)
    for citizen in (GIVER, country.DEAD):
        with pytest.raises(MandateUnknown), pair.writing() as db:
            entrusting.accept(db, mandate.id, holder=citizen, actor=SYSTEM)
    with pytest.raises(MandateUnknown):
        end(pair, mandate, country.DEAD)
    accept(pair, mandate)
    with pytest.raises(MandateOver):
        accept(pair, mandate)
    assert end(pair, mandate).state == "withdrawn"
    assert end(pair, mandate, HOLDER).state == "withdrawn"
    with pytest.raises(MandateOver):
        accept(pair, mandate)
    kinds = [facts["kind"] for facts in history(pair, HOLDER)]
    assert kinds == ["mandate-given", "mandate-ended"]


@pytest.mark.parametrize(
    "changes",
    [
        {"holder": GIVER},
        {"holder": "nobody"},
        {"agencies": []},
        {"agencies": ["no-such-agency"]},
        {"purposes": ["no-such-purpose"]},
        {"purposes": ["revenue-assessment"]},
        {"until": clock.now() - timedelta(days=1)},
        {"until": clock.now() + timedelta(days=3000)},
    ],
)
def test_a_mandate_is_for_somebody_for_something_and_for_a_time(pair: Database, changes: Any) -> None:
    """To oneself, to what is no citizen ID, for nothing, for a law, in the past or for ever: refused."""
    with pytest.raises(MandateMalformed):
        offer(pair, **changes)


def test_a_death_ends_mandates_on_both_sides(pair: Database) -> None:
    """When either of the two dies nobody acts for anybody any more, and the other's history says so."""
    accept(pair, offer(pair))
    with pair.writing() as db:
        record(db, CitizenDied(source="civil", citizen=HOLDER), actor=SYSTEM, about=[HOLDER])
    assert last(pair, GIVER)["reason"] == "deceased"


def test_what_has_run_out_is_said(pair: Database) -> None:
    """A mandate whose time is over, and an offer nobody answered, end in the histories."""
    accept(pair, offer(pair))
    waiting = offer(pair, agencies=["health"])
    with pair.writing() as db:
        late = clock.now() - timedelta(days=40)
        db.execute(update(tables.mandate).where(tables.mandate.c.id == waiting.id).values(offered_at=late))
        db.execute(update(tables.mandate).where(tables.mandate.c.id != waiting.id).values(expires_at=late))
        assert mandates.givers_of_expired(db) == [GIVER]
        assert mandates.expire(db, GIVER) == 2
        assert mandates.expire(db, GIVER) == 0
        assert not mandates.givers_of_expired(db)
    reasons = [facts["data"].get("reason") for facts in history(pair, GIVER)]
    assert reasons.count("expired") == 2
    assert [facts["data"].get("reason") for facts in history(pair, HOLDER)].count("expired") == 1


@example(st.text(max_size=40))
def test_any_date_is_read_or_refused(written: str) -> None:
    """Whatever is typed as a date, it is a day or it is none."""
    found = acting._end_of(written, "Asia/Tbilisi")
    assert found is None or found.hour == 23


# -- the pages


def browser(client: Any, database: Database, citizen: str, *, acr: str = HIGH) -> Any:
    """Sign a citizen in at the browser."""
    with database.writing() as db:
        _session, token = sessions.begin(
            db, subject=citizen, kind="citizen", acr=acr, amr=["hwk"], user_agent="", network=""
        )
    client.cookies.set("__Host-erti_session", token)
    client.headers["accept"] = "text/html"
    return client


def send(client: Any, page: str, path: str, **fields: Any) -> Any:
    """Send a form of a page."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).text)
    assert token
    return client.post(path, data={"csrf_token": token.group(1), **fields})


@pytest.fixture
def people(client: Any, database: Database) -> Any:
    """Give a browser of the service with the country in it."""
    with database.writing() as db:
        country.found(db)
        for citizen in (GIVER, HOLDER):
            country.be_born(db, citizen)
    return client


def test_a_mandate_through_the_pages(people: Any, database: Database) -> None:
    """One offers, the other accepts, both see it, and one of them ends it."""
    mine = browser(people, database, GIVER)
    day = (clock.now() + timedelta(days=60)).date().isoformat()
    made = send(mine, "/my/mandates/new", "/my/mandates", holder=HOLDER.lower(), until=day, agency="revenue")
    assert (made.status_code, made.headers["location"]) == (303, "/my/mandates")
    assert "not accepted yet" in mine.get("/my/mandates").text
    theirs = browser(people, database, HOLDER)
    page = theirs.get("/my/mandates").text
    assert "Act for K7QD-2M9X-WT4B-B" in page
    assert "Everything at Office of revenue" in page
    accepting = re.search(r'action="(/my/mandates/[0-9a-f]+/accept)"', page)
    assert accepting
    assert send(theirs, "/my/mandates", accepting[1]).status_code == 303
    with database.reading() as db:
        covering = mandates.covering(
            db, giver=GIVER, holder=HOLDER, agency="revenue", purpose="revenue-sign-in"
        )
    assert covering
    assert "You may now act for" in theirs.get("/my/history").text
    mine = browser(people, database, GIVER)
    send(mine, "/my/mandates", f"/my/mandates/{covering.id}/end")
    assert "acted for you" in mine.get("/my/mandates").text


def test_an_offer_to_nobody_looks_like_any_other(people: Any, database: Database) -> None:
    """Whether a citizen ID is somebody's is not told by the answer nor by the page."""
    mine = browser(people, database, GIVER)
    day = (clock.now() + timedelta(days=60)).date().isoformat()
    pages = []
    for holder in (HOLDER, "0000000000000"):
        answer = send(mine, "/my/mandates/new", "/my/mandates", holder=holder, until=day, agency="revenue")
        pages.append((answer.status_code, answer.headers.get("location")))
    assert pages[0] == (303, "/my/mandates")
    assert mine.get("/my/mandates").text.count("not accepted yet") == len(
        [one for one in pages if one[0] == 303]
    )


def test_a_weak_sign_in_gives_no_mandate(people: Any, database: Database) -> None:
    """Somebody who is signed in with a password alone is led to a stronger sign-in first."""
    mine = browser(people, database, GIVER, acr=LOW)
    assert mine.get("/my/mandates/new").headers["location"].startswith("/login?")
    assert send(mine, "/logout", "/my/mandates", holder=HOLDER).headers["location"].startswith("/login?")


def test_mistakes_in_an_offer_come_back(people: Any, database: Database) -> None:
    """A wrong ID, one's own, no day, a day that is over, and nothing chosen are said, with what was typed."""
    mine = browser(people, database, GIVER)
    good = {"holder": HOLDER, "until": "2099-01-01", "agency": "revenue"}
    for changes in (
        {"holder": "x"},
        {"holder": GIVER},
        {"until": ""},
        {"until": "2001-01-01"},
        {"agency": ""},
    ):
        fields = {name: value for name, value in {**good, **changes}.items() if value}
        answer = send(mine, "/my/mandates/new", "/my/mandates", **fields)
        assert answer.status_code == 400
        assert 'id="error-summary"' in answer.text
