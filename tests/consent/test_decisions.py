from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from consent import decisions, endings, grants, purposes, questions, tables
from consent.errors import GrantOver, GrantUnknown, NotAsked, RequiredMissing
from consent.grants import Grant
from core import clock
from core.database import Database
from core.events import SYSTEM, waiting
from tests.consent import country
from tests.consent.country import CITIZEN, ME, allow, purpose

ALL = ("given_name", "income_bracket", "employer")


def asked(db: Session, *names: str, again: bool = False) -> tuple[str, dict[str, bool]] | None:
    """Return the reason of the question about some attributes, and which of them are agreed."""
    question = questions.wanted(db, citizen=CITIZEN, purpose="revenue-sign-in", attributes=names, again=again)
    return (question.reason, {ask.attribute: ask.agreed for ask in question.asks}) if question else None


def kinds(db: Session) -> list[str]:
    """Return the kinds of the citizen's waiting events in order."""
    return list(db.scalars(select(waiting.c.kind).where(waiting.c.chain == CITIZEN).order_by(waiting.c.id)))


def age(db: Session, grant: Grant) -> None:
    """Let a grant's time be over."""
    past = clock.now() - timedelta(seconds=1)
    db.execute(update(tables.grant).where(tables.grant.c.grant_id == grant.grant_id).values(expires_at=past))


def test_what_is_agreed_is_not_asked_again(database: Database) -> None:
    """A question is asked once; an optional attribute left off stays off without another question."""
    with database.writing() as db:
        country.found(db)
        assert asked(db, *ALL) == ("new", {"given_name": False, "income_bracket": False, "employer": False})
        allow(db, "given_name", "employer")
        assert asked(db, *ALL) is None
        assert asked(db, "given_name") is None
        assert asked(db, *ALL, again=True) == (
            "again",
            {"given_name": True, "income_bracket": False, "employer": True},
        )


def test_a_question_names_only_what_is_wanted(database: Database) -> None:
    """Attributes that the client did not ask for, or that the purpose lacks, are not part of the question."""
    with database.writing() as db:
        country.found(db)
        assert asked(db, "income_bracket", "address") == ("new", {"income_bracket": False})
        assert asked(db, "address") is None
        assert asked(db) is None


def test_more_is_asked_as_more(database: Database) -> None:
    """What was never offered is asked, and what is agreed stands beside it."""
    with database.writing() as db:
        country.found(db)
        decisions.decide(
            db, citizen=CITIZEN, client_id="portal", purpose="revenue-sign-in", allowed={"given_name"},
            asked={"given_name"}, lang="ka", actor=ME,
        )  # fmt: skip
        assert asked(db, "given_name", "employer") == ("more", {"given_name": True, "employer": False})
        grant = decisions.decide(
            db, citizen=CITIZEN, client_id="portal", purpose="revenue-sign-in", allowed={"employer"},
            asked={"employer"}, lang="en", actor=ME,
        )  # fmt: skip
        assert grant.attributes == {"given_name", "employer"}
        assert grant.version == 2
        assert len(grants.of(db, CITIZEN)) == 1


def test_a_new_text_is_asked_and_the_old_grant_stays(database: Database) -> None:
    """A new version of the purpose is asked at the next sign-in; until then the old terms hold."""
    with database.writing() as db:
        country.found(db)
        old = allow(db, *ALL)
        purposes.publish(db, purpose(retention_days=1), actor=SYSTEM)
        assert asked(db, "given_name") == ("changed", dict.fromkeys(ALL, True))
        assert grants.live(db, citizen=CITIZEN, purpose="revenue-sign-in") == old
        new = allow(db, "given_name")
        assert (new.grant_id, new.purpose_version, new.attributes) == (
            old.grant_id,
            2,
            frozenset({"given_name"}),
        )


def test_law_asks_nobody(database: Database) -> None:
    """A purpose that rests on a law is no question, and cannot be decided."""
    with database.writing() as db:
        country.found(db)
        assert questions.wanted(db, citizen=CITIZEN, purpose="revenue-assessment", attributes=ALL) is None
        with pytest.raises(NotAsked):
            allow(db, "given_name", purpose="revenue-assessment")


