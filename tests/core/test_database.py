"""The two ways into the database keep their word on both engines."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from core import clock, limits, sessions
from core.database import Base, Database, Moment, parts

number = Table(
    "test_number",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment),
    Column("n", Integer),
)


@pytest.fixture
def base(database: Database) -> Database:
    """Give a database that also has this test's own table."""
    with database.engine.connect() as connection:
        number.create(connection, checkfirst=True)
        connection.commit()
    return database


def test_writing_commits_at_the_end(base: Database) -> None:
    """What a write transaction did is there for the next reader."""
    with base.writing() as db:
        db.execute(insert(number).values(id=1, n=5))

    with base.reading() as db:
        assert db.scalar(select(number.c.n)) == 5


def test_raising_undoes(base: Database) -> None:
    """An exception inside a write transaction leaves nothing behind."""
    with pytest.raises(IntegrityError), base.writing() as db:
        db.execute(insert(number).values(id=1, n=5))
        db.execute(insert(number).values(id=1, n=6))

    with base.reading() as db:
        assert db.scalar(select(number.c.n)) is None


def test_reading_keeps_nothing(base: Database) -> None:
    """A reader that writes by mistake changes nothing."""
    with base.reading() as db:
        db.execute(insert(number).values(id=1, n=5))

    with base.reading() as db:
        assert db.scalar(select(number.c.n)) is None


def test_one_write_transaction_a_thread(base: Database) -> None:
    """Opening a write transaction inside another fails at once instead of waiting for itself."""
    with base.writing(), pytest.raises(RuntimeError, match="already open"), base.writing():
        pass

    assert not base.in_writing()


def test_threads_that_read_then_write_do_not_lose_counts(base: Database) -> None:
    """Eight threads that each read a number and write it back one higher end with the right sum."""
    with base.writing() as db:
        db.execute(insert(number).values(id=1, n=0))

    def count() -> None:
        for _ in range(10):
            with base.writing() as db:
                seen: int = db.execute(
                    select(number.c.n).where(number.c.id == 1).with_for_update()
                ).scalar_one()
                db.execute(update(number).where(number.c.id == 1).values(n=seen + 1))

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with base.reading() as db:
        assert db.scalar(select(number.c.n)) == 80


def test_a_broken_constraint_undoes_the_whole_transaction(base: Database) -> None:
    """A second row with the same key fails, and the first of the same transaction is gone with it."""
    with base.writing() as db:
        db.execute(insert(number).values(id=1, n=1))

    with pytest.raises(IntegrityError), base.writing() as db:
        db.execute(insert(number).values(id=2, n=2))
        db.execute(insert(number).values(id=1, n=3))

    with base.reading() as db:
        assert db.scalars(select(number.c.n)).all() == [1]


ZONES = st.integers(-12, 12).map(lambda hours: timezone(timedelta(hours=hours)))


@given(st.datetimes(timezones=ZONES))
def test_moments_survive_the_column_type(moment: datetime) -> None:
    """Any moment in any zone comes back as the same instant, in UTC."""
    column = Moment()

    stored = column.process_bind_param(moment, None)
    back = column.process_result_value(stored, None)

    assert back == moment
    assert back is not None
    assert back.tzinfo is UTC


def test_a_naive_moment_is_refused() -> None:
    """A datetime without a zone never reaches the database."""
    with pytest.raises(ValueError, match="time zone"):
        Moment().process_bind_param(datetime(2026, 1, 1), None)  # noqa: DTZ001


def test_a_session_is_found_renewed_and_ended(database: Database) -> None:
    """A browser session is found by its token, changes its token when renewed, and is gone once ended."""
    with database.writing() as db:
        session, token = sessions.begin(
            db, subject="C1", kind="citizen", acr="low", amr=["pwd"], user_agent="x", network="127.0.0.1"
        )
    with database.writing() as db:
        fresh = sessions.renew(db, session, acr="high", amr=["hwk", "user"])

    with database.reading() as db:
        assert sessions.find(db, token) is None
        found = sessions.find(db, fresh)
        assert found is not None
        assert (found.sid, found.acr) == (session.sid, "high")
    with database.writing() as db:
        assert sessions.end_all(db, "C1") == 1
    with database.reading() as db:
        assert sessions.find(db, fresh) is None


def test_an_idle_session_is_over(database: Database) -> None:
    """A session that was not used for the idle time is not found any more."""
    with database.writing() as db:
        _session, token = sessions.begin(
            db, subject="C1", kind="citizen", acr="low", amr=[], user_agent="", network=""
        )
        long_ago = _session.last_seen_at - timedelta(seconds=parts(db).settings.session_idle_seconds + 1)
        db.execute(update(sessions.browser_session).values(last_seen_at=long_ago))

    with database.reading() as db:
        assert sessions.find(db, token) is None


def test_a_session_ends_however_much_it_is_used(database: Database) -> None:
    """A session in use is over after its longest time; only signing in again begins that time anew."""
    with database.writing() as db:
        longest = timedelta(seconds=parts(db).settings.session_seconds)
        session, token = sessions.begin(
            db, subject="C1", kind="citizen", acr="low", amr=[], user_agent="", network=""
        )
        nearly = clock.now() - longest + timedelta(minutes=1)
        db.execute(update(sessions.browser_session).values(created_at=nearly, ends_at=nearly + longest))
        again = sessions.renew(db, session, acr="low", amr=[])
        renewed = sessions.find(db, again)
        assert renewed is not None
        assert renewed.ends_at > clock.now() + longest - timedelta(minutes=1)
        db.execute(update(sessions.browser_session).values(ends_at=clock.now() - timedelta(seconds=1)))
        sessions.touch(db, renewed)

    with database.reading() as db:
        assert sessions.find(db, token) is None
        assert sessions.find(db, again) is None


def test_limits_count_and_forget(database: Database) -> None:
    """The fourth of three allowed events has to wait, another key does not, and forgetting starts anew."""
    with database.writing() as db:
        waits = [limits.hit(db, "sign-in", "a", most=3, per_seconds=60) for _ in range(4)]
        other = limits.hit(db, "sign-in", "b", most=3, per_seconds=60)
        limits.forget(db, [("sign-in", "a")])
        anew = limits.hit(db, "sign-in", "a", most=3, per_seconds=60)

    assert waits[:3] == [0, 0, 0]
    assert 0 < waits[3] <= 61
    assert (other, anew) == (0, 0)
