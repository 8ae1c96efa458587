import json
import re

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from core import clock
from core.events import waiting
from core.sessions import browser_session
from idp.login import ceremony, passkey
from idp.login.ceremony import Rejected
from idp.tables import passkey as table
from idp.tables import passkey_challenge
from tests.authenticator import Authenticator, b64
from tests.idp.login.person import ISSUER


@pytest.fixture
def nino(person, letter):
    """Give somebody with a passkey, signed out."""
    citizen_id, code = letter()
    somebody = person()
    somebody.activate_with_passkey(citizen_id, code)
    somebody.citizen_id = citizen_id
    somebody.open("/logout")
    somebody.send("/logout")
    return somebody


@pytest.mark.parametrize(
    ("device_bound", "acr", "amr"),
    [(True, "high", ["hwk", "user", "mfa"]), (False, "substantial", ["swk", "user", "mfa"])],
)
def test_what_a_passkey_reaches(person, letter, database, device_bound, acr, amr) -> None:
    """A passkey that cannot leave its device reaches high, a synced one substantial."""
    nino = person()
    nino.device = Authenticator(ISSUER, device_bound=device_bound, counts=device_bound)
    nino.activate_with_passkey(*letter())
    assert nino.use_passkey().status_code == 200
    with database.reading() as db:
        session = db.execute(select(browser_session)).one()
    assert session.acr == f"urn:erti:loa:{acr}"
    assert session.amr == amr


LIES = (
    {"origin": "https://id.erti.example.evil.example"},
    {"origin": "https://evil-id.erti.example"},
    {"origin": "http://id.erti.example"},
    {"origin": "https://id.erti.example:8443"},
    {"origin": "https://login.id.erti.example"},
    {"origin": "null"},
    {"rp_id": "erti.example"},
    {"rp_id": "evil.example"},
    {"type": "webauthn.create"},
    {"challenge": b64(b"c" * 32)},
    {"cross_origin": True},
    {"user_handle": b"somebody else"},
    {"user_handle": b""},
)


def test_an_answer_that_lies_is_refused(nino) -> None:
    """Another origin, RP ID, type, challenge, frame or user handle than the real ones signs nobody in."""
    for lies in LIES:
        assert nino.use_passkey(**lies).status_code == 403, lies
    assert nino.open("/my/account").status_code == 303


def test_a_user_who_was_not_verified_is_refused(nino) -> None:
    """A passkey used without fingerprint, face or PIN signs nobody in."""
    nino.device.verifies_user = False
    assert nino.use_passkey().status_code == 403


def test_a_signature_of_something_else_is_refused(nino) -> None:
    """A signature that does not fit signs nobody in."""
    nino.open("/login")
    answer = json.loads(nino.device.get(nino.ask("/login/passkey/options").json()))
    answer["response"]["signature"] = answer["response"]["signature"][:-6] + "AAAAAA"
    assert nino.tell("/login/passkey/verify", json.dumps(answer)).status_code == 403


def test_a_challenge_works_once_even_after_a_failure(nino) -> None:
    """An answer, right or wrong, uses its challenge up: the same options never serve twice."""
    nino.open("/login")
    options = nino.ask("/login/passkey/options").json()
    wrong = nino.device.get(options, origin="https://evil.example")
    assert nino.tell("/login/passkey/verify", wrong).status_code == 403
    assert nino.tell("/login/passkey/verify", nino.device.get(options)).status_code == 403
    options = nino.ask("/login/passkey/options").json()
    right = nino.device.get(options)
    assert nino.tell("/login/passkey/verify", right).status_code == 200
    nino.open("/login")
    assert nino.tell("/login/passkey/verify", right).status_code == 403


def test_a_challenge_belongs_to_one_browser(nino, person) -> None:
    """An answer made with another browser's challenge is refused: nobody is signed in to an attacker's account."""
    attacker = person("203.0.113.9")
    attacker.device = nino.device
    attacker.open("/login")
    answer = attacker.device.get(attacker.ask("/login/passkey/options").json())
    nino.open("/login")
    assert nino.tell("/login/passkey/verify", answer).status_code == 403


def test_a_challenge_for_signing_in_makes_no_passkey(nino, database) -> None:
    """What was asked for one purpose does not serve another."""
    with database.writing() as db:
        options = ceremony.ask_use(db, purpose=passkey.SIGN_IN, browser="b" * 32)
        wanted = json.loads(options) | {"rp": {"id": "id.erti.example"}, "user": {"id": b64(b"x" * 32)}}
        outcome = ceremony.made(db, nino.device.create(wanted), purpose="another", browser="b" * 32)
    assert isinstance(outcome, Rejected)
    assert "challenge" in outcome.reason


def test_a_copied_passkey_is_noticed(nino, database) -> None:
    """A counter that does not go forward is refused, and the owner finds it in the history."""
    assert nino.use_passkey().status_code == 200
    nino.device.credentials[-1].sign_count = 0
    assert nino.use_passkey().status_code == 403
    with database.reading() as db:
        kinds = db.scalars(select(waiting.c.kind).where(waiting.c.chain == nino.citizen_id)).all()
    assert kinds.count("passkey-clone-suspected") == 1


