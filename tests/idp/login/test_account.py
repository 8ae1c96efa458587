import re

import pytest
from sqlalchemy import select, update

from core import sessions
from core.events import SYSTEM, Actor, waiting
from core.sessions import browser_session
from idp import accounts
from idp.errors import LastStrongMethod, NameTaken, NameUnfit
from idp.login import assurance, methods
from idp.login.devices import Visitor, known, words
from idp.tables import passkey as table
from tests.authenticator import Authenticator
from tests.idp.login.person import ISSUER, PASSWORD

PASSKEY_ID = re.compile(r'id="passkey-remove-([0-9a-f]{16})"')


def add_passkey(somebody, name: str) -> None:
    """Add a passkey on a new device under a name."""
    somebody.device = Authenticator(ISSUER)
    somebody.open("/my/account/passkeys/new")
    answer = somebody.send(
        "/my/account/passkeys", name=name, credential=somebody.device.create(somebody.options())
    )
    assert answer.status_code == 303
    somebody.open("/my/account")


def test_passkeys_are_added_renamed_and_removed(nino) -> None:
    """A passkey added to a password account signs in, takes another name, and can go again."""
    add_passkey(nino, "Phone")
    passkey_id = PASSKEY_ID.search(nino.page)[1]
    nino.send(f"/my/account/passkeys/{passkey_id}/rename", name="  Old   phone ")
    assert "Old phone" in nino.open("/my/account").text
    assert nino.use_passkey().status_code == 200
    nino.open("/my/account")
    assert nino.send(f"/my/account/passkeys/{passkey_id}/remove").status_code == 303
    assert not PASSKEY_ID.search(nino.open("/my/account").text)
    assert nino.use_passkey().status_code == 403


def test_the_last_safe_way_in_stays(nino) -> None:
    """Password and app go only while a passkey remains, and then that passkey stays."""
    nino.open("/my/account")
    assert nino.send("/my/account/password/remove").status_code == 409
    add_passkey(nino, "Phone")
    passkey_id = PASSKEY_ID.search(nino.page)[1]
    assert nino.send("/my/account/password/remove").status_code == 303
    nino.open("/my/account")
    kept = nino.send(f"/my/account/passkeys/{passkey_id}/remove")
    assert kept.status_code == 409
    assert "last safe way" in kept.text


def test_two_removals_at_once_leave_one_way(person, letter, database) -> None:
    """Of two passkeys removed at the same time one remains."""
    citizen_id, code = letter()
    nino = person()
    nino.activate_with_passkey(citizen_id, code)
    add_passkey(nino, "Second")
    first, second = PASSKEY_ID.findall(nino.page)
    with database.writing() as db:
        me = sessions.of(db, citizen_id)[0]
        methods.remove_passkey(db, me, first, Visitor("", "", "", ""))
    with pytest.raises(LastStrongMethod), database.writing() as db:
        methods.remove_passkey(db, me, second, Visitor("", "", "", ""))


def test_another_citizens_passkey_cannot_be_touched(nino, person, letter) -> None:
    """Renaming or removing by somebody else's passkey number does nothing."""
    owner = person()
    owner.activate_with_passkey(*letter())
    add_passkey(owner, "Second")
    theirs = PASSKEY_ID.search(owner.page)[1]
    nino.open("/my/account")
    nino.send(f"/my/account/passkeys/{theirs}/rename", name="Mine now")
    nino.send(f"/my/account/passkeys/{theirs}/remove")
    assert "Mine now" not in owner.open("/my/account").text
    assert theirs in owner.page


def test_a_password_alone_changes_nothing_beside_a_passkey(nino, database) -> None:
    """A session of low assurance may not change how an account with a safe way in is entered."""
    nino.open("/my/account")
    with database.writing() as db:
        db.execute(update(browser_session).values(acr=assurance.LOW, amr=list(assurance.PASSWORD)))
    assert nino.open("/my/account/passkeys/new").status_code == 303


@pytest.mark.parametrize("acr", [assurance.SUBSTANTIAL, assurance.HIGH])
def test_a_passkey_reaches_no_more_than_the_session_that_added_it(person, letter, database, acr: str) -> None:
    """A passkey that stays on its device, added at some assurance, signs in at that assurance and not above."""
    nino = person()
    nino.activate_with_passkey(*letter())
    nino.open("/my/account")
    with database.writing() as db:
        db.execute(update(browser_session).values(acr=acr))
    add_passkey(nino, "Another")
    assert nino.use_passkey().status_code == 200
    with database.reading() as db:
        assert db.scalars(select(browser_session.c.acr)).all() == [acr]
    assert nino.open("/my/account/passkeys/new").status_code == 200


