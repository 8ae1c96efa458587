"""Attempts with passkeys that lie, answers that were made for something else, and answers that were used before."""

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from core.database import Database
from core.sessions import browser_session
from idp.tables import passkey
from tests.authenticator import AT, BE, BS, UP, UV, Authenticator, b64
from tests.consent.country import HIGH
from tests.idp.login.person import ISSUER, Person

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HOST = "id.erti.example"
ELSEWHERE = (
    f"{ISSUER}.evil.example", "https://evilid.erti.example", "https://evil-id.erti.example", "https://login.id.erti.example",
    "https://erti.example", f"{ISSUER}:8443", f"{ISSUER}:443", "http://id.erti.example", f"{ISSUER}/", f"{ISSUER}.",
    "https://ID.erti.example", f"https://{HOST}@evil.example", f"https://evil.example/{HOST}", "https://xn--d-hga.erti.example",
    "android:apk-key-hash:x", "null", "",
)  # fmt: skip
OTHER_HOSTS = ("erti.example", f"login.{HOST}", f"{HOST}.evil.example", f"{ISSUER}", "ID.ERTI.EXAMPLE")
NOT_VERIFIED = (UP, UV, 0, UP | BE, AT)
BACKED_UP_BUT_NOT_ELIGIBLE = UP | UV | BS


def activated(person: Any, letter: Any) -> Person:
    """Give somebody with a passkey, signed out."""
    somebody: Person = person()
    somebody.citizen_id, code = letter()
    somebody.activate_with_passkey(somebody.citizen_id, code)
    somebody.open("/logout")
    somebody.send("/logout")
    return somebody


@pytest.fixture
def nino(person: Any, letter: Any) -> Person:
    """Give somebody with a passkey that stays on its device, signed out."""
    return activated(person, letter)


def signed_in(somebody: Person) -> bool:
    """Tell whether somebody is in."""
    return bool(somebody.open("/my/account").status_code == 200)


def test_attempt_to_answer_from_another_origin(nino: Person) -> None:
    """An answer made at a host that begins, ends or looks like ours, at another port, scheme or RP ID, signs nobody in."""
    lies: list[dict[str, Any]] = [{"origin": origin} for origin in ELSEWHERE if origin]
    lies += [{"rp_id": host} for host in OTHER_HOSTS]
    lies += [{"cross_origin": True}, {"cross_origin": True, "topOrigin": "https://evil.example"}]
    for lie in lies:
        assert nino.use_passkey(**lie).status_code == 403, lie
    assert not signed_in(nino)
    assert nino.use_passkey().status_code == 200


def test_attempt_to_make_a_passkey_from_another_origin(nino: Person, database: Database) -> None:
    """Nor is a passkey made from there, or for an RP ID that is not ours, or in a frame, or by who was not verified."""
    nino.use_passkey()
    lies: list[dict[str, Any]] = [{"origin": origin} for origin in ELSEWHERE if origin]
    lies += [{"rp_id": host} for host in OTHER_HOSTS]
    lies += [{"cross_origin": True}, {"type": "webauthn.get"}, {"challenge": b64(b"c" * 32)}]
    for lie in lies:
        assert add(nino, **lie).status_code == 400, lie
    for flags in (*NOT_VERIFIED, BACKED_UP_BUT_NOT_ELIGIBLE):
        nino.device.flags = flags
        assert add(nino).status_code == 400, flags
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(passkey)) == 1
    nino.device.flags = None
    assert add(nino).status_code == 303


def add(somebody: Person, **lies: Any) -> Any:
    """Make another passkey, with lies."""
    somebody.open("/my/account/passkeys/new")
    device = Authenticator(ISSUER, flags=somebody.device.flags)
    return somebody.send(
        "/my/account/passkeys", credential=device.create(somebody.options(), **lies), name="x"
    )


def test_attempt_without_the_users_verification(nino: Person, database: Database) -> None:
    """No finger, no face, no PIN, nobody there, or flags that contradict each other: nobody is in."""
    for flags in (*NOT_VERIFIED, BACKED_UP_BUT_NOT_ELIGIBLE):
        nino.device.flags = flags
        assert nino.use_passkey().status_code == 403, flags
    assert not signed_in(nino)


@pytest.mark.parametrize("bound", [True, False], ids=["bound", "synced"])
def test_attempt_to_pass_a_copy_for_a_passkey_that_stays(
    person: Any, letter: Any, database: Database, bound: bool
) -> None:
    """What was made to stay on its device and now says that it can be copied is refused, and the other way round."""
    nino = person()
    nino.device = Authenticator(ISSUER, device_bound=bound, counts=False)
    nino.activate_with_passkey(*letter())
    nino.device.device_bound = not bound
    assert nino.use_passkey().status_code == 403
    with database.reading() as db:
        assert len(db.execute(select(browser_session)).all()) == 1, "the one of the activation"
    nino.device.device_bound = bound
    assert nino.use_passkey().status_code == 200


