"""The tables of assurance: what they hold, what they give, and that the page for readers says the same."""

import html
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, update

from core import sessions
from core.events import SYSTEM
from core.sessions import browser_session
from idp import enrol
from idp.errors import LastStrongMethod
from idp.login import activation, assurance, methods, models, passkey, recovery
from idp.login.devices import Visitor
from idp.tables import account
from idp.tables import passkey as table
from tests.at_counter import SEEN
from tests.authenticator import Authenticator, b64
from tests.idp.login.person import ISSUER, PASSWORD

PAGE = Path(__file__).parents[3] / "docs" / "assurance.md"
NO_MODEL = "00000000-0000-0000-0000-000000000000"  # what most passkeys in phones state
LOW, SUBSTANTIAL, HIGH = assurance.ORDER
# The registry of Authentication Method Reference Values, as RFC 8176, section 6, began it.
REGISTERED = {
    "face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pwd", "rba", "retina", "sc", "sms",
    "swk", "tel", "user", "vbm", "wia",
}  # fmt: skip


def sessions_of(database):
    """Return the open sessions, by their assurance and methods."""
    with database.reading() as db:
        return [(row.acr, tuple(row.amr)) for row in db.execute(select(browser_session))]


@pytest.fixture
def tested(database, person):
    """Give a test citizen who signed in with the password alone."""
    with database.writing() as db:
        citizen_id = enrol.enrol(db, "tester", PASSWORD, {"given_name": "Test"}, actor=SYSTEM)
    somebody = person()
    somebody.citizen_id = citizen_id
    assert somebody.give_password("tester").headers["location"] == "/my"
    return somebody


@pytest.fixture
def nino(person, letter):
    """Give somebody who activated with a passkey that stays on its device."""
    citizen_id, code = letter()
    somebody = person()
    somebody.activate_with_passkey(citizen_id, code)
    somebody.citizen_id = citizen_id
    return somebody


def add_passkey(somebody, name="", kind=""):
    """Add a passkey of the person's device, on the page."""
    somebody.open(f"/my/account/passkeys/new?kind={kind}")
    credential = somebody.device.create(somebody.options())
    return somebody.send("/my/account/passkeys", credential=credential, name=name, kind=kind)


def test_methods_are_registered_values() -> None:
    """Every value of `amr` stands in the registry of RFC 8176, and `mfa` wherever two factors were shown."""
    assert {value for way in assurance.WAYS for value in way.amr} <= REGISTERED
    assert all(("mfa" in way.amr) == (way.aal >= 2) for way in assurance.WAYS)


def test_a_sign_in_reaches_the_least_of_what_it_rests_on() -> None:
    """For all ways, proofs and bounds the level is the lowest of the three, and unknown ones are worth least."""
    for way in assurance.WAYS:
        for proofing in assurance.PROOFINGS:
            for most in assurance.ORDER:
                least = min(way.acr, proofing.acr, most, key=assurance.ORDER.index)
                assert assurance.reached(way.amr, proofing=proofing.name, most=most) == least
    assert assurance.reached(("hwk", "mfa"), proofing="counter") == LOW
    assert assurance.reached(assurance.BOUND_PASSKEY, proofing="hearsay") == LOW