def test_required_means_required(database: Database) -> None:
    """A decision without what the purpose requires, or beyond what it asks, is not kept."""
    with database.writing() as db:
        country.found(db)
        with pytest.raises(RequiredMissing):
            allow(db, "employer")
        with pytest.raises(NotAsked):
            allow(db, "given_name", "address")
        with pytest.raises(NotAsked):
            allow(db)
        assert kinds(db) == []


def test_no_is_kept_and_asked_again(database: Database) -> None:
    """A refusal is on record; the next sign-in asks anew, and a later yes replaces it in the list."""
    with database.writing() as db:
        country.found(db)
        for _time in range(2):
            decisions.decline(
                db, citizen=CITIZEN, client_id="portal", purpose="revenue-sign-in", lang="en", actor=ME
            )
        assert [one.state for one in grants.of(db, CITIZEN)] == ["declined"]
        assert asked(db, "given_name") == ("new", {"given_name": False})
        allow(db, "given_name")
        assert [one.state for one in grants.of(db, CITIZEN)] == ["given"]
        assert kinds(db) == ["grant-declined", "grant-declined", "grant-given"]


def test_no_to_more_keeps_what_was_allowed(database: Database) -> None:
    """Refusing a second question does not take back the first answer."""
    with database.writing() as db:
        country.found(db)
        before = allow(db, "given_name")
        decisions.decline(
            db, citizen=CITIZEN, client_id="portal", purpose="revenue-sign-in", lang="en", actor=ME
        )
        assert grants.live(db, citizen=CITIZEN, purpose="revenue-sign-in") == before


def test_withdrawing_one_attribute_narrows(database: Database) -> None:
    """Taking back one attribute leaves the others; taking back the last ends the grant."""
    with database.writing() as db:
        country.found(db)
        grant = allow(db, "given_name", "employer")
        narrowed = decisions.withdraw(db, grant, attributes={"employer"}, actor=ME)
        assert (narrowed.state, narrowed.attributes, narrowed.version) == (
            "narrowed",
            frozenset({"given_name"}),
            2,
        )
        assert asked(db, *ALL) is None
        with pytest.raises(GrantOver):
            decisions.withdraw(db, grant, attributes={"employer"}, actor=ME)
        over = decisions.withdraw(db, narrowed, attributes={"given_name"}, actor=ME)
        assert (over.state, over.ended_by) == ("withdrawn", "citizen")
        assert asked(db, "given_name") == ("new", {"given_name": False})


def test_withdrawing_twice_is_withdrawing_once(database: Database) -> None:
    """A second withdrawal changes nothing and records nothing."""
    with database.writing() as db:
        country.found(db)
        grant = allow(db, "given_name")
        first = decisions.withdraw(db, grant, actor=ME)
        assert decisions.withdraw(db, grant, actor=ME) == first
        assert kinds(db) == ["grant-given", "grant-withdrawn"]


def test_a_grant_is_its_citizens_alone(database: Database) -> None:
    """Another citizen's grant is as unknown as none."""
    with database.writing() as db:
        country.found(db)
        grant = allow(db, "given_name")
        assert grants.read(db, grant.grant_id, citizen=CITIZEN) == grant
        with pytest.raises(GrantUnknown):
            grants.read(db, grant.grant_id, citizen="AAAAAAAAAAAAA")


def test_time_runs_out(database: Database) -> None:
    """An expired grant is not live, is asked again as expired, and is noted once in the history."""
    with database.writing() as db:
        country.found(db)
        age(db, allow(db, "given_name"))
        assert grants.live(db, citizen=CITIZEN, purpose="revenue-sign-in") is None
        assert asked(db, "given_name") == ("expired", {"given_name": False})
        assert endings.expire(db) == 1
        assert endings.expire(db) == 0
        assert asked(db, "given_name") == ("expired", {"given_name": False})
        new = allow(db, "given_name")
        assert new.version == 1
        assert kinds(db) == ["grant-given", "grant-ended", "grant-given"]


