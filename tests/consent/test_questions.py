"""Why a citizen is asked again, and what their answer does then."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from consent import asking, decisions, grants, purposes, questions, tables
from consent.allowances import Allowance
from consent.errors import GrantOver, NotAsked, TextChanged
from consent.questions import Question
from core import clock
from core.database import Database
from core.events import SYSTEM
from tests.consent import country
from tests.consent.country import CITIZEN, ME

PURPOSE = "revenue-sign-in"


class Form:
    """A posted form."""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields

    def get(self, name: str, default: str = "") -> str:
        """Return a field's value."""
        return self.fields.get(name, default)

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return list(self.fields.get(name, []))


def reason(db: Any, *names: str, **changes: Any) -> str | None:
    """Return why the citizen is asked about attributes, or None if they are not."""
    found = questions.wanted(
        db, citizen=CITIZEN, purpose=PURPOSE, attributes=names or ("given_name",), **changes
    )
    return found.reason if found else None


def later(db: Any, **values: Any) -> None:
    """Change the citizen's permissions as time would."""
    db.execute(update(tables.grant).values(**values))


def test_each_reason_has_its_own_words() -> None:
    """The page says which reason it is: a heading for each, and for all but a first question a sentence."""
    assert set(asking.HEADINGS) == set(questions.REASONS)
    assert set(asking.REASONS) == set(questions.REASONS) - {"new"}
    said = [str(text) for text in (*asking.HEADINGS.values(), *asking.REASONS.values())]
    assert len(set(said)) == len(said)


def test_after_a_year_it_is_asked_again_however_long_it_counts(database: Database) -> None:
    """Even a permission for ten years is asked about after one, and an answer begins the year anew."""
    with database.writing() as db:
        country.found(db)
        purposes.publish(db, country.purpose(valid_days=3650), actor=SYSTEM)
        grant = country.allow(db, "given_name")
        later(db, given_at=clock.now() - timedelta(days=364))
        assert reason(db) is None
        later(db, given_at=clock.now() - timedelta(days=365))
        assert reason(db) == "year"
        assert grants.live(db, citizen=CITIZEN, purpose=PURPOSE) is not None
        again = country.allow(db, "given_name")
        assert (again.grant_id, again.state) == (grant.grant_id, "extended")
        assert reason(db) is None


def test_after_its_last_read_it_is_asked_as_used_up(database: Database) -> None:
    """A permission that was used up is asked by that reason, whether its end was noted yet or not."""
    with database.writing() as db:
        country.found(db)
        purposes.publish(db, country.purpose(limits={"reads": 2}), actor=SYSTEM)
        country.allow(db, "given_name")
        assert reason(db) is None
        later(db, used=2)
        assert reason(db) == "used-up"
        again = country.allow(db, "given_name")
        assert (again.state, again.uses.used) == ("given", 0)
        assert [one.state for one in grants.of(db, CITIZEN)] in (["given", "used-up"], ["used-up", "given"])


def test_more_often_is_something_more(database: Database) -> None:
    """Narrower limits than what is allowed ask nothing; wider ones do, as does what replaces it."""
    with database.writing() as db:
        country.found(db)
        decisions.decide(
            db, citizen=CITIZEN, client_id="portal", purpose=PURPOSE, allowed={"given_name", "employer"},
            lang="en", actor=ME, limits=Allowance(reads=3),
        )  # fmt: skip
        assert reason(db, limits=Allowance(reads=2)) is None
        assert reason(db, limits=Allowance(reads=4)) == "more"
        assert reason(db) == "more"
        both = ("given_name", "employer")
        assert reason(db, *both, limits=Allowance(reads=3), replace=True) is None
        assert reason(db, limits=Allowance(reads=3), replace=True) == "replace"
        assert reason(db, *both, limits=Allowance(reads=2), replace=True) == "replace"


def test_a_purpose_whose_last_day_is_over_is_not_asked(database: Database) -> None:
    """Nobody can allow what may not be read any more."""
    with database.writing() as db:
        country.found(db)
        purposes.publish(db, country.purpose(limits={"until": date(2020, 1, 1)}), actor=SYSTEM)
        assert reason(db) is None
        with pytest.raises(NotAsked):
            country.allow(db, "given_name")


@pytest.mark.parametrize(
    ("why", "left"), [("year", False), ("again", False), ("more", True), ("replace", True)]
)
def test_a_no_ends_what_it_was_about(database: Database, why: str, left: bool) -> None:
    """A "no" to everything takes back what was allowed; a "no" to something more leaves it."""
    with database.writing() as db:
        country.found(db)
        country.allow(db, "given_name")
        purpose = purposes.current(db, PURPOSE)
        question = Question(purpose, why, (questions.Ask("given_name", required=True, agreed=True),))
        view = asking.view(db, question, citizen=CITIZEN, lang="en")
        assert view.no_ends_it is not left
        form = Form(decision="deny", text=view.text_sha256)
        asking.decided(db, question, form, citizen=CITIZEN, client_id="portal", actor=ME, lang="en")
        assert (grants.live(db, citizen=CITIZEN, purpose=PURPOSE) is not None) is left


def test_a_replacement_leaves_nothing_else(database: Database) -> None:
    """What is allowed as a replacement takes the place of all that was allowed, limits included."""
    with database.writing() as db:
        country.found(db)
        before = country.allow(db, "given_name", "employer")
        question = questions.wanted(
            db, citizen=CITIZEN, purpose=PURPOSE, attributes=["income_bracket"], replace=True,
            limits=Allowance(reads=1),
        )  # fmt: skip
        assert question is not None
        view = asking.view(db, question, citizen=CITIZEN, lang="en")
        form = Form(decision="allow", text=view.text_sha256, attribute=["income_bracket"])
        after = asking.decided(db, question, form, citizen=CITIZEN, client_id="portal", actor=ME, lang="en")
        assert (after.grant_id, after.attributes) == (before.grant_id, frozenset({"income_bracket"}))
        assert (after.allowance, after.state) == (Allowance(reads=1), "given")


def test_a_citizen_lets_a_permission_go_on(database: Database) -> None:
    """At their own wish it counts for another term, under the text they read; not one that is over or has changed."""
    with database.writing() as db:
        country.found(db)
        purposes.publish(db, country.purpose(limits={"reads": 2}), actor=SYSTEM)
        grant = country.allow(db, "given_name")
        later(db, used=1, expires_at=clock.now() + timedelta(days=3))
        read = purposes.current(db, PURPOSE).text_sha256("ka")
        longer = decisions.extend(db, grant, text_sha256=read, lang="ka", actor=ME)
        assert (longer.state, longer.grant_id, longer.language) == ("extended", grant.grant_id, "ka")
        assert longer.expires_at > clock.now() + timedelta(days=360)
        assert longer.uses.used == 0
        with pytest.raises(TextChanged):
            decisions.extend(db, longer, text_sha256="0" * 64, lang="ka", actor=ME)
        purposes.publish(db, country.purpose(retention_days=1), actor=SYSTEM)
        with pytest.raises(TextChanged):
            decisions.extend(db, longer, text_sha256=read, lang="ka", actor=ME)
        decisions.withdraw(db, longer, actor=ME)
        with pytest.raises(GrantOver):
            decisions.extend(db, longer, text_sha256=read, lang="ka", actor=ME)
