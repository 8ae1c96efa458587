"""Attempts to plant something in a browser before its owner signs in, and to come back with it afterwards."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from core.database import Database
from core.events import SYSTEM, waiting
from core.sessions import browser_session
from idp import enrol
from idp.login import activation, devices
from idp.login.devices import Visitor
from idp.oidc import interactions
from idp.staff import accounts as staff
from tests.at_counter import SEEN
from tests.consent import country
from tests.consent.country import SUBSTANTIAL
from tests.idp.login.person import PASSWORD, Person
from tests.idp.oidc.provider import CITIZEN, OTHER, Provider

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SESSION, STAGE, DEVICE, BROWSER = (
    f"__Host-erti_{name}" for name in ("session", "stage", "device", "browser")
)


def plant(somebody: Person, **cookies: str) -> None:
    """Put cookies into a browser, as whoever holds a neighbouring host or was at it before might."""
    for name, value in cookies.items():
        somebody.browser.cookies.set(f"__Host-erti_{name}", value, domain="id.erti.example", path="/")


def opens(somebody: Person, token: str) -> bool:
    """Tell whether a session's token opens anything, in a browser of its own."""
    somebody.browser.cookies.clear()
    plant(somebody, session=token)
    return bool(somebody.open("/my/account").status_code == 200 or somebody.open("/admin").status_code == 200)


def test_attempt_to_set_cookies_from_a_neighbouring_host(
    nino: Person, person: Any, database: Database
) -> None:
    """Each cookie that we set has a name that only this very host can set, over TLS, and no script can read."""
    nino.sign_in("nino")
    for path in ("/my/account", "/language/ka", "/logout", "/recover", "/authorize?client_id=x"):
        nino.open(path)
    nino.open("/recover?again=1")
    nino.send("/recover", username="nino")
    nino.open("/logout")
    nino.send("/logout")
    jar = list(nino.browser.cookies.jar)
    assert {DEVICE, BROWSER, "__Host-erti_language", "__Host-erti_return"} <= {one.name for one in jar}
    seen = person("203.0.113.9")
    lines = [
        line
        for path in ("/login", "/activate", "/language/ka")
        for line in seen.open(path).headers.get_list("set-cookie")
    ]
    page = seen.open("/login") and seen.send("/login", username="nino", password=PASSWORD)
    lines += page.headers.get_list("set-cookie")
    assert len(lines) >= 3
    for line in lines:
        name, *rest = [part.strip().lower() for part in line.split(";")]
        assert name.startswith("__host-"), line
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= set(rest), line
        assert not any(part.startswith("domain") for part in rest), line
    assert all(one.name.startswith("__Host-") for one in jar)


def test_attempt_to_plant_ones_own_session(
    nino: Person, person: Any, letter: Any, database: Database
) -> None:
    """Whoever signs in over a planted session, device and half sign-in has new ones; the planted ones end or stay the attacker's."""
    attacker = person("203.0.113.9")
    attacker.activate(*letter())
    planted = {name: attacker.browser.cookies[f"__Host-erti_{name}"] for name in ("session", "device", "stage", "browser")
               if f"__Host-erti_{name}" in attacker.browser.cookies}  # fmt: skip
    plant(nino, **planted)
    nino.sign_in("nino")
    assert nino.open("/my/account").status_code == 200
    assert nino.browser.cookies[SESSION] != planted["session"]
    assert nino.browser.cookies[DEVICE] != planted["device"]
    with database.reading() as db:
        subjects = db.scalars(select(browser_session.c.subject)).all()
        known = devices.known(db, Visitor("", planted["device"], "", ""), nino.citizen_id)
    assert subjects == [nino.citizen_id], "the planted one is over"
    assert not known
    assert not opens(person("203.0.113.10"), planted["session"])


def test_attempt_to_plant_half_a_sign_in(nino: Person, person: Any, database: Database) -> None:
    """A half sign-in of the attacker's takes nobody else's code, and one that the attacker knows does not become the victim's."""
    attacker = person("203.0.113.9")
    with database.writing() as db:
        enrol.enrol(db, "attacker", PASSWORD, {}, actor=SYSTEM)
    attacker.give_password("attacker")
    attacker.add_app()
    attacker.give_password("attacker")
    half = attacker.browser.cookies[STAGE]
    plant(nino, stage=half)
    nino.open("/login/code")
    assert nino.send("/login/code", totp__code=nino.code()).status_code == 400
    assert nino.open("/my/account").status_code == 303
    nino.give_password("nino")
    assert nino.browser.cookies[STAGE] != half
    thief = person("203.0.113.10")
    plant(thief, stage=half)
    thief.open("/login/code")
    assert thief.send("/login/code", totp__code=nino.code()).status_code == 400, "still the attacker's own"
    nino.open("/login/code")
    mine = nino.browser.cookies[STAGE]
    assert nino.send("/login/code", totp__code=nino.code()).status_code == 303
    plant(thief, stage=mine)
    assert thief.open("/login/code").headers["location"] == "/login", "and the victim's is over"