def test_who_only_has_a_passkey_from_a_recovery_code_may_change_things(person, letter, database) -> None:
    """A passkey that reaches the lowest assurance is enough where the account has nothing better."""
    nino = person()
    nino.activate_with_passkey(*letter())
    with database.writing() as db:
        db.execute(update(table).values(bound_acr=assurance.LOW))
    assert nino.use_passkey().status_code == 200
    assert nino.open("/my/account/passkeys/new").status_code == 200


def test_a_new_password_signs_out_everywhere_else(nino, person) -> None:
    """Changing the password ends the other sessions; the old password is dead, the app stays."""
    other = person("203.0.113.8")
    other.secret = nino.secret
    other.sign_in("nino")
    nino.open("/my/account/password")
    assert nino.send("/my/account/password", password="another set of words").status_code == 303
    assert other.open("/my/account").status_code == 303
    assert nino.open("/my/account").status_code == 200
    assert nino.give_password("nino").status_code == 400
    assert nino.give_password("nino", "another set of words").headers["location"] == "/login/code"


@pytest.mark.parametrize("change", ["password", "app"])
def test_other_browsers_are_strangers_afterwards(nino, person, database, change: str) -> None:
    """A new password and a new app make all other browsers unknown, and keep this one."""
    other = person("203.0.113.8")
    other.secret = nino.secret
    other.sign_in("nino")
    mine, theirs = (Visitor("", one.browser.cookies["__Host-erti_device"], "", "") for one in (nino, other))
    with database.reading() as db:
        assert known(db, theirs, nino.citizen_id)
    nino.open("/my/account/password")
    if change == "app":
        nino.send("/my/account/app/new")
        nino.open("/my/account/app")
        nino.secret = nino.text("totp-secret").replace(" ", "")
        assert nino.send("/my/account/app", totp__code=nino.code()).status_code == 303
    else:
        assert nino.send(f"/my/account/{change}", password="another set of words").status_code == 303
    with database.reading() as db:
        assert known(db, mine, nino.citizen_id)
        assert not known(db, theirs, nino.citizen_id)


@pytest.mark.parametrize("change", ["password", "app"])
def test_half_a_sign_in_ends_with_what_it_began_with(nino, person, change: str) -> None:
    """Who gave the old password and not yet the code has to begin again after a change of password or app."""
    other = person("203.0.113.8")
    other.give_password("nino")
    other.open("/login/code")
    nino.open("/my/account/password")
    if change == "app":
        nino.send("/my/account/app/new")
        nino.open("/my/account/app")
        nino.secret = nino.text("totp-secret").replace(" ", "")
        assert nino.send("/my/account/app", totp__code=nino.code(steps_ahead=-1)).status_code == 303
    else:
        assert nino.send("/my/account/password", password="another set of words").status_code == 303
    other.secret = nino.secret
    assert other.send("/login/code", totp__code=other.code()).headers["location"] == "/login"
    assert other.open("/login/code").headers["location"] == "/login"


def test_weak_passwords_are_refused_in_words(nino) -> None:
    """A password that is short, of one letter, endless, or made of the name is refused beside its field."""
    for unfit in ("short", "aaaaaaaaaaaaaaaa", "x" * 501, "nino 1990 nino 17"):
        nino.open("/my/account/password")
        answer = nino.send("/my/account/password", password=unfit)
        assert answer.status_code == 400
        assert 'id="password-error"' in answer.text
        assert 'id="error-summary"' in answer.text


def test_another_app_replaces_the_first_when_confirmed(nino) -> None:
    """The old app works until the new one has shown a code, and not afterwards."""
    old = nino.secret
    nino.open("/my/account")
    nino.send("/my/account/app/new")
    nino.open("/my/account/app")
    nino.secret = nino.text("totp-secret").replace(" ", "")
    assert nino.send("/my/account/app", totp__code="000000").status_code == 400
    assert nino.send("/my/account/app", totp__code=nino.code(steps_ahead=-1)).status_code == 303
    new, nino.secret = nino.secret, old
    assert nino.sign_in("nino").status_code == 400
    nino.secret = new
    assert nino.sign_in("nino").status_code == 303


