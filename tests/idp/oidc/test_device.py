"""Devices that sign in by a code: from the device's request to its tokens, and each wrong turn."""

import re
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from consent.errors import FileRefused
from core import clock, sessions
from core.events import SYSTEM, Actor, record
from core.forms import Posted
from idp.events import AccountLocked, SessionEnded
from idp.oidc import clients, devices, metadata, tables
from idp.oidc.calls import Call
from idp.oidc.server import endpoints
from tests.conftest import ISSUER
from tests.idp.oidc import provider as to
from tests.idp.oidc.device import BOX, DEVICES, TV, allow, ask, confirm, enter, errors, later, poll
from tests.idp.oidc.provider import CITIZEN, Provider, claims_of


@pytest.fixture
def with_devices(provider: Provider) -> Provider:
    """Give the provider with two clients for devices: one public, one with a secret."""
    with provider.database.writing() as db:
        clients.load(db, {"clients": DEVICES}, actor=SYSTEM)
    return provider


def test_a_device_signs_in(with_devices: Provider) -> None:
    """A citizen types the code, signs in, sees who asks, allows their values, and the device gets tokens and claims."""
    codes = ask(with_devices, scope="openid profile", nonce="n-0").json()
    assert codes["verification_uri"] == f"{ISSUER}/device"
    assert re.fullmatch(r"[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}", codes["user_code"])
    assert (codes["interval"], codes["expires_in"]) == (5, 600)
    assert errors(poll(with_devices, codes)) == ["authorization_pending"]
    step = enter(with_devices, codes["user_code"].lower().replace("-", " ")).headers["location"]
    assert with_devices.web.get(step).headers["location"].startswith("/login?return_to=%2Fauthorize%2F")
    with_devices.sign_in()
    question = with_devices.web.get(with_devices.web.get(step).headers["location"])
    for text in (
        "Tax on your screen",
        "Office of revenue",
        codes["user_code"],
        "on a device in front of you",
    ):
        assert text in question.text
    asked = with_devices.web.get(with_devices.send(question, decision="mine").headers["location"])
    consent = with_devices.web.get(asked.headers["location"])
    assert "Nino" in consent.text
    decided = with_devices.send(consent, decision="allow")
    over = with_devices.web.get(with_devices.web.get(decided.headers["location"]).headers["location"])
    assert "You can go back to your device" in over.text
    tokens = poll(with_devices, codes).json()
    assert with_devices.userinfo(tokens["access_token"]).json() == {"sub": CITIZEN, "given_name": "Nino"}
    claims = claims_of(tokens["id_token"])
    assert (claims["sub"], claims["aud"]) == (CITIZEN, TV)
    kinds = [entry["kind"] for entry in with_devices.history()]
    assert "device-signed-in" in kinds
    fresh = with_devices.token(TV, None, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert fresh.status_code == 200


def test_a_link_with_the_code_still_asks_whether_it_is_the_same(with_devices: Provider) -> None:
    """The complete address shows the code to compare, finds nothing by itself, and leads on only by its button."""
    codes = ask(with_devices).json()
    with_devices.sign_in()
    page = with_devices.web.get(codes["verification_uri_complete"].removeprefix(ISSUER))
    assert "Is this the code on your device?" in page.text
    assert codes["user_code"] in page.text
    assert errors(poll(with_devices, codes)) == ["authorization_pending"]
    assert with_devices.send(page).headers["location"].startswith("/authorize/")
    for text in ("", "&user_code=<b>", "<script>alert(1)</script>", "AAAA-AAA"):
        entry = with_devices.web.get("/device", params={"user_code": text})
        assert (entry.status_code, "<script>alert" in entry.text) == (200, False)
        assert "Enter the code that the device" in entry.text


def test_whoever_signed_in_before_is_asked_about_the_device_each_time(with_devices: Provider) -> None:
    """A session and a permission that stand already do not let a device in: the citizen says each time that it is theirs."""
    with_devices.sign_in()
    with_devices.allow("given_name")
    for _time in range(2):
        codes = ask(with_devices, scope="openid profile").json()
        step = with_devices.web.get(enter(with_devices, codes["user_code"]).headers["location"])
        assert step.headers["location"].startswith("/device/confirm?i=")
        assert errors(poll(with_devices, codes)) == ["authorization_pending"]


def test_a_device_that_is_not_ones_own_gets_nothing(with_devices: Provider) -> None:
    """Who did not start it says so: the device hears access_denied, the history keeps it, and the code opens nothing more."""
    with_devices.sign_in()
    codes = ask(with_devices).json()
    answer = confirm(with_devices, codes["user_code"], decision="not-mine")
    assert answer.headers["location"] == "/device/refused"
    assert "gets nothing" in with_devices.web.get("/device/refused").text
    assert errors(poll(with_devices, codes)) == ["access_denied"]
    assert with_devices.history()[-1]["kind"] == "device-refused"
    assert enter(with_devices, codes["user_code"]).status_code == 400


def test_a_no_to_the_attributes_is_a_no_to_the_device(with_devices: Provider) -> None:
    """Who knows the device but does not allow the attributes sends it away as at any sign-in."""
    with_devices.sign_in()
    codes = ask(with_devices, scope="openid profile").json()
    asked = with_devices.web.get(confirm(with_devices, codes["user_code"]).headers["location"])
    decided = with_devices.send(with_devices.web.get(asked.headers["location"]), decision="deny")
    over = with_devices.web.get(decided.headers["location"])
    assert over.headers["location"] == "/device/refused"
    assert errors(poll(with_devices, codes)) == ["access_denied"]


def test_a_device_that_asks_too_often_has_to_slow_down(with_devices: Provider) -> None:
    """Each question that comes too soon adds five seconds to the pause; after the pause it is pending again."""
    codes = ask(with_devices).json()
    assert errors(*[poll(with_devices, codes) for _time in range(3)]) == [
        "authorization_pending", "slow_down", "slow_down",
    ]  # fmt: skip
    later(with_devices, 10)
    assert errors(poll(with_devices, codes)) == ["slow_down"]  # the pause is 15 seconds by now, and then 20
    later(with_devices, 20)
    assert errors(poll(with_devices, codes)) == ["authorization_pending"]


def test_an_expired_device_code_is_expired(with_devices: Provider) -> None:
    """After ten minutes the device hears expired_token, its letters lead nowhere, and a page that is open decides nothing."""
    with_devices.sign_in()
    codes = ask(with_devices).json()
    known = confirm(with_devices, codes["user_code"]).headers["location"]
    with with_devices.database.writing() as db:
        db.execute(update(tables.device).values(expires_at=clock.now()))
    assert with_devices.web.get(known).status_code == 404
    assert enter(with_devices, codes["user_code"]).status_code == 400
    assert errors(poll(with_devices, codes)) == ["expired_token"]


def test_a_device_code_is_bound_to_its_client(with_devices: Provider) -> None:
    """Another client cannot redeem it, allowed or not, nor one that did not prove itself; its own one still can."""
    with_devices.sign_in()
    codes = ask(with_devices, BOX).json()
    allow(with_devices, codes["user_code"])
    assert errors(poll(with_devices, codes, TV)) == ["invalid_grant"]
    unproven = with_devices.token(
        BOX, "wrong", grant_type=metadata.DEVICE_GRANT, device_code=codes["device_code"]
    )
    assert errors(unproven) == ["invalid_client"]
    given = poll(with_devices, codes, BOX)
    assert given.status_code == 200
    assert "refresh_token" not in given.json()  # it did not register for one


def test_pkce_binds_the_device_code(with_devices: Provider) -> None:
    """CVE-2026-123542: with a challenge only its verifier redeems; without one a verifier is a downgrade."""
    with_devices.sign_in()
    bound = {"code_challenge": to.CHALLENGE, "code_challenge_method": "S256"}
    codes = ask(with_devices, **bound).json()
    allow(with_devices, codes["user_code"])
    wrong = [{}, {"code_verifier": "short"}, {"code_verifier": "w" * 50}]
    assert errors(*[poll(with_devices, codes, **one) for one in wrong]) == ["invalid_grant"] * 3
    assert poll(with_devices, codes, code_verifier=to.VERIFIER).status_code == 200
    free = ask(with_devices).json()
    allow(with_devices, free["user_code"])
    assert errors(poll(with_devices, free, code_verifier=to.VERIFIER)) == ["invalid_grant"]
    assert errors(
        ask(with_devices, **{**bound, "code_challenge_method": "plain"}),
        ask(with_devices, code_challenge=to.CHALLENGE),
        ask(with_devices, code_challenge_method="S256"),
    ) == ["invalid_request"] * 3  # fmt: skip


def test_a_second_redemption_ends_what_the_first_one_got(with_devices: Provider) -> None:
    """A device code that comes again is in two hands, as any code: invalid_grant, and the tokens stop."""
    with_devices.sign_in()
    codes = ask(with_devices).json()
    allow(with_devices, codes["user_code"])
    tokens = poll(with_devices, codes).json()
    assert errors(poll(with_devices, codes)) == ["invalid_grant"]
    assert with_devices.userinfo(tokens["access_token"]).status_code == 401
    assert with_devices.history()[-1]["kind"] == "replay-stopped"


def test_of_fifty_polls_at_once_one_gets_tokens(with_devices: Provider) -> None:
    """Fifty parallel redemptions of one device code, each in its own transaction, give one success."""
    with_devices.sign_in()
    codes = ask(with_devices).json()
    allow(with_devices, codes["user_code"])
    form = Posted(
        [("grant_type", metadata.DEVICE_GRANT), ("client_id", TV), ("device_code", codes["device_code"])]
    )
    start, statuses = threading.Barrier(50), []

    def redeem() -> None:
        start.wait()
        with with_devices.database.writing() as db:
            answer = endpoints.token(db, form, Call("POST", f"{ISSUER}/token"))
        statuses.append(answer.status)

    threads = [threading.Thread(target=redeem) for _number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [400] * 49


@pytest.mark.parametrize("what", ["lock", "session", "withdrawn", "client", "idle"])
def test_what_was_allowed_still_has_to_count_at_redemption(with_devices: Provider, what: str) -> None:
    """CVE-2024-38371: between the citizen's word and the tokens, account, session, permission and client still count."""
    session = with_devices.sign_in()
    grant = with_devices.allow("given_name")
    codes = ask(with_devices, scope="openid profile").json()
    allow(with_devices, codes["user_code"])
    with with_devices.database.writing() as db:
        if what == "lock":
            record(db, AccountLocked(citizen=CITIZEN, reason="theft"), actor=SYSTEM, about=[CITIZEN])
        elif what == "session":
            sessions.end(db, session)
            ended = SessionEnded(sid=session.sid, reason="signed-out")
            record(db, ended, actor=Actor("citizen", CITIZEN), about=[CITIZEN])
        elif what == "client":
            clients.switch(db, TV, active=False, actor=SYSTEM)
        elif what == "idle":
            db.execute(update(tables.authorization).values(refresh_until=clock.now()))
    if what == "withdrawn":
        with_devices.withdraw(grant)
    expected = "invalid_client" if what == "client" else "access_denied"
    assert errors(poll(with_devices, codes)) == [expected]


def test_a_session_that_ended_meanwhile_lets_no_device_in(with_devices: Provider) -> None:
    """Who is signed out between the question and the answer signs in again first; nobody else's word counts for them."""
    with_devices.sign_in()
    codes = ask(with_devices).json()
    known = confirm(with_devices, codes["user_code"]).headers["location"]
    with_devices.sign_in(to.OTHER)
    assert with_devices.web.get(known).headers["location"].startswith("/device/confirm?i=")
    with_devices.web.cookies.clear()
    assert with_devices.web.get(known).headers["location"].startswith("/login?")
    assert errors(poll(with_devices, codes)) == ["authorization_pending"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "attributes"}, "invalid_scope"),
        ({"scope": "openid purpose:health-sign-in"}, "invalid_scope"),
        ({"resource": "https://api.elsewhere.example/"}, "invalid_target"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
        ({"prompt": "none"}, "invalid_request"),
        ({"request_uri": "urn:x"}, "invalid_request"),
        ({"response_type": "code"}, "invalid_request"),
        ({"scope": ["openid", "openid"]}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
    ],
)
def test_what_a_device_may_not_ask(with_devices: Provider, changes: dict[str, Any], error: str) -> None:
    """A request that could not be granted gets the standard's error before anybody sees a code."""
    refused = ask(with_devices, **changes)
    assert (refused.status_code, errors(refused)) == (400, [error])


def test_only_clients_that_registered_for_devices(with_devices: Provider) -> None:
    """A client without the grant gets unauthorized_client at both endpoints, an unknown one invalid_client."""
    assert errors(ask(with_devices, to.PUBLIC)) == ["unauthorized_client"]
    codes = ask(with_devices).json()
    assert errors(poll(with_devices, codes, to.PUBLIC)) == ["unauthorized_client"]
    assert errors(ask(with_devices, "nobody"), poll(with_devices, codes, "nobody")) == ["invalid_client"] * 2
    assert errors(with_devices.token(TV, None, grant_type=metadata.DEVICE_GRANT)) == ["invalid_request"]


def test_several_resources_may_be_allowed_and_one_is_asked_at_a_time(with_devices: Provider) -> None:
    """A device names resources when it asks, and gets a token for one of these when it redeems (RFC 8707)."""
    with_devices.sign_in()
    both = DEVICES[0]["resources"]
    codes = ask(with_devices, resource=both).json()
    allow(with_devices, codes["user_code"])
    token = poll(with_devices, codes, resource=both[1]).json()["access_token"]
    assert claims_of(token)["aud"] == both[1]


def test_guessing_letters_is_limited_and_shuts_nobody_else_out(
    with_devices: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 8628, 5.1: a browser's tries end, and so do a network's for whoever is not signed in, who then signs in first."""
    codes = ask(with_devices).json()
    tries = [enter(with_devices, "BBBB-BBBB").status_code for _time in range(21)]
    assert tries == [400] * 20 + [429]
    assert enter(with_devices, codes["user_code"]).status_code == 429
    with_devices.sign_in()  # counted by account from here on
    assert enter(with_devices, codes["user_code"]).status_code == 303
    with_devices.web.cookies.clear()
    monkeypatch.setattr("idp.oidc.pages.connecting.NETWORK_TRIES", 5)
    crowded = enter(with_devices, codes["user_code"])
    assert crowded.headers["location"].startswith("/login?return_to=%2Fdevice%3Fuser_code%3D")
    with_devices.sign_in()
    assert enter(with_devices, codes["user_code"]).headers["location"].startswith("/authorize/")


def test_neither_code_is_stored_in_clear(with_devices: Provider) -> None:
    """A stolen table opens no device: it holds a hash of the long code, and a keyed one of the short."""
    codes = ask(with_devices).json()
    with with_devices.database.reading() as db:
        row = db.execute(select(tables.device)).one()
    letters = devices.typed(codes["user_code"])
    for secret in (codes["device_code"], letters, codes["user_code"]):
        assert secret not in repr(row)
        assert row.user_hash != devices._hash(secret)


def test_fapi_clients_do_not_sign_devices_in(with_devices: Provider) -> None:
    """The grant and the FAPI profiles do not go together."""
    declared = {**DEVICES[1], "profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt"}
    with pytest.raises(FileRefused) as refused, with_devices.database.writing() as db:
        clients.load(db, {"clients": [declared]}, actor=SYSTEM)
    assert any("clients[0].grant_types" in str(one) for one in refused.value.mistakes)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_letters_or_nothing(text: str) -> None:
    """Any text becomes capital letters and digits, and a code that was shown becomes itself again."""
    found = devices.typed(text)
    assert not found or (found.isascii() and found.isalnum() and found == found.upper())
    assert devices.typed(devices.shown(found)) == found