def test_attempt_to_use_an_answer_again(nino: Person, person: Any) -> None:
    """An answer that was taken from the wire signs nobody in again, in the same browser or in another one."""
    nino.open("/login")
    answer = nino.device.get(nino.ask("/login/passkey/options").json())
    assert nino.tell("/login/passkey/verify", answer).status_code == 200
    thief = person("203.0.113.9")
    for somebody in (nino, thief):
        somebody.open("/logout")
        somebody.send("/logout")
        somebody.open("/login")
        assert somebody.tell("/login/passkey/verify", answer).status_code == 403
        assert not signed_in(somebody)


def test_attempt_with_an_answer_of_the_other_ceremony(nino: Person, database: Database) -> None:
    """What was made to add a passkey opens nothing; what was made to sign in adds none; each challenge is for its own."""
    nino.open("/login")
    asked = nino.ask("/login/passkey/options").json()
    created = Authenticator(ISSUER).create({**asked, "rp": {"id": HOST}, "user": {"id": b64(b"x" * 32)}})
    assert nino.tell("/login/passkey/verify", created).status_code == 403
    nino.use_passkey()
    nino.open("/my/account/passkeys/new")
    challenge = {"challenge": json.loads(nino.options())["challenge"]}
    answer = nino.device.get(challenge)
    assert nino.tell("/login/passkey/verify", answer).status_code == 403, "a challenge for adding"
    nino.open("/my/account/passkeys/new")
    answer = nino.device.get(json.loads(nino.options()))
    assert nino.send("/my/account/passkeys", credential=answer, name="x").status_code == 400
    nino.open("/my/account/passkeys/new")
    options = json.loads(nino.options()) | {
        "challenge": nino.ask("/login/passkey/options").json()["challenge"]
    }
    answer = Authenticator(ISSUER).create(options)
    assert nino.send("/my/account/passkeys", credential=answer, name="x").status_code == 400
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(passkey)) == 1


def test_attempt_with_what_was_made_for_another_person(
    nino: Person, person: Any, letter: Any, database: Database
) -> None:
    """At a browser that several use, a passkey asked for in one account is not added to the next one's, nor opened by theirs."""
    lali = activated(person, letter)
    lali.browser.cookies = nino.browser.cookies  # one browser
    nino.use_passkey()
    nino.open("/my/account/passkeys/new")
    asked = nino.options()
    lali.use_passkey()
    lali.open("/my/account/passkeys/new")
    planted = Authenticator(ISSUER)
    answer = lali.send("/my/account/passkeys", credential=planted.create(asked), name="x")
    assert answer.status_code == 400
    with database.reading() as db:
        mine = passkey.c.citizen_id == lali.citizen_id
        assert db.scalar(select(func.count()).select_from(passkey).where(mine)) == 1
    handle = nino.device.credentials[-1].user_handle
    for lie in (handle, b"", lali.citizen_id.encode(), b"x" * 32):
        assert lali.use_passkey(user_handle=lie).status_code == 403, lie


def test_attempt_with_a_key_of_ones_own(nino: Person) -> None:
    """A signature by another key under the victim's credential ID and handle, or over other bytes, signs nobody in."""
    real = nino.device.credentials[-1]
    forger = Authenticator(ISSUER)
    forger.create({"rp": {"id": HOST}, "user": {"id": b64(real.user_handle)}, "challenge": b64(b"c" * 32)})
    forger.credentials[-1].id = real.id
    nino.open("/login")
    forged = forger.get(nino.ask("/login/passkey/options").json())
    assert nino.tell("/login/passkey/verify", forged).status_code == 403
    for part in ("clientDataJSON", "authenticatorData"):
        one = json.loads(nino.device.get(nino.ask("/login/passkey/options").json()))
        two = json.loads(nino.device.get(nino.ask("/login/passkey/options").json()))
        one["response"][part] = two["response"][part]
        assert nino.tell("/login/passkey/verify", json.dumps(one)).status_code == 403, part
    assert not signed_in(nino)


def test_attempt_with_a_passkey_that_was_not_offered(nino: Person, person: Any, letter: Any) -> None:
    """Where certain passkeys are asked for, another one of one's own and anybody else's are refused, and its challenge is spent."""
    lali = activated(person, letter)
    nino.use_passkey()
    nino.open("/my/account/passkeys/new")
    synced, bound = Authenticator(ISSUER, device_bound=False), nino.device
    nino.send("/my/account/passkeys", credential=synced.create(nino.options()), name="synced")
    nino.open("/logout")
    nino.send("/logout")
    nino.device = synced
    assert nino.use_passkey().status_code == 200
    nino.open(f"/login?return_to=/my&acr={HIGH}")
    for device, status in ((synced, 403), (lali.device, 403), (bound, 200)):
        asked = nino.ask("/login/passkey/options", return_to="/my", acr=HIGH).json()
        assert [one["id"] for one in asked["allowCredentials"]] == [b64(bound.credentials[-1].id)]
        assert nino.tell("/login/passkey/verify", device.get(asked)).status_code == status
        assert nino.tell("/login/passkey/verify", bound.get(asked)).status_code == 403, "spent"
