import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from consent import history
from core import clock, sessions
from core.events import SYSTEM, record
from core.sessions import browser_session
from idp import accounts
from idp.events import PasskeyAdded
from idp.login.devices import Visitor, known
from idp.notices.words import DISAVOWABLE
from idp.oidc.tables import authorization
from idp.tables import disavowal, outbox
from tests.idp.login.disavowing import LATE, NOT_ME, link_for, sid_of
from tests.idp.login.person import Person


@pytest.fixture
def nino(house, person, letter) -> Person:
    """Give somebody signed in with password and app, under the name nino, from 198.51.100.7."""
    citizen_id, code = letter()
    somebody = person()
    somebody.citizen_id, somebody.codes = citizen_id, somebody.activate(citizen_id, code, name="nino")
    somebody.open("/my/sessions")
    return somebody


@pytest.fixture
def stranger(person, nino) -> Person:
    """Give somebody at a browser elsewhere who is signed in to nino's account."""
    other = person("203.0.113.8")
    other.secret = nino.secret
    other.sign_in("nino")
    return other


def device_of(somebody: Person) -> Visitor:
    """Return what a browser shows of itself."""
    return Visitor("", somebody.browser.cookies["__Host-erti_device"], "", "")


def kinds(database, citizen_id: str) -> list[str]:
    """Return what stands in somebody's history, the oldest first."""
    assert history.settle(database, citizen_id)
    with database.reading() as db:
        return [one.kind for one in reversed(history.entries(db, citizen_id, size=50)[0])]


def notices(database) -> list[str]:
    """Return which letters wait to be sent."""
    with database.reading() as db:
        return list(db.scalars(select(outbox.c.notice).order_by(outbox.c.id)))


def offline_family(database, citizen_id: str, sid: str) -> None:
    """Let an agency hold tokens for offline access that came from a session."""
    at = clock.now()
    values = {
        "id": f"family-of-{sid[:12]}", "client_id": "health", "citizen": citizen_id, "sid": sid, "scope": "openid",
        "attributes": [], "resources": [], "acr": "", "amr": [], "auth_time": at, "offline": True, "created_at": at,
        "refresh_until": at + timedelta(days=9), "details": [],
    }  # fmt: skip
    with database.writing() as db:
        db.execute(authorization.insert().values(**values))


def live_families(database) -> set[str]:
    """Return from which sessions somebody still holds tokens."""
    with database.reading() as db:
        return set(db.scalars(select(authorization.c.sid).where(authorization.c.ended_at.is_(None))))


def test_sessions_are_listed_in_words(nino, stranger) -> None:
    """Each browser is told by name, place, times and factors; another's address is shown as its network."""
    page = nino.open("/my/sessions").text
    assert page.count("Firefox on Windows") == 2
    assert "the network you are on now" in page
    assert "another network: 203.0.113.0/24" in page
    assert "203.0.113.8" not in page
    assert "password, code" in page
    assert page.count("this browser") == 1


def test_one_session_or_all_others_are_ended(nino, person) -> None:
    """One browser is signed out from another, and all others at once; then they are strangers to the account."""
    others = [person(f"203.0.113.{number}") for number in range(3)]
    for ahead, other in zip((0, 1), others, strict=False):
        other.secret = nino.secret
        other.sign_in("nino", steps_ahead=ahead)
    page = nino.open("/my/sessions").text
    assert page.count("Firefox on Windows") == 3
    sid = re.search(r'id="session-end-([^"]+)"', page)[1]
    assert nino.send(f"/my/sessions/{sid}/end").headers["location"] == "/my/sessions"
    assert nino.open("/my/sessions").text.count("Firefox on Windows") == 2
    nino.send("/my/sessions/end")
    assert nino.open("/my/sessions").text.count("Firefox on Windows") == 1
    assert all(other.open("/my").status_code == 303 for other in others)


def test_ending_all_others_makes_them_strangers(nino, stranger, database) -> None:
    """After "sign out everywhere else" no other browser is known to the account, and this one is."""
    mine, theirs = device_of(nino), device_of(stranger)
    nino.open("/my/sessions")
    nino.send("/my/sessions/end")
    with database.reading() as db:
        assert known(db, mine, nino.citizen_id)
        assert not known(db, theirs, nino.citizen_id)


@pytest.mark.parametrize("verb", ["end", "not-me"])
def test_another_citizens_session_cannot_be_ended(nino, person, letter, database, verb: str) -> None:
    """Somebody else's session name ends nothing, says nothing and records nothing."""
    other = person()
    other.activate(*letter())
    sid = sid_of(database, other)
    nino.open("/logout")  # a page with a form, whose token serves every other
    answer = nino.send(f"/my/sessions/{sid}/{verb}")
    unknown = nino.send(f"/my/sessions/no-such-session/{verb}")
    assert (answer.status_code, answer.headers["location"]) == (303, unknown.headers["location"])
    assert other.open("/my/sessions").status_code == 200
    assert "disavowed" not in kinds(database, nino.citizen_id)


