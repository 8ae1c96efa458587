"""Where a sign-in came from, on pages and in letters, in a house with a file of places."""

from pathlib import Path

import pytest

from core.settings import Settings
from idp import notify
from tests import mapped
from tests.idp.login.disavowing import LATE, NOT_ME, link_for, sid_of
from tests.idp.login.person import Person
from tests.postbox import Postbox

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HOME, AWAY = "31.146.7.9", "5.152.1.1"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, postbox: Postbox) -> Settings:
    """Give the settings of a house with a file of places, and with mail."""
    file = mapped.write(tmp_path / "places.mmdb")
    return settings.model_copy(update={"places_file": file, "smtp_url": postbox.url})


@pytest.fixture
def nino(house, person, letter) -> Person:
    """Give somebody in Tbilisi who is signed in with password and app; the sign-in name is an address."""
    citizen_id, code = letter()
    somebody = person(HOME)
    somebody.citizen_id, somebody.codes = (
        citizen_id,
        somebody.activate(citizen_id, code, name="nino@example.org"),
    )
    return somebody


@pytest.fixture
def stranger(person, nino) -> Person:
    """Give somebody in Batumi who is signed in to nino's account."""
    other = person(AWAY)
    other.secret = nino.secret
    other.sign_in("nino@example.org")
    return other


def test_the_list_says_near_which_town(nino, stranger) -> None:
    """Each browser is told by the town its network is near, beside the network itself, and that it is an estimate."""
    page = nino.open("/my/sessions").text
    assert "the network you are on now, near Tbilisi, Georgia" in page
    assert "near Batumi, Georgia (5.152.1.0/24)" in page
    assert AWAY not in page
    assert "Places are estimates" in nino.text("places-note")
    assert '<a href="https://db-ip.com" rel="external noreferrer">IP Geolocation by DB-IP</a>' in page
    nino.browser.cookies.set("__Host-erti_language", "ka")
    page = nino.open("/my/sessions").text
    assert "თბილისი, საქართველო" in page
    assert "Batumi, საქართველო" in page


def test_the_letter_says_near_which_town(nino, stranger, database, postbox) -> None:
    """The letter about a new browser says near which town it was, and not from which address."""
    notify.deliver(database)
    text = postbox.newest("nino@example.org")
    assert "used from a browser we had not seen before" in text
    assert "From: Firefox on Windows\nWhere: near Batumi, Georgia (an estimate" in text
    assert "5.152" not in text


def test_a_letter_is_silent_where_no_place_is_known(nino, person, database, postbox) -> None:
    """Of a browser in a local network, or in one that the file does not know, the letter names no place."""
    for ahead, address in ((0, "10.0.0.5"), (1, "8.8.8.8")):
        other = person(address)
        other.secret = nino.secret
        other.sign_in("nino@example.org", steps_ahead=ahead)
        notify.deliver(database)
        assert "Firefox on Windows\n\n" in postbox.newest("nino@example.org")


def test_who_is_asked_whether_it_was_them_sees_where_it_was(nino, stranger, database) -> None:
    """The pages that ask "was this not you?" say from which browser and near which town it was, while it is signed in."""
    link = link_for(database, nino.citizen_id, "new-device", sid=sid_of(database, stranger))
    assert "near Batumi, Georgia" in nino.open(link).text
    assert "Firefox on Windows" in nino.page
    assert "5.152" not in nino.page
    pages = [nino.open(path).text for path in LATE.findall(nino.open("/my/sessions").text)]
    assert sum("near Batumi, Georgia (5.152.1.0/24)" in page for page in pages) == 1
    nino.open("/my/sessions")
    nino.send(f"/my/sessions/{NOT_ME.findall(nino.page)[0]}/not-me")
    assert "Batumi" not in nino.open(link).text
    assert "Firefox" not in nino.page


def test_a_link_says_nothing_of_another_citizens_session(nino, person, letter, database) -> None:
    """A link that names a session of somebody else tells nothing of it."""
    other = person(AWAY)
    other.activate(*letter())
    nino.open(link_for(database, nino.citizen_id, "new-device", sid=sid_of(database, other)))
    assert "Batumi" not in nino.page