def test_an_unknown_passkey_is_refused(person, nino) -> None:
    """A passkey that was never added, or was removed, signs nobody in."""
    other = Authenticator(ISSUER)
    other.create(
        {"rp": {"id": "id.erti.example"}, "user": {"id": b64(b"x" * 32)}, "challenge": b64(b"c" * 32)}
    )
    nino.device = other
    assert nino.use_passkey().status_code == 403


def test_the_options_ask_for_what_is_verified(nino) -> None:
    """The page's options want user verification and a discoverable passkey, and name no credential."""
    nino.open("/login")
    options = nino.ask("/login/passkey/options").json()
    assert options["userVerification"] == "required"
    assert options["rpId"] == "id.erti.example"
    assert not options.get("allowCredentials")


def test_the_login_page_offers_passkeys_without_typing(nino) -> None:
    """The sign-in page has the autofill field, the button, and the addresses that the script needs."""
    page = nino.open("/login").text
    assert 'autocomplete="username webauthn"' in page
    assert 'id="passkey-login"' in page
    for attribute in ("data-autofill", "data-options-url", "data-finish-url"):
        assert attribute in page


def test_registration_refuses_lies_too(person, letter, database) -> None:
    """At activation an origin with our name in it, another RP ID, or an unverified user make no passkey."""
    citizen_id, code = letter()
    nino = person()
    nino.begin_activation(citizen_id, code)
    for lies in ({"origin": f"{ISSUER}.evil.example"}, {"rp_id": "evil.example"}, {"cross_origin": True}):
        nino.open("/activate/method")
        answer = nino.send(
            "/activate/passkey", name="", credential=nino.device.create(nino.options(), **lies)
        )
        assert answer.status_code == 400
    nino.device.verifies_user = False
    nino.open("/activate/method")
    answer = nino.send("/activate/passkey", name="", credential=nino.device.create(nino.options()))
    assert answer.status_code == 400
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(table)) == 0


@rules(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.one_of(
        st.text(max_size=50),
        st.recursive(
            st.one_of(st.none(), st.integers(), st.text(max_size=12)),
            lambda inner: st.dictionaries(
                st.sampled_from(
                    ["id", "rawId", "type", "response", "clientDataJSON", "signature", "userHandle"]
                ),
                inner,
            ),
            max_leaves=8,
        ).map(json.dumps),
    )
)
def test_no_answer_however_strange_is_an_error_of_ours(nino, answer: str) -> None:
    """Whatever a browser sends as a passkey's answer, it is refused in words, never with an error of the service."""
    nino.open("/login")
    assert nino.tell("/login/passkey/verify", answer.encode("utf-8", "replace").decode()).status_code == 403


def test_a_real_answer_with_one_part_broken_is_refused(nino) -> None:
    """Each part of a right answer, emptied, cut, or of another type, is refused in words."""
    nino.open("/login")
    for part in ("clientDataJSON", "authenticatorData", "signature", "userHandle"):
        for broken in ("", "AA", 7, None, "é", "A" * 2000):
            answer = json.loads(nino.device.get(nino.ask("/login/passkey/options").json()))
            answer["response"][part] = broken
            refused = nino.tell("/login/passkey/verify", json.dumps(answer))
            assert refused.status_code == 403, (part, broken)
            assert refused.headers["content-type"] == "application/problem+json"


def test_a_deeply_nested_answer_is_refused(nino) -> None:
    """Thirty thousand brackets are refused in words as any other rubbish."""
    nino.open("/login")
    assert nino.tell("/login/passkey/verify", "[" * 30_000).status_code == 403
    assert nino.tell("/login/passkey/verify", '{"response": ' + '{"a":' * 5_000).status_code == 403


def test_answers_are_throttled_by_network(person) -> None:
    """A network that sends hundreds of answers has to wait."""
    visitor = person("192.0.2.98")
    visitor.open("/login")
    statuses = [visitor.tell("/login/passkey/verify", "{}").status_code for _number in range(301)]
    assert statuses[299:] == [403, 429]


def test_an_expired_challenge_is_refused(nino, database) -> None:
    """An answer that comes too late is refused."""
    nino.open("/login")
    options = nino.ask("/login/passkey/options").json()
    with database.writing() as db:
        db.execute(update(passkey_challenge).values(ends_at=clock.now()))
    assert nino.tell("/login/passkey/verify", nino.device.get(options)).status_code == 403


def test_options_are_throttled_by_network(person) -> None:
    """A network that asks for hundreds of challenges has to wait."""
    visitor = person("192.0.2.99")
    visitor.open("/login")
    statuses = [visitor.ask("/login/passkey/options").status_code for _number in range(301)]
    assert statuses[299:] == [200, 429]


def test_names_of_passkeys_are_sealed(nino, database) -> None:
    """The name somebody gave a device stands nowhere in clear."""
    with database.reading() as db:
        row = db.execute(select(table)).one()
    assert b"My phone" not in row.name_sealed
    assert re.search("My phone", nino.use_passkey() and nino.open("/my/account").text)
