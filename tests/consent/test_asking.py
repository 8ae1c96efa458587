import pytest

from consent import asking, questions
from consent.errors import NotAsked, TextChanged
from consent.questions import Question
from core import language
from core.database import Database
from core.forms import Posted
from tests.consent import country
from tests.consent.country import CITIZEN, ME, purpose


@pytest.fixture
def question(open_door: Database) -> Question:
    """Give the question about the whole sign-in purpose."""
    with open_door.reading() as db:
        found = questions.wanted(
            db, citizen=CITIZEN, purpose="revenue-sign-in", attributes=("given_name", "employer")
        )
    assert found
    return found


def answer(view: asking.ConsentView, decision: str, *names: str) -> Posted:
    """Return the form as a browser sends it."""
    return Posted(
        [("text", view.text_sha256), ("decision", decision), *(("attribute", name) for name in names)]
    )


def test_the_page_shows_values_with_their_source(open_door: Database, question: Question) -> None:
    """What would be read stands there with its value, register and day; what is optional is off."""
    with open_door.reading() as db:
        view = asking.view(db, question, citizen=CITIZEN, lang="en")
    (needed,), (extra,) = view.required, view.optional
    assert (needed.label, needed.value, needed.source, needed.as_of) == (
        "Given name", "Nino", "Civil registry", "31 January 2026",
    )  # fmt: skip
    assert (extra.attribute, extra.value, extra.agreed) == ("employer", "The Mill", False)
    assert (view.title, view.why, view.lang) == ("Your account", "To open it.", "en")
    assert view.heading == "Office of revenue asks to read some of your data"


def test_the_page_speaks_the_readers_language(open_door: Database, question: Question) -> None:
    """In Georgian the purpose's own Georgian text stands there, and the answer is bound to it."""
    language.speak("ka")
    try:
        with open_door.reading() as db:
            view = asking.view(db, question, citizen=CITIZEN, lang="ka")
        assert view.title == "თქვენი ანგარიში"
        assert view.required[0].label == "სახელი"
        with open_door.writing() as db:
            grant = asking.decided(
                db, question, answer(view, "allow"), citizen=CITIZEN, client_id="portal", actor=ME
            )
    finally:
        language.speak("en")
    assert (grant.language, grant.text_sha256) == ("ka", view.text_sha256)
    assert grant.attributes == {"given_name"}


def test_yes_and_no_are_kept(open_door: Database, question: Question) -> None:
    """A yes takes what is required and what was ticked; a no takes nothing, whatever was ticked."""
    with open_door.reading() as db:
        view = asking.view(db, question, citizen=CITIZEN, lang="en")
    with open_door.writing() as db:
        no = asking.decided(
            db, question, answer(view, "deny", "employer"), citizen=CITIZEN, client_id="portal", actor=ME
        )
        yes = asking.decided(
            db, question, answer(view, "allow", "employer"), citizen=CITIZEN, client_id="portal", actor=ME
        )
    assert (no.state, no.attributes) == ("declined", frozenset())
    assert (yes.state, yes.attributes) == ("given", frozenset({"given_name", "employer"}))


def test_an_answer_to_something_else_is_not_kept(open_door: Database, question: Question) -> None:
    """An answer to another text, to nothing, or with more than was asked, is turned away."""
    with open_door.reading() as db:
        view = asking.view(db, question, citizen=CITIZEN, lang="en")
    wrong = [
        (Posted([("text", "0" * 64), ("decision", "allow")]), TextChanged),
        (Posted([("decision", "allow")]), TextChanged),
        (answer(view, ""), NotAsked),
        (answer(view, "allow", "income_bracket"), NotAsked),
    ]
    for form, error in wrong:
        with pytest.raises(error), open_door.writing() as db:
            asking.decided(db, question, form, citizen=CITIZEN, client_id="portal", actor=ME)


def test_asked_again_the_page_says_why(open_door: Database, question: Question) -> None:
    """A changed text is announced as changed, and what was allowed before is ticked."""
    with open_door.writing() as db:
        country.allow(db, "given_name", "employer")
        country.publish(db, purpose(valid_days=30))
        again = questions.wanted(db, citizen=CITIZEN, purpose="revenue-sign-in", attributes=("given_name",))
        assert again
        view = asking.view(db, again, citizen=CITIZEN, lang="en")
    assert "has changed" in view.heading
    assert view.reason
    assert [ask.agreed for ask in view.optional] == [True]