def test_this_was_not_me_puts_one_stranger_out(nino, stranger, database) -> None:
    """The stranger's session, browser and tokens go, those for offline access too; mine stay, and I am told."""
    theirs, mine = sid_of(database, stranger), sid_of(database, nino)
    for sid in (theirs, mine):
        offline_family(database, nino.citizen_id, sid)
    device = device_of(stranger)
    nino.open("/my/sessions")
    assert NOT_ME.findall(nino.page) == [theirs], "the own session is not offered"
    answer = nino.send(f"/my/sessions/{theirs}/not-me")
    assert answer.headers["location"] == "/my/sessions/secure"
    page = nino.open("/my/sessions/secure").text
    assert 'id="secure-password-change"' in page
    assert 'id="secure-codes-new"' in page
    assert 'id="secure-app-show"' in page
    assert "It is nino." in page
    there_are_none = ("card", "contact", "mandates", "permissions")
    assert not [one for one in there_are_none if f'id="secure-{one}"' in page]
    assert stranger.open("/my").status_code == 303
    with database.reading() as db:
        assert not known(db, device, nino.citizen_id)
        assert known(db, device_of(nino), nino.citizen_id)
    assert live_families(database) == {mine}
    assert kinds(database, nino.citizen_id)[-1] == "disavowed"
    assert notices(database)[-1] == "disavowed"


def test_a_change_of_unknown_origin_puts_everybody_else_out(nino, stranger, database) -> None:
    """What was changed cannot be traced to a browser, so each but mine goes that may have done it; older ones stay known."""
    with database.writing() as db:
        record(db, PasskeyAdded(passkey="x", device_bound=False), actor=SYSTEM, about=[nino.citizen_id])
    theirs, device = sid_of(database, stranger), device_of(stranger)
    offline_family(database, nino.citizen_id, theirs)
    nino.open("/my/sessions")
    path = LATE.search(nino.page)[1]
    assert "A passkey was added" in nino.open(path).text
    assert nino.send(path).headers["location"] == "/my/sessions/secure"
    assert stranger.open("/my").status_code == 303
    assert nino.open("/my").status_code == 200
    with database.reading() as db:
        assert not known(db, device, nino.citizen_id)
        assert known(db, device_of(nino), nino.citizen_id)
    assert live_families(database) == set()


def test_a_sign_in_in_the_recent_activity_is_traced_to_its_browser(nino, stranger, person, database) -> None:
    """Disavowing one sign-in ends that one alone."""
    third = person("192.0.2.77")
    third.secret = nino.secret
    third.sign_in("nino", steps_ahead=1)
    nino.open("/my/sessions")
    path = LATE.search(nino.page)[1]
    nino.open(path)
    nino.send(path)
    assert third.open("/my").status_code == 303
    assert stranger.open("/my").status_code == 200


def test_another_citizens_activity_is_not_to_be_disavowed(nino, person, letter) -> None:
    """An entry of somebody else's history is as unknown as one that never was."""
    other = person()
    other.activate(*letter())
    other.open("/my/sessions")
    path = LATE.search(other.page)[1]
    for there in (path, "/my/sessions/activity/00000000-0000-4000-8000-000000000000"):
        nino.open("/logout")  # a page with a form, whose token serves every other
        assert nino.browser.get(there).status_code == 404
        assert nino.send(there).status_code == 404
    assert other.open("/my").status_code == 200


def test_a_link_only_asks_until_it_is_answered(nino, stranger, person, database) -> None:
    """Opening the link, as programs that scan mail do, ends nothing; saying so does, once, without signing in."""
    theirs = sid_of(database, stranger)
    with database.reading() as db:
        device = db.scalar(select(disavowal.c.device).where(disavowal.c.sid == theirs))
    path = link_for(database, nino.citizen_id, "new-device", sid=theirs, device=device)
    reader = person("192.0.2.1")
    for _time in range(3):
        assert reader.open(path).status_code == 200
    assert nino.citizen_id not in reader.page
    assert stranger.open("/my").status_code == 200
    page = reader.page
    assert reader.send(path).status_code == 200
    assert reader.text("not-me-done") == "They are signed out"
    assert "/login?return_to=/my/sessions/secure" in reader.page
    assert stranger.open("/my").status_code == 303
    assert nino.open("/my").status_code == 200
    assert reader.open("/my").status_code == 303, "the link signs nobody in"
    reader.page = page
    assert reader.send(path).status_code == 404
    assert reader.open(path).status_code == 404
    assert reader.open("/not-me").status_code == 404, "nothing is said to have happened where nothing did"


