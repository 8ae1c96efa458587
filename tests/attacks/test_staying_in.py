"""Attempts to stay in an account, or to keep what was let in, after the way in is gone: removed, copied, lost, or all shut."""

import threading
from typing import Any

import pytest

from core.database import Database
from core.events import SYSTEM, Actor
from core.sessions import browser_session
from idp import accounts
from idp.login import assurance, card, locks, methods, passkey
from idp.login.devices import Visitor
from idp.tables import passkey as passkeys
from tests.attacks.in_line import waited_for
from tests.authenticator import Authenticator
from tests.idp.login.cardholder import hand_over
from tests.idp.login.person import ISSUER, Person
from tests.idp.oidc.provider import CITIZEN, Provider

SOMEWHERE = Visitor("", "", "", "")


@pytest.fixture
def owner(person: Any, letter: Any) -> Person:
    """Give somebody with a passkey who is signed in."""
    somebody: Person = person()
    somebody.citizen_id, code = letter()
    somebody.activate_with_passkey(somebody.citizen_id, code)
    return somebody


@pytest.fixture
def thief(owner: Person, person: Any) -> Person:
    """Give somebody who is in with the owner's phone, or a copy of what is on it."""
    somebody: Person = person("203.0.113.9")
    somebody.device = owner.device
    assert somebody.use_passkey().status_code == 200
    return somebody


def test_attempt_to_stay_in_with_a_stolen_phone(owner: Person, thief: Person, database: Database) -> None:
    """Once its passkey is removed the phone is out, with the session that it began, and brings no passkey of its own."""
    with database.reading() as db:
        stolen = passkey.of(db, owner.citizen_id)[0].id
    thief.open("/my/account/passkeys/new")
    another = Authenticator(ISSUER)
    credential = another.create(thief.options())
    owner.device = Authenticator(ISSUER)
    owner.open("/my/account/passkeys/new")
    assert (
        owner.send("/my/account/passkeys", credential=owner.device.create(owner.options())).status_code == 303
    )
    owner.open("/my/account")
    assert "you are signed out everywhere else" in owner.page
    assert owner.send(f"/my/account/passkeys/{stolen}/remove").status_code == 303
    assert owner.open("/my/account").status_code == 200
    assert thief.send("/my/account/passkeys", credential=credential).headers["location"].startswith("/login")
    assert thief.open("/my/account").headers["location"].startswith("/login")
    assert thief.use_passkey().status_code == 403
    with database.reading() as db:
        assert len(passkey.of(db, owner.citizen_id)) == 1


def test_attempt_to_stay_in_with_a_copied_passkey(owner: Person, thief: Person, database: Database) -> None:
    """When a copy is noticed, whoever is in by a passkey is out, as one of them is the thief."""
    with database.writing() as db:
        db.execute(passkeys.update().values(sign_count=1000))  # as the copy's uses left it
    assert owner.use_passkey().status_code == 403
    for one in (owner, thief):
        assert one.open("/my/account").headers["location"].startswith("/login")


@pytest.mark.parametrize("lost", ["card", "copy", "removed", "put out"])
@pytest.mark.parametrize("lasts", [True, False])
def test_attempt_to_keep_a_token_when_the_way_in_is_lost(
    provider: Provider, database: Database, lost: str, lasts: bool
) -> None:
    """With what was lost goes each token for offline access that came by it, also of a session that is long over."""
    hand_over(database, CITIZEN)
    here = provider.sign_in()
    came = assurance.CARD if lost == "card" else assurance.SYNCED_PASSKEY
    with database.writing() as db:
        db.execute(browser_session.update().values(amr=list(came)))
        db.execute(
            passkeys.insert().values(
                id="1", credential_id=b"1", citizen_id=CITIZEN, public_key=b"", sign_count=0, device_bound=False,
                bound_acr=assurance.HIGH, held_by="", aaguid="", transports=[], attested=False,
                name_sealed=passkey._seal_name(db, CITIZEN, "1", "x"), added_at=here.auth_time, used_at=here.auth_time,
            )
        )  # fmt: skip
    provider.allow("given_name")
    got = provider.tokens(scope="openid offline_access", prompt="consent")
    with database.writing() as db:
        if not lasts:
            db.execute(browser_session.delete())
        if lost == "card":
            assert card.block(db, CITIZEN, reason=card.LOST, actor=SYSTEM)
        elif lost == "copy":
            passkey.suspect(db, CITIZEN, "1")
        elif lost == "removed":
            methods.remove_passkey(db, here, "1", SOMEWHERE)
        elif lasts:
            accounts.end_sessions(db, CITIZEN, reason="security", actor=SYSTEM)
        else:
            locks.pause(db, CITIZEN, actor=Actor("citizen", CITIZEN))
    again = provider.token(grant_type="refresh_token", refresh_token=got["refresh_token"])
    assert again.json()["error"] == "invalid_grant"


def test_attempt_to_use_a_passkey_while_it_is_removed(
    owner: Person, thief: Person, database: Database
) -> None:
    """Use and removal at one moment take their locks in one order: the one comes after the other, and is refused."""
    thief.open("/login?other=1")
    given = owner.device.get(thief.ask("/login/passkey/options", return_to="/my").json())
    answers: list[Any] = []
    sent = threading.Thread(target=lambda: answers.append(thief.tell("/login/passkey/verify", given)))
    with database.writing() as db:
        accounts.hold(db, owner.citizen_id)
        sent.start()
        waited_for(database, sent)
        methods.remove_all(db, owner.citizen_id, actor=SYSTEM)
    sent.join(20)
    assert answers[0].status_code == 403