def test_new_recovery_codes_end_the_old(nino) -> None:
    """New codes are shown until kept; the old ones no longer work."""
    nino.open("/my/account")
    nino.send("/my/account/codes/new")
    nino.open("/my/account/codes")
    codes = re.findall(r"<li>([0-9A-Z-]{19})</li>", nino.page)
    assert not set(codes) & set(nino.codes)
    nino.send("/my/account/codes")
    assert nino.open("/my/account/codes").status_code == 303
    for code, status in ((nino.codes[0], 400), (codes[0], 303)):
        nino.give_password("nino")
        nino.open("/login/code")
        assert nino.send("/login/code", recovery__code=code).status_code == status


def test_names_that_are_taken_or_look_it_are_refused(nino, person, letter, database) -> None:
    """A name that is another's, in other letters or accents too, is refused with what to do."""
    other_id, code = letter()
    person().activate(other_id, code)
    me = Actor("citizen", other_id)
    for name in ("nino", "NINO", "\uff4e\uff49\uff4e\uff4f", "n\u00edno", "nin\u043e", "\u03bdin\u03bf"):
        with pytest.raises((NameTaken, NameUnfit)), database.writing() as db:
            accounts.choose_name(db, other_id, name, actor=me)
    for name in ("ab", "has space", "a\u200bbc", "x" * 65, nino.citizen_id, "evil@", "@home", "..."):
        with pytest.raises(NameUnfit), database.writing() as db:
            accounts.choose_name(db, other_id, name, actor=me)
    for name in (
        "\u10dc\u10d8\u10dc\u10dd",
        "\u0432\u0435\u0440\u0430",
        "\u0928\u0940\u0928\u093e",
        "nino.2",
        "li",
    ):
        if len(name) > 2:
            with database.writing() as db:
                accounts.choose_name(db, other_id, name, actor=me)
            with database.reading() as db:
                assert accounts.find_by_name(db, name).citizen_id == other_id


def test_a_taken_name_is_said_on_the_page(nino, person, letter) -> None:
    """On the page a refused name stands beside its field, and nothing changed."""
    other = person()
    other.activate(*letter(), name="giorgi")
    other.open("/my/account")
    answer = other.send("/my/account/name", username="Nino")
    assert answer.status_code == 400
    assert 'id="username-error"' in answer.text
    assert other.send("/my/account/name", username="gio.rgi").status_code == 303


def test_names_cannot_be_tried_out_without_end(nino) -> None:
    """After twenty names in a day, that of the activation among them, nobody is told any more whether a name is taken."""
    nino.open("/my/account")
    statuses = [nino.send("/my/account/name", username="no").status_code for _number in range(20)]
    assert statuses == [400] * 19 + [429]


def test_locks_add_up_and_go_one_by_one(nino, database) -> None:
    """An account locked for two reasons opens when both are taken away; its sessions ended at once."""
    with database.writing() as db:
        assert accounts.lock(db, nino.citizen_id, reason="deceased", actor=SYSTEM)
        assert accounts.lock(db, nino.citizen_id, reason="staff", actor=SYSTEM)
        assert not accounts.lock(db, nino.citizen_id, reason="staff", actor=SYSTEM)
    assert nino.open("/my/account").status_code == 303
    with database.writing() as db:
        assert not accounts.reopen(db, nino.citizen_id, reason="deceased", actor=SYSTEM)
        assert accounts.find(db, nino.citizen_id).state == "locked"
        assert accounts.reopen(db, nino.citizen_id, reason="staff", actor=SYSTEM)
        assert accounts.find(db, nino.citizen_id).state == "active"
        assert not accounts.lock(db, "0000000000000", reason="staff", actor=SYSTEM)


def test_no_event_holds_a_value(nino, database) -> None:
    """Neither the name, the password, the app's secret nor a code stands in any event of the account."""
    with database.reading() as db:
        sealer = database.parts.sealer
        rows = db.execute(
            select(waiting.c.chain, waiting.c.sealed).where(waiting.c.chain == nino.citizen_id)
        ).all()
        texts = [sealer.unseal(db, row.chain, row.sealed).decode() for row in rows]
    assert texts
    for secret in ("nino", PASSWORD, nino.secret, *nino.codes):
        assert not [text for text in texts if secret in text]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0", "Firefox on Linux"),
        ("curl/8.0", "Unknown browser"),
    ],
)
def test_browsers_are_told_in_words(header: str, said: str) -> None:
    """A browser's header becomes the words that people use."""
    assert str(words(header)) == said