def test_a_link_says_what_came_of_it(nino, stranger, person, database) -> None:
    """Where the browser of a letter was signed out before, the link says so, and does not claim to have done it."""
    path = link_for(database, nino.citizen_id, "new-device", sid=(theirs := sid_of(database, stranger)))
    nino.open("/my/sessions")
    nino.send(f"/my/sessions/{theirs}/end")
    reader = person("192.0.2.1")
    reader.open(path)
    reader.send(path)
    assert reader.text("not-me-done") == "Nobody was signed in there any more"
    assert "counts as unknown" in reader.page


def test_the_browser_of_a_letter_is_found_after_it_signed_in_again(nino, stranger, database) -> None:
    """The letter's link reaches the browser by its name, whatever it did to its cookies by signing in anew."""
    with database.reading() as db:
        row = db.execute(
            select(disavowal).where(disavowal.c.what == "new-device").order_by(disavowal.c.at.desc())
        ).first()
    stranger.browser.cookies.delete("__Host-erti_session")
    assert stranger.sign_in("nino", steps_ahead=1).status_code == 303
    again = sid_of(database, stranger)
    assert again != row.sid
    path = link_for(database, nino.citizen_id, "new-device", sid=row.sid, device=row.device)
    stranger.open(path)
    stranger.send(path)
    assert stranger.open("/my").status_code == 303
    with database.reading() as db:
        assert sessions.by_sid(db, again) is None


def test_a_link_is_over_after_a_week(nino, database) -> None:
    """A link that is older than a week does nothing, and says so as one that never was."""
    path = link_for(database, nino.citizen_id)
    with database.writing() as db:
        db.execute(update(disavowal).values(ends_at=clock.now() - timedelta(seconds=1)))
    answers = [nino.open(there) for there in (path, "/not-me/" + "x" * 43)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert all("does not work any more" in answer.text for answer in answers)


def test_a_link_reaches_its_own_account_alone(nino, person, letter, database) -> None:
    """Somebody who is signed in elsewhere and uses a stranger's link ends the stranger's sessions and not their own."""
    other = person()
    other_id, code = letter()
    other.activate(other_id, code)
    path = link_for(database, nino.citizen_id)
    other.open(path)
    other.send(path)
    assert other.open("/my").status_code == 200
    assert nino.open("/my").status_code == 303
    assert "disavowed" not in kinds(database, other_id)


def test_an_old_letter_locks_nobody_out(nino, person, database) -> None:
    """Whoever reads the owner's letters signs them out once a letter; password, app, codes and name stay as they are."""
    paths = [link_for(database, nino.citizen_id, what) for what in sorted(DISAVOWABLE)]
    reader = person("192.0.2.1")
    for path in paths:
        reader.open(path)
        reader.send(path)
    assert nino.open("/my").status_code == 303
    with database.reading() as db:
        assert accounts.find(db, nino.citizen_id).state == "active"
    assert nino.sign_in("nino").status_code == 303
    assert nino.open("/my/sessions").status_code == 200


def test_a_link_needs_the_form_of_its_own_page(nino, stranger, database) -> None:
    """Another site cannot use up a link that it knows: the form's token belongs to the browser."""
    path = link_for(database, nino.citizen_id)
    assert stranger.browser.post(path, data={"csrf_token": "0" * 64}).status_code == 403
    assert nino.open(path).status_code == 200


def test_each_letter_about_a_change_has_a_link_of_its_own(nino, stranger, database) -> None:
    """A new browser's letter knows its session and device; at rest there is no token that could be used."""
    with database.reading() as db:
        rows = db.execute(select(disavowal).order_by(disavowal.c.at)).all()
        facts = db.scalars(select(outbox.c.facts)).all()
    assert {row.what for row in rows} <= DISAVOWABLE
    newest = rows[-1]
    assert (newest.what, newest.sid) == ("new-device", sid_of(database, stranger))
    assert newest.device
    assert all(b"link" not in sealed for sealed in facts if sealed)


def test_what_a_device_does_to_one_account_leaves_others_alone(nino, person, letter, database) -> None:
    """A browser that two citizens use and one disavows stays known to the other."""
    shared = person()
    shared.secret = nino.secret
    shared.sign_in("nino")
    shared.open("/logout")
    shared.send("/logout")
    other_id, code = letter()
    shared.activate(other_id, code)
    with database.reading() as db:
        named = select(disavowal.c.device).where(
            disavowal.c.citizen_id == nino.citizen_id, disavowal.c.device != ""
        )
        device = db.scalars(named.order_by(disavowal.c.at.desc())).first()
    path = link_for(database, nino.citizen_id, "new-device", sid="gone", device=device)
    nino.open(path)
    nino.send(path)
    with database.reading() as db:
        assert not known(db, device_of(shared), nino.citizen_id)
        assert known(db, device_of(shared), other_id)
        assert db.scalars(select(browser_session.c.subject)).all().count(other_id) == 1