def test_an_expired_grant_gives_way_to_a_new_one(database: Database) -> None:
    """A new yes after the expiry begins a new grant, though nobody had swept the old one."""
    with database.writing() as db:
        country.found(db)
        old = allow(db, "given_name")
        age(db, old)
        new = allow(db, "given_name")
        assert new.grant_id != old.grant_id
        assert [one.state for one in grants.of(db, CITIZEN)] == ["given", "expired"]


def test_death_ends_every_grant(database: Database) -> None:
    """All live grants of a citizen end, with the reason, and no one else's."""
    with database.writing() as db:
        country.found(db)
        allow(db, "given_name")
        allow(db, "given_name", purpose="health-sign-in")
        other = allow(db, "given_name", citizen="AAAAAAAAAAAAA")
        assert endings.end_all(db, CITIZEN, reason="deceased", actor=SYSTEM) == 2
        assert endings.end_all(db, CITIZEN, reason="deceased", actor=SYSTEM) == 0
        assert [one.state for one in grants.of(db, CITIZEN)] == ["ended", "ended"]
        assert grants.live(db, citizen="AAAAAAAAAAAAA", purpose="revenue-sign-in") == other


def test_what_a_read_relies_on(database: Database) -> None:
    """A grant stands only in the version that was relied on, while live and unexpired."""
    with database.writing() as db:
        country.found(db)
        one, two, old = (allow(db, *ALL, citizen=name) for name in ("A", "B", "C"))
        decisions.withdraw(db, two, actor=ME)
        age(db, old)
    with database.writing() as db:
        pairs = [(one.grant_id, 1), (one.grant_id, 2), (two.grant_id, 1), (old.grant_id, 1), ("none", 1)]
        assert [grants.relied_on(db, pairs)[pair] for pair in pairs] == [
            "ok",
            "ended",
            "ended",
            "ended",
            "ended",
        ]
        assert grants.relied_on(db, []) == {}


def test_a_decision_under_way_is_waited_for(database: Database) -> None:
    """While a withdrawal is not committed, PostgreSQL says "locked"; on SQLite nobody else can be writing."""
    with database.writing() as db:
        country.found(db)
        grant = allow(db, *ALL)
    pair = (grant.grant_id, grant.version)
    with database.writing() as db:
        decisions.withdraw(db, grant, actor=ME)
        with database.reading() as other:
            assert grants.relied_on(other, [pair]) == {pair: "ok" if database.is_sqlite else "locked"}
    with database.reading() as db:
        assert grants.relied_on(db, [pair]) == {pair: "ended"}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sets(st.sampled_from(ALL), min_size=1), st.sets(st.sampled_from(ALL))), max_size=5
    ),
    requested=st.sets(st.sampled_from((*ALL, "address"))),
)
def test_questions_and_answers_agree(
    database: Database, steps: list[tuple[set[str], set[str]]], requested: set[str]
) -> None:
    """However decisions follow each other, nothing is asked exactly when the answer is known already."""
    undo = RuntimeError("undo")
    with pytest.raises(RuntimeError), database.writing() as db:
        country.found(db)
        agreed: set[str] = set()
        offered: set[str] = set()
        for shown, ticked in steps:
            said = (shown & ticked) | (shown & {"given_name"})
            if not said:
                continue
            decisions.decide(
                db, citizen=CITIZEN, client_id="portal", purpose="revenue-sign-in", allowed=said,
                asked=shown, lang="en", actor=ME,
            )  # fmt: skip
            agreed, offered = (agreed - shown) | said, offered | shown
        question = questions.wanted(db, citizen=CITIZEN, purpose="revenue-sign-in", attributes=requested)
        wanted = requested & set(ALL)
        must_ask = bool(wanted) and (
            not agreed or bool((wanted - offered) | (wanted & {"given_name"} - agreed))
        )
        assert (question is not None) == must_ask
        if question:
            assert question.names >= wanted
            assert question.names <= wanted | agreed
        raise undo