def test_attempt_to_read_the_codes_of_an_activation(person: Any, letter: Any) -> None:
    """Whoever took the cookie of an activation that is under way sees no recovery code when it is done."""
    owner, thief = person(), person("203.0.113.9")
    owner.begin_activation(*letter())
    stolen = owner.browser.cookies[STAGE]
    owner.open("/activate/method")
    owner.send("/activate/passkey", name="", credential=owner.device.create(owner.options()))
    plant(thief, stage=stolen)
    for path in ("/activate/codes", "/activate/codes/file", "/activate/method", "/activate/app"):
        answer = thief.open(path)
        assert answer.status_code == 303, path
        assert not re.search(r"[0-9A-Z]{4}(-[0-9A-Z]{4}){3}", answer.text)
    thief.open("/login")
    assert thief.send("/activate/codes").headers["location"] == "/activate"
    assert len(owner.keep_codes()) == 10


def again(nino: Person, _database: Database) -> None:
    """Sign in anew."""
    nino.sign_in("nino", steps_ahead=1)


def by_recovery_code(nino: Person, _database: Database) -> None:
    """Sign in with a recovery code in place of the app."""
    nino.give_password("nino")
    nino.open("/login/code")
    assert nino.send("/login/code", recovery__code=nino.codes[0]).status_code == 303


def by_a_new_letter(nino: Person, database: Database) -> None:
    """Activate once more."""
    with database.writing() as db:
        code = activation.make_code(db, nino.citizen_id, seen=SEEN, actor=SYSTEM)
    nino.activate_with_passkey(nino.citizen_id, code)


def as_staff(nino: Person, database: Database) -> None:
    """Go on as a member of staff in the same browser."""
    with database.writing() as db:
        token = staff.invite(db, "Nino", "auditor", actor=SYSTEM).token
    nino.open(f"/staff/join?invitation={token}")
    answer = nino.send("/staff/join", invitation=token, credential=nino.device.create(nino.options()))
    assert answer.headers["location"] == "/admin"


@pytest.mark.parametrize("change", [again, by_recovery_code, by_a_new_letter, as_staff])
def test_attempt_to_keep_a_session_over_a_change(
    nino: Person, person: Any, database: Database, change: Callable[[Person, Database], None]
) -> None:
    """Each sign-in, step and change of part gives the browser a new session; a copy of the old one opens nothing."""
    nino.sign_in("nino")
    old = nino.browser.cookies[SESSION]
    change(nino, database)
    new = nino.browser.cookies[SESSION]
    assert new != old
    thief = person("203.0.113.9")
    assert not opens(thief, old)
    assert opens(thief, new)


def test_attempt_to_keep_a_session_over_a_step_up(person: Any, database: Database) -> None:
    """When the code is added to a password, the session that was worth less is gone."""
    nino, thief = person(), person("203.0.113.9")
    with database.writing() as db:
        enrol.enrol(db, "tester", PASSWORD, {}, actor=SYSTEM)
    nino.give_password("tester")
    nino.add_app()
    old = nino.browser.cookies[SESSION]
    nino.open(f"/login?return_to=/my&acr={SUBSTANTIAL}")
    assert (
        nino.send("/login/step-up", return_to="/my", acr=SUBSTANTIAL, totp__code=nino.code()).status_code
        == 303
    )
    assert nino.browser.cookies[SESSION] != old
    assert not opens(thief, old)


def test_attempt_to_stay_in_the_console_after_leaving(nino: Person, person: Any, database: Database) -> None:
    """Who leaves the console leaves nothing in the browser that opens it, nor the citizen's session from before."""
    nino.sign_in("nino")
    mine = nino.browser.cookies[SESSION]
    as_staff(nino, database)
    office = nino.browser.cookies[SESSION]
    with database.reading() as db:
        kinds = db.scalars(select(waiting.c.kind).where(waiting.c.chain == nino.citizen_id))
        assert list(kinds)[-1] == "session-ended", (
            "the citizen's own is over, with the tokens that hang on it"
        )
    nino.open("/admin")
    assert nino.send("/staff/logout").headers["location"] == "/staff/login"
    assert SESSION not in nino.browser.cookies
    assert nino.open("/my/account").status_code == nino.open("/admin").status_code == 303
    thief = person("203.0.113.9")
    assert not opens(thief, office)
    assert not opens(thief, mine)


def test_attempt_to_hand_on_a_request_with_answers(provider: Provider) -> None:
    """Whoever goes on with a request in which another said yes is asked anew, and the other gets nothing of theirs."""
    with provider.database.writing() as db:
        country.be_born(db, OTHER)
    provider.sign_in(CITIZEN)
    asks = {"scope": "openid profile", "claims": '{"userinfo":{"given_name":null}}'}
    page = provider.authorize(**asks)
    path = re.search(r"i=([\w-]+)", page.headers["location"])
    assert path
    consent = provider.web.get(page.headers["location"])
    assert provider.send(consent, decision="allow").headers["location"] == interactions.PATH + path[1]
    provider.sign_in(OTHER)
    onward = provider.web.get(interactions.PATH + path[1])
    assert onward.headers["location"].startswith("/consent?"), "asked anew"
    consent = provider.web.get(onward.headers["location"])
    provider.send(consent, decision="allow")
    assert "code=" in provider.web.get(interactions.PATH + path[1]).headers["location"]
    provider.sign_in(CITIZEN)
    over = provider.web.get(interactions.PATH + path[1], headers={"accept": "text/html"})
    assert over.status_code in (404, 409, 410), over.status_code
    assert "code=" not in over.text