def test_the_page_for_readers_says_what_the_tables_say() -> None:
    """docs/assurance.md has a row for each way and each proof, with the levels that the code gives."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.read_text().splitlines()]
    for way in assurance.WAYS:
        level = way.acr.rpartition(":")[2]
        assert [way.name, " ".join(f"`{value}`" for value in way.amr), level, f"AAL{way.aal}"] in [
            row[:4] for row in rows
        ]
    for proofing in assurance.PROOFINGS:
        level, ial = proofing.acr.rpartition(":")[2], f"IAL{proofing.ial}" if proofing.ial else "none"
        assert [f"`{proofing.name}`", level, ial] in [row[:3] for row in rows]


def test_how_somebody_was_seen_is_kept(nino, letter, database, person) -> None:
    """An activation is a visit at a counter, a second one another; a test citizen was seen by nobody."""

    def seen(citizen_id):
        with database.reading() as db:
            return db.execute(
                select(account.c.proofing, account.c.proofed_at).where(account.c.citizen_id == citizen_id)
            ).one()

    first = seen(nino.citizen_id)
    assert first.proofing == "counter"
    with database.writing() as db:
        code = activation.make_code(db, nino.citizen_id, seen=SEEN, actor=SYSTEM)
    person().activate_with_passkey(nino.citizen_id, code)
    again = seen(nino.citizen_id)
    assert again.proofing == "counter-again"
    assert again.proofed_at > first.proofed_at
    with database.writing() as db:
        tester = enrol.enrol(db, "tester", PASSWORD, {}, actor=SYSTEM)
    assert seen(tester).proofing == "test"


def test_a_test_citizen_never_reaches_high(tested, database) -> None:
    """Whatever it has bound, an account that nobody looked at stays at substantial."""
    tested.add_app()
    tested.device = Authenticator(ISSUER)
    tested.sign_in("tester")
    assert add_passkey(tested).status_code == 303
    with database.writing() as db:
        db.execute(update(table).values(bound_acr=HIGH))
    assert tested.use_passkey().status_code == 200
    assert sessions_of(database) == [(SUBSTANTIAL, assurance.BOUND_PASSKEY)]


def test_a_password_session_is_asked_for_the_code_alone(tested, database) -> None:
    """Where the password was given, the app's code is all that is missing; the session is renewed and keeps its time."""
    tested.add_app()
    old = tested.browser.cookies["__Host-erti_session"]
    with database.reading() as db:
        before = db.execute(select(browser_session)).one()
    page = tested.open(f"/login?return_to=/my/sharing&acr={SUBSTANTIAL}").text
    assert 'id="totp-code"' in page
    assert 'id="password"' not in page
    wrong = tested.send("/login/step-up", return_to="/my/sharing", acr=SUBSTANTIAL, totp__code="000000")
    assert wrong.status_code == 400
    code = tested.code()
    answer = tested.send("/login/step-up", return_to="/my/sharing", acr=SUBSTANTIAL, totp__code=code)
    assert answer.headers["location"] == "/my/sharing"
    with database.reading() as db:
        after = db.execute(select(browser_session)).one()
    assert (after.acr, tuple(after.amr)) == (SUBSTANTIAL, assurance.PASSWORD_AND_CODE)
    assert (after.sid, after.auth_time, after.ends_at) == (before.sid, before.auth_time, before.ends_at)
    assert tested.browser.cookies["__Host-erti_session"] != old
    assert after.id_hash != before.id_hash


def test_a_whole_sign_in_is_asked_where_a_fresh_one_is_wanted(tested) -> None:
    """With `fresh` the code alone is not offered: everything is given anew."""
    tested.add_app()
    page = tested.open(f"/login?return_to=/my&acr={SUBSTANTIAL}&fresh=1").text
    assert 'id="stepup-form"' not in page
    assert 'id="password"' in page


def test_who_cannot_reach_it_is_told_what_would(tested, nino, person, letter, database) -> None:
    """Password alone: set up an app. Test account: it cannot. Synced passkey and high: a bound one from the counter."""
    page = tested.open(f"/login?return_to=/my&acr={SUBSTANTIAL}").text
    assert 'id="stepup-account"' in page
    assert 'id="password"' not in page
    assert "test account" in tested.open(f"/login?return_to=/my&acr={HIGH}").text
    synced = person()
    synced.device = Authenticator(ISSUER, device_bound=False, counts=False)
    synced.activate_with_passkey(*letter())
    page = synced.open(f"/login?return_to=/my&acr={HIGH}").text
    assert 'id="stepup-activate"' in page
    assert "data-passkey" not in page.replace("data-passkey-", "")


def test_only_passkeys_that_reach_it_are_asked_for(nino, database) -> None:
    """Somebody with a synced and a bound passkey is asked for the bound one, with its transports, and for no other."""
    bound = nino.device.credentials[-1].id
    nino.device.device_bound = False
    assert add_passkey(nino).status_code == 303
    assert nino.use_passkey().status_code == 200
    assert sessions_of(database) == [(SUBSTANTIAL, assurance.SYNCED_PASSKEY)]
    assert 'id="stepup-lead"' in nino.open(f"/login?return_to=/my&acr={HIGH}").text
    asked = nino.ask("/login/passkey/options", return_to="/my", acr=HIGH).json()["allowCredentials"]
    assert [(one["id"], one["transports"]) for one in asked] == [
        (b64(bound), ["internal"]),
    ]
    nino.device.device_bound = True
    nino.device.credentials = [one for one in nino.device.credentials if one.id == bound]
    options = nino.ask("/login/passkey/options", return_to="/my", acr=HIGH).json()
    assert nino.tell("/login/passkey/verify", nino.device.get(options)).status_code == 200
    assert sessions_of(database) == [(HIGH, assurance.BOUND_PASSKEY)]


def test_of_two_removals_at_once_one_is_refused(nino, database) -> None:
    """Two last passkeys removed at the same moment: one goes, the other stays as the last safe way in."""
    add_passkey(nino)
    with database.reading() as db:
        ids = db.scalars(select(table.c.id)).all()

    def remove(which):
        try:
            with database.writing() as db:
                methods.remove_passkey(
                    db, sessions.of(db, nino.citizen_id)[0], which, Visitor("", "", "", "")
                )
        except LastStrongMethod:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, ids)) == [False, True]
    with database.reading() as db:
        assert len(passkey.of(db, nino.citizen_id)) == 1


