"""What may be used once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from core import clock
from core.database import Database
from idp.oidc import replays


def test_of_many_at_once_one_is_the_first(database: Database) -> None:
    """The same key, used by eight threads at one moment, is new to exactly one of them."""
    until = clock.now() + timedelta(minutes=5)

    def use(_number: int) -> bool:
        with database.writing() as db:
            return replays.first_time(db, "proof", "client jti", until=until)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(use, range(8))) == [False] * 7 + [True]


def test_kinds_and_keys_are_apart_and_what_expired_is_forgotten(database: Database) -> None:
    """A proof says nothing of an assertion with the same ID, and after its time an ID is forgotten."""
    until = clock.now() + timedelta(minutes=5)
    with database.writing() as db:
        assert replays.first_time(db, "proof", "a", until=until)
        assert replays.first_time(db, "assertion", "a", until=until)
        assert replays.first_time(db, "proof", "b", until=clock.now() - timedelta(seconds=1))
        assert not replays.first_time(db, "proof", "b", until=until)
        replays.purge(db)
        assert replays.first_time(db, "proof", "b", until=until)
        assert not replays.first_time(db, "proof", "a", until=until)