def test_a_copied_passkey_is_shown_and_stays_out(nino, database) -> None:
    """Once its counter went back it signs in no more, is said to be suspected, counts as no way in, and can be removed."""
    add_passkey(nino, name="Spare")
    nino.use_passkey()
    count = nino.device.credentials[-1].sign_count
    nino.device.credentials[-1].sign_count = 0
    refused = nino.use_passkey()
    assert refused.status_code == 403
    assert refused.json()["type"] == "urn:erti:problem:passkey-suspected"
    nino.device.credentials[-1].sign_count = count + 5
    assert nino.use_passkey().json()["type"] == "urn:erti:problem:passkey-suspected"
    assert nino.open("/my/account").status_code == 303, (
        "one of those who are in by a passkey may be the thief"
    )
    copied = nino.device.credentials.pop()
    assert nino.use_passkey().status_code == 200
    nino.device.credentials.append(copied)
    assert "may have been copied" in nino.open("/my/account").text
    with database.reading() as db:
        found = methods.of(db, nino.citizen_id)
    assert (len(found.passkeys), found.strong) == (2, 1)
    suspected = next(one for one in found.passkeys if one.suspected_at)
    assert nino.send(f"/my/account/passkeys/{suspected.id}/remove").status_code == 303
    left = next(one for one in found.passkeys if not one.suspected_at)
    assert nino.send(f"/my/account/passkeys/{left.id}/remove").status_code == 409


def test_a_device_that_offers_a_removed_passkey_may_forget_it(nino) -> None:
    """A credential that is not known here is refused by a code of its own, which the page's script passes on."""
    add_passkey(nino)
    with_id = nino.open("/my/account").text
    assert "data-passkey-accepted" in with_id
    newest = nino.device.credentials[-1].id
    accepted = json.loads(html_attribute(with_id, "data-passkey-accepted"))
    assert b64(newest) in accepted["allAcceptedCredentialIds"]
    nino.device.credentials[-1].id = b"never seen here"
    assert nino.use_passkey().json()["type"] == "urn:erti:problem:passkey-unknown"


def html_attribute(page, name):
    """Return the value of the first attribute with a name."""
    return html.unescape(page.split(f'{name}="', 1)[1].split('"', 1)[0])


def test_a_new_passkey_has_a_name(nino, database) -> None:
    """What is typed counts; else the maker's name, "Security key" for one that roams, or the browser; never one twice."""
    add_passkey(nino, name="  My   key ")
    add_passkey(nino)
    add_passkey(nino)
    with database.reading() as db:
        names = [one.name for one in passkey.of(db, nino.citizen_id)]
    assert names == ["My phone", "My key", "Firefox on Windows", "Firefox on Windows 2"]
    assert models.name("d548826e-79b4-db40-a3d8-11116f7e8349", ["internal"], "Firefox") == "Bitwarden"
    assert str(models.name(NO_MODEL, ["usb", "nfc"], "Firefox")) == "Security key"
    assert models.name(NO_MODEL, ["internal", "hybrid"], "Firefox") == "Firefox"


def test_a_security_key_is_asked_for_where_one_is_wanted(nino) -> None:
    """The options for a key hint at it, and name what is there already with its transports."""
    nino.open("/my/account/passkeys/new?kind=key")
    options = json.loads(nino.options())
    assert options["hints"] == ["security-key"]
    assert options["authenticatorSelection"]["authenticatorAttachment"] == "cross-platform"
    assert [one["transports"] for one in options["excludeCredentials"]] == [["internal"]]
    assert options["attestation"] == "none"


def test_few_codes_left_are_said(nino, database) -> None:
    """With two recovery codes left the page says to make new ones; they can be saved as a file while they are shown."""
    assert 'id="codes-few"' not in nino.open("/my/account").text
    nino.send("/my/account/codes/new")
    page = nino.open("/my/account/codes").text
    assert 'id="languages"' not in page, "a page that is shown once has no link that throws it away"
    file = nino.browser.get("/my/account/codes/file")
    assert file.headers["cache-control"] == "no-store"
    assert "attachment" in file.headers["content-disposition"]
    shown = [line for line in file.text.splitlines() if "-" in line and f"<li>{line}</li>" in page]
    assert len(shown) == 10
    nino.send("/my/account/codes")
    assert nino.browser.get("/my/account/codes/file").status_code == 303
    with database.writing() as db:
        for code in shown[:8]:
            assert recovery.use(db, nino.citizen_id, code)
    assert 'id="codes-few"' in nino.open("/my/account").text
